import CZlib
import EventSource
import StreamModel
import TestSupport
import Testing

/// The demonstration's job on its real data, in virtual time: 27,004 departures, keyed by aircraft, in four shards.
@Suite struct RealDataTests {
    /// One departure: the shard of its aircraft, and whether it has a time and an aircraft.
    struct Departure {
        let shard: Int
        let isBad: Bool
    }

    static func departures() throws -> [Departure] {
        let file = try #require(gzopen(PackageFolder.path("examples/flights-2013-01.csv.gz"), "r"))
        defer { gzclose(file) }
        var text: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while case let read = gzread(file, &part, UInt32(part.count)), read > 0 { text += part[0..<Int(read)] }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        let columns = lines[0].split(separator: ",")
        let aircraft = try #require(columns.firstIndex(of: "tailnum"))
        let delay = try #require(columns.firstIndex(of: "dep_delay"))
        let ranges = HashKeyRange.even(4)
        return lines.dropFirst().map { line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            let key = HashKey(partitionKey: String(fields[aircraft]))
            return Departure(
                shard: ranges.firstIndex { $0.contains(key) }!,
                isBad: fields[aircraft] == "NA" || fields[delay] == "NA")
        }
    }

    @Test(arguments: [10_000, 37])
    func `ESM-X2 ESM-X11 a backlog of real data takes 461, 433, 537 and 885 invocations`(
        recordsOfOneRead: Int
    ) throws {
        let departures = try Self.departures()
        #expect(departures.count == 27_004)
        var total = LaneCore.Counters()
        var invocations: [Int] = []
        var records: [Int] = []
        var isolated: [Int] = []
        for shard in 0..<4 {
            let bad = departures.filter { $0.shard == shard }.map(\.isBad)
            var settings = LaneCore.Settings.test(batch: 100, window: .seconds(1), reports: false)
            settings.payload = .rawBytes()
            var world = LaneWorld(settings)
            world.recordsOfOneRead = recordsOfOneRead
            world.function = { invocation in
                let first = Int(invocation.unit.first.rawValue) - 1
                return bad[first..<first + invocation.unit.records.count].contains(true) ? .fails : .success
            }
            world.put(bad.count, bytes: 100)
            world.send(.start)
            world.runToRest()
            #expect(world.violations == [])
            #expect(world.documents.map(\.places) == bad.indices.filter { bad[$0] }.map { $0..<$0 + 1 })
            invocations.append(world.counters.invocations)
            records.append(world.counters.polled)
            isolated.append(world.counters.givenUp)
            total += world.counters
        }
        #expect(invocations == [461, 433, 537, 885])
        #expect(records == [6_643, 6_234, 6_833, 7_294])
        #expect(isolated == [87, 77, 106, 251])
        #expect(total.invocations == 2_316)
        #expect(total.succeeded == 27_004 - 521)
        #expect(total.destinationDelivered == 521)
        #expect(total.settled == total.polled)
    }
}
