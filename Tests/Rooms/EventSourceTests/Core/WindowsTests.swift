import EventSource
import StreamModel
import StreamStorage
import Testing

/// Tumbling windows of ten seconds. The function's state is the places of the records that it covers.
struct WindowsTests {
    /// One invocation: the window's beginning in seconds, the records, and the state that came with them.
    struct Call: Equatable {
        var window: Int
        var records: Range<Int>
        var state: String
        var isFinal = false
        var isEarly = false

        static func end(_ window: Int, _ state: String, early: Bool = false) -> Call {
            Call(window: window, records: 0..<0, state: state, isFinal: true, isEarly: early)
        }
    }

    final class Log {
        var calls: [Call] = []

        /// A function that notes its calls, and answers so.
        func noting(
            _ answer: @escaping (LaneCore.Invocation) -> LaneCore.InvocationResult? = { _ in .success }
        ) -> (LaneCore.Invocation) -> LaneCore.InvocationResult? {
            { invocation in
                self.note(invocation)
                return answer(invocation)
            }
        }

        private func note(_ invocation: LaneCore.Invocation) {
            guard let window = invocation.window else { return }
            let batch = invocation.unit.records
            let first = batch.first.map { Int($0.sequenceNumber.rawValue) - 1 } ?? 0
            calls.append(
                Call(
                    window: WindowsTests.seconds(window.start), records: first..<first + batch.count,
                    state: String(decoding: window.state, as: UTF8.self), isFinal: window.isFinal,
                    isEarly: window.isTerminatedEarly))
        }
    }

    static func places(_ batch: RecordBatch) -> [String] {
        batch.map { "\($0.sequenceNumber.rawValue - 1)" }
    }

    static func seconds(_ time: Timestamp) -> Int {
        Int((time - LaneWorld.beginning).components.seconds)
    }

    /// A world with windows, and what its function gets. `length` in seconds.
    func world(
        _ length: Int = 10, batch: Int = 100, window: Duration = .zero, retries: Int? = 1, age: Duration? = nil,
        bisects: Bool = true, from beginning: ShardCore.InitialState = .init(position: .zero),
        change: (inout LaneCore.Settings) -> Void = { _ in }
    ) -> (LaneWorld, Log) {
        var settings = LaneCore.Settings.test(
            batch: batch, window: window, retries: retries, bisects: bisects, age: age)
        settings.tumblingWindow = length == 0 ? nil : .seconds(length)
        settings.deliveryMovesCheckpoint = true
        change(&settings)
        var world = LaneWorld(settings, from: beginning)
        let log = Log()
        world.state = { invocation in Self.state(after: invocation) }
        world.function = log.noting()
        world.send(.start)
        return (world, log)
    }

    static func state(after invocation: LaneCore.Invocation, upTo count: Int = .max) -> [UInt8]? {
        guard let window = invocation.window else { return nil }
        let before = String(decoding: window.state, as: UTF8.self)
        return Array(
            ([before].filter { !$0.isEmpty } + places(invocation.unit.records).prefix(count)).joined(separator: " ")
                .utf8)
    }

    @Test func `a window begins at a multiple of its length, and has what arrives in it (ESM-T1, ESM-S12)`() {
        func window(_ arrival: Int64, _ length: Int64 = 10_000) -> [Int64] {
            let window = LaneCore.Window(
                of: Timestamp(milliseconds: arrival), length: .milliseconds(length), after: nil)
            return [window.start.milliseconds, window.end.milliseconds]
        }
        #expect(window(0) == [0, 10_000])
        #expect(window(9_999) == [0, 10_000])
        #expect(window(10_000) == [10_000, 20_000])
        #expect(window(-1) == [-10_000, 0])
        #expect(window(-10_000) == [-10_000, 0])
        #expect(window(1_545_084_650_987, 1) == [1_545_084_650_987, 1_545_084_650_988])
    }

    @Test func `the state goes from call to call, and the final one gets it alone (ESM-T2, ESM-T5, ESM-E7, ESM-E8)`() {
        var (world, log) = world(batch: 2)
        world.put(3)
        world.advance(by: .seconds(3))
        world.put(1)
        #expect(
            log.calls == [
                Call(window: 0, records: 0..<2, state: ""), Call(window: 0, records: 2..<3, state: "0 1"),
                Call(window: 0, records: 3..<4, state: "0 1 2"),
            ])
        world.advance(by: .milliseconds(6_999))
        #expect(log.calls.count == 3)
        world.advance(by: .milliseconds(1))
        #expect(log.calls.last == .end(0, "0 1 2 3"))
        // The state is dropped, and a window without records gives no call.
        world.advance(by: .seconds(35))
        #expect(log.calls.count == 4)
        world.put(1)
        #expect(log.calls.last == Call(window: 40, records: 4..<5, state: ""))
        #expect(world.violations == [])
    }

    @Test func `a batch has records of one window, and the old one ends before the next begins (ESM-T3, ESM-T5)`() {
        var (world, log) = world()
        world.function = { _ in nil }
        world.put(2)
        world.put(3, at: .seconds(12))
        world.function = log.noting()
        world.answer(.success)
        #expect(log.calls == [.end(0, "0 1"), Call(window: 10, records: 2..<5, state: "")])
        let edges = world.trace.compactMap { if case .closed(_, let cause, _) = $0 { cause } else { nil } }
        #expect(edges == [.window, .window])
    }

    @Test func `the edge of a window closes a batch although more records are there (ESM-T3)`() {
        var (world, log) = world()
        world.function = { _ in nil }
        world.put(1)
        world.put(2, at: .seconds(9))
        world.put(2, at: .seconds(10))
        world.function = log.noting()
        world.answer(.success)
        #expect(
            log.calls == [
                Call(window: 0, records: 1..<3, state: "0"), .end(0, "0 1 2"),
                Call(window: 10, records: 3..<5, state: ""),
            ])
        #expect(world.counters.batches[.tumblingWindow] == 1)
    }

    @Test func `the end of the window closes a batch that waits for its batching window (ESM-T3)`() {
        var (world, log) = world(window: .seconds(60))
        world.put(2)
        world.advance(by: .seconds(10))
        #expect(log.calls == [Call(window: 0, records: 0..<2, state: ""), .end(0, "0 1")])
    }

    @Test func `an answer without state is a failure, but in the final invocation (ESM-T4)`() {
        var (world, log) = world(retries: 0, bisects: false)
        world.state = { _ in nil }
        world.put(2)
        world.advance(by: .seconds(11))
        #expect(log.calls.count == 2)
        #expect(log.calls.last == .end(0, ""))
        #expect(world.documents.map(\.places) == [0..<2])
        #expect(world.documents.first?.failure?.text.contains("no state") == true)
        #expect(world.counters.errors == 1)
    }

    @Test func `a window ends by time only once a read has shown that no record of it can come (ESM-T5)`() {
        var (world, log) = world()
        world.put(1)
        // A record of the window that a store makes visible late, found by the look after the end.
        let before = world.reads.count
        world.put(1, at: .milliseconds(9_990))
        world.advance(by: .milliseconds(9))
        #expect(log.calls.count == 2)
        world.advance(by: .milliseconds(1))
        #expect(log.calls.last == .end(0, "0 1"))
        #expect(world.reads.dropFirst(before).contains { !$0.waits })
    }

    @Test func `where the store can't tell, the first read begun after the end shows it (ESM-T5)`() {
        var (world, log) = world()
        world.tellsArrivals = false
        world.put(1)
        let before = world.reads.count
        world.advance(by: .seconds(10))
        #expect(log.calls.last == .end(0, "0"))
        #expect(world.reads.dropFirst(before).contains { !$0.waits })
        #expect(world.violations == [])
    }

    @Test func `the end of the shard ends its window, and then the shard is done (ESM-T8, ESM-H6)`() {
        var (world, log) = world()
        world.put(2)
        world.close()
        #expect(log.calls == [Call(window: 0, records: 0..<2, state: ""), .end(0, "0 1")])
        #expect(world.stops == [.shardEnd])
        #expect(world.durable.isShardEnd)
    }

    @Test func `a state above 1 MiB ends the window early, and the next records begin without one (ESM-T6, ESM-E7)`() {
        var (world, log) = world(batch: 2)
        let large = [UInt8](repeating: 0x20, count: LaneCore.mostStateBytes + 1)
        world.state = { invocation in
            invocation.unit.records.first?.sequenceNumber == SequenceNumber(1) ? large : Self.state(after: invocation)
        }
        world.put(4)
        #expect(log.calls.map(\.isFinal) == [false, true, false])
        #expect(log.calls[1].isEarly)
        #expect(log.calls[1].state.utf8.count == large.count)
        #expect(log.calls[2] == Call(window: 0, records: 2..<4, state: ""))
        world.advance(by: .seconds(10))
        #expect(log.calls.last == .end(0, "2 3"))
        // Without records after it, nothing is left to end.
        world.state = { _ in large }
        world.put(1)
        world.advance(by: .seconds(30))
        #expect(log.calls.suffix(2).map(\.isEarly) == [false, true])
    }

    @Test func `a state of exactly 1 MiB stays, and one that fits no event is a failure (ESM-T6)`() {
        var (world, log) = world(retries: 0) { $0.payload = .rawBytes(limit: LaneCore.mostStateBytes) }
        world.state = { _ in [UInt8](repeating: 0x20, count: LaneCore.mostStateBytes) }
        world.put(1)
        #expect(log.calls.map(\.isFinal) == [false])
        world.state = { _ in [UInt8](repeating: 0x20, count: LaneCore.mostStateBytes + 1) }
        world.put(1)
        #expect(world.documents.map(\.places) == [1..<2])
        #expect(world.documents.first?.failure?.type == "StateTooLarge")
    }

    @Test func `a failed call leaves the state as it was, and given-up records are missing from it (ESM-T7)`() {
        var (world, log) = world(batch: 2, retries: 1, bisects: false)
        world.put(2)
        world.function = log.noting { $0.unit.records.isEmpty ? .success : .fails }
        world.put(1)
        world.runToRest()
        #expect(
            log.calls == [
                Call(window: 0, records: 0..<2, state: ""), Call(window: 0, records: 2..<3, state: "0 1"),
                Call(window: 0, records: 2..<3, state: "0 1"), .end(0, "0 1"),
            ])
    }

    @Test func `a final invocation is retried, and given up with its state (ESM-T7)`() {
        var (world, log) = world(retries: 1)
        world.function = log.noting { $0.unit.records.isEmpty ? .fails : .success }
        world.put(2)
        world.runToRest()
        #expect(log.calls.suffix(2) == [.end(0, "0 1"), .end(0, "0 1")])
        #expect(world.documents.count == 1)
        #expect(world.documents[0].count == 0)
        #expect(world.documents[0].last == SequenceNumber(2))
        #expect(world.documents[0].invocations == 2)
        #expect(world.documents[0].window.map { String(decoding: $0.state, as: UTF8.self) } == "0 1")
        #expect(world.durable.window?.last == nil)
        world.put(1)
        #expect(log.calls.last?.state == "")
    }

    @Test func `the age of a final invocation counts from the end of its window (ESM-T7)`() {
        var (world, log) = world(100, retries: nil, age: .seconds(60))
        world.function = log.noting { $0.unit.records.isEmpty ? .fails : .success }
        world.put(1)
        // The last record is older than the limit when the window ends.
        world.advance(by: .seconds(100))
        #expect(log.calls.last == .end(0, "0"))
        world.advance(by: .seconds(59))
        #expect(world.documents.isEmpty)
        world.advance(by: .seconds(1))
        #expect(world.documents.map(\.condition) == [.recordAgeExceeded])
    }

    @Test func `each half gets the state as of its start (ESM-T9)`() {
        var (world, log) = world(retries: 0)
        world.function = log.noting { Self.places($0.unit.records).contains("1") ? .fails : .success }
        world.put(4)
        world.runToRest()
        #expect(
            log.calls == [
                Call(window: 0, records: 0..<4, state: ""), Call(window: 0, records: 0..<2, state: ""),
                Call(window: 0, records: 0..<1, state: ""), Call(window: 0, records: 1..<2, state: "0"),
                Call(window: 0, records: 2..<4, state: "0"), .end(0, "0 2 3"),
            ])
    }

    @Test func `a report keeps the state of the records before it (ESM-T9)`() {
        var (world, log) = world(retries: 0)
        world.function = log.noting { Self.places($0.unit.records).contains("2") ? .fails(from: 2) : .success }
        world.state = { invocation in
            let bad = invocation.unit.records.firstIndex { $0.sequenceNumber == SequenceNumber(3) }
            return Self.state(after: invocation, upTo: bad ?? .max)
        }
        world.put(4)
        world.runToRest()
        #expect(
            log.calls == [
                Call(window: 0, records: 0..<4, state: ""), Call(window: 0, records: 2..<4, state: "0 1"),
                Call(window: 0, records: 2..<3, state: "0 1"), Call(window: 0, records: 3..<4, state: "0 1"),
                .end(0, "0 1 3"),
            ])
    }

    @Test func `a late record joins the current window, and one of a window that is over the next (ESM-T10)`() {
        var (world, log) = world()
        world.advance(by: .seconds(20))
        world.put(1)
        world.put(1, age: .seconds(15))
        #expect(log.calls.last == Call(window: 20, records: 1..<2, state: "0"))
        #expect(world.counters.late == 1)
        world.advance(by: .seconds(10))
        #expect(log.calls.last == .end(20, "0 1"))
        world.put(1, age: .seconds(5))
        #expect(log.calls.last == Call(window: 30, records: 2..<3, state: ""))
        #expect(world.counters.late == 2)
    }

    @Test func `another length begins at the edge of the window that is open (ESM-T11)`() {
        var (world, log) = world()
        world.put(1)
        var settings = world.lane.settings
        settings.tumblingWindow = .seconds(15)
        world.send(.settingsChanged(settings))
        world.advance(by: .seconds(10))
        #expect(log.calls.last == .end(0, "0"))
        // Windows of 15 s begin 5 s before this world does.
        world.put(1)
        #expect(log.calls.last == Call(window: 10, records: 1..<2, state: ""))
        world.advance(by: .seconds(3))
        world.put(1)
        settings.tumblingWindow = nil
        world.send(.settingsChanged(settings))
        world.runToRest()
        #expect(log.calls.suffix(2) == [Call(window: 10, records: 2..<3, state: "1"), .end(10, "1 2")])
        #expect(world.durable.window == nil)
        let count = log.calls.count
        world.put(1)
        #expect(log.calls.count == count)
        #expect(world.durable.window == nil)
    }

    @Test func `several lanes have no windows, so an open one ends at once (ESM-S29)`() {
        var (first, _) = world()
        first.put(2)
        let (second, log) = world(0, from: .init(first.durable)) { $0.parallelizationFactor = 3 }
        #expect(log.calls == [.end(0, "0 1", early: true)])
        #expect(second.durable.window == nil)
        #expect(Self.end(second)?.rule == "ESM-S29")
    }

    private static func end(_ world: LaneWorld) -> LaneCore.TraceEvent? {
        world.trace.first { if case .windowEnded = $0 { true } else { false } }
    }

    @Test func `a window's end says why it comes (ESM-T5, ESM-T6)`() {
        var (inTime, _) = world()
        inTime.put(1)
        inTime.advance(by: .seconds(10))
        #expect(Self.end(inTime)?.rule == "ESM-T5")
        var (large, _) = world()
        large.state = { _ in [UInt8](repeating: UInt8(ascii: " "), count: LaneCore.mostStateBytes + 1) }
        large.put(1)
        #expect(Self.end(large)?.rule == "ESM-T6")
    }

    @Test func `after a crash the state is that of the first record that is not done (ESM-T8)`() {
        var (first, log) = world(batch: 2)
        first.put(4)
        first.function = { _ in nil }
        first.put(2)
        var next = first.afterCrash()
        next.function = log.noting()
        log.calls = []
        next.send(.start)
        #expect(log.calls == [Call(window: 0, records: 4..<6, state: "0 1 2 3")])
        next.runToRest()
        #expect(log.calls.last == .end(0, "0 1 2 3 4 5"))
    }

    @Test func `a final invocation that ends the process again and again is given up (ESM-A9, ESM-T7)`() {
        var (world, log) = world(retries: 2)
        world.put(1)
        world.function = log.noting { $0.unit.records.isEmpty ? nil : .success }
        world.runToRest()
        var crashes = 0
        while world.documents.isEmpty, crashes < 10 {
            world = world.afterCrash()
            world.send(.start)
            world.runToRest()
            crashes += 1
        }
        #expect(world.documents.map(\.condition) == [.retryAttemptsExhausted])
        #expect(world.documents.first?.window?.isFinal == true)
        #expect(crashes == 4)
    }

    @Test func `records that no filter matches neither open a window nor end one (ESM-T11)`() throws {
        let filter = try RecordFilter(
            patterns: [#"{"partitionKey":["other"]}"#], source: .init(region: "us-east-1", streamARN: "arn"))
        var (world, log) = world { $0.filter = filter }
        world.put(2)
        world.advance(by: .seconds(30))
        world.put(1)
        world.advance(by: .seconds(30))
        #expect(log.calls.isEmpty)
        #expect(world.durable.window == nil)
        #expect(world.durable.position == SequenceNumber(3))
    }

    @Test func `a checkpoint keeps a window and its state (ESM-T8)`() throws {
        let record = LaneWorld.run(1)[0]
        for window in [
            LaneCore.Window(
                start: LaneWorld.beginning, end: LaneWorld.beginning + .seconds(1), state: Array("{}".utf8)),
            LaneCore.Window(
                start: Timestamp(milliseconds: -5), end: Timestamp(milliseconds: 0), last: .init(record), isOver: true),
        ] {
            let progress = ShardProgress(position: SequenceNumber(7), window: window)
            let checkpoint = ShardCheckpoint(
                shard: ShardID(0), position: progress.position, state: progress.encodedState)
            #expect(try ShardProgress(checkpoint) == progress)
            for count in 1..<checkpoint.state.count {
                var cut = checkpoint
                cut.state.removeLast(count)
                #expect(throws: ShardlineError.self) { try ShardProgress(cut) }
            }
        }
    }
}
