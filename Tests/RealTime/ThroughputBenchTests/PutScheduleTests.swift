import Testing

@testable import ThroughputBench

/// An open loop holds its rate from the first record on.
@Suite struct PutScheduleTests {
    @Test(arguments: [1, 3, 4, 255], [1.0, 200.0, 10_000.0])
    func `producers that share the records evenly put one after the other`(producers: Int, rate: Double) {
        let schedules = (0..<producers).map { PutSchedule(rate: rate, producer: $0, of: producers) }
        let times = (0..<1_000).map { schedules[$0 % producers].due($0 / producers) }
        let wrong = times.indices.filter { abs(Double(times[$0]) - Double($0) / rate * 1e9) > 2 }
        #expect(wrong.isEmpty, "\(wrong.count) records, the first one \(wrong.first ?? 0)")
    }

    @Test func `producers with unequal shares hold the rate together and end together`() {
        let counts = [600, 300, 90, 10]
        let schedules = counts.enumerated().map {
            PutSchedule(rate: 100, producer: $0.offset, of: counts.count, count: $0.element, total: 1_000)
        }
        // At each second a hundred more, give or take a record of each.
        for second in 1...9 {
            let due = schedules.reduce(0) { $0 + $1.dueCount(by: UInt64(second) * 1_000_000_000) }
            #expect(abs(due - second * 100) <= counts.count, "second \(second)")
        }
        for (count, schedule) in zip(counts, schedules) {
            // The last one is due within one of its producer's steps of the end.
            let end = Double(schedule.due(count - 1)) / 1e9
            #expect(end <= 10 && end >= 10 - 10 / Double(count) - 1e-6)
        }
    }

    @Test func `what is due by a time is what has its moment by then`() {
        let schedule = PutSchedule(rate: 4, producer: 3, of: 4)
        #expect((0..<3).map(schedule.due) == [750_000_000, 1_750_000_000, 2_750_000_000])
        #expect(schedule.dueCount(by: 0) == 0)
        #expect(schedule.dueCount(by: 740_000_000) == 0)
        #expect(schedule.dueCount(by: 760_000_000) == 1)
        #expect(schedule.dueCount(by: 2_760_000_000) == 3)
    }
}
