import EventSource
import StreamModel
import StreamStorage
import Testing

/// What meets at the edges of tumbling windows: a large state in the midst of a batch, crashes, other lengths.
extension WindowsTests {
    @Test func `an invocation is told the first moment of its window and the first after it (ESM-E7, ESM-T1)`() {
        var (world, _) = world()
        var bounds: [[Int]] = []
        world.function = { invocation in
            bounds.append(invocation.window.map { [Self.seconds($0.start), Self.seconds($0.end)] } ?? [])
            return .success
        }
        world.put(1)
        world.put(1, at: .seconds(25))
        #expect(bounds == [[0, 10], [0, 10], [20, 30]])
    }

    @Test func `after an early end, a record of the window's last moment is in it, one of its end is not (ESM-T1)`() {
        var (world, log) = world()
        world.state = { _ in [UInt8](repeating: 0x20, count: LaneCore.mostStateBytes + 1) }
        world.put(1)
        #expect(log.calls.last?.isEarly == true)
        world.state = { invocation in Self.state(after: invocation) }
        world.put(1, at: .milliseconds(9_999))
        world.put(1, at: .milliseconds(10_000))
        #expect(
            log.calls.suffix(3) == [
                Call(window: 0, records: 1..<2, state: ""), .end(0, "1"), Call(window: 10, records: 2..<3, state: ""),
            ])
        // An early end leaves nothing to end, and the window before the edge has no record.
        world.state = { _ in [UInt8](repeating: 0x20, count: LaneCore.mostStateBytes + 1) }
        world.put(1)
        world.put(1, at: .seconds(20))
        #expect(log.calls.suffix(2).map(\.window) == [20, 20])
        #expect(world.violations == [])
    }

    @Test func `a unit waits for the state that the one before returns (ESM-T2)`() {
        var (world, log) = world(batch: 2) {
            $0.maximumChain = 4
            $0.maximumUnsavedUnits = 8
        }
        world.function = { _ in nil }
        world.put(8)
        world.function = log.noting()
        world.answer(.success)
        #expect(world.violations == [])
        #expect(log.calls.map(\.state) == ["0 1", "0 1 2 3", "0 1 2 3 4 5"])
    }

    @Test(arguments: [LaneCore.InvocationResult.fails(from: 2), .permanent(2)])
    func `an answer that names a record needs a state of those before it (ESM-T4)`(
        result: LaneCore.InvocationResult
    ) {
        var (world, log) = world(retries: 1, bisects: false)
        world.state = { _ in nil }
        world.function = log.noting { $0.unit.records.count == 4 ? result : .success }
        world.put(4)
        world.runToRest()
        // Nothing of the batch is done, and it comes again as a whole.
        #expect(log.calls.prefix(2).map(\.records) == [0..<4, 0..<4])
        #expect(world.documents.map(\.places) == [0..<4])
        #expect(world.documents.first?.failure?.text.contains("no state") == true)
    }

    @Test func `the first record may be named without a state (ESM-T4)`() {
        var (world, log) = world(retries: 0)
        world.state = { $0.unit.records.first?.sequenceNumber == SequenceNumber(1) ? nil : Self.state(after: $0) }
        world.function = log.noting { $0.unit.records.count == 3 ? .permanent(0) : .success }
        world.put(3)
        #expect(log.calls.map(\.records) == [0..<3, 1..<3])
        #expect(world.documents.map(\.places) == [0..<1])
    }

    @Test func `a state that is too large in the midst of a batch ends the window before the others (ESM-T6)`() {
        var (world, log) = world(retries: 1)
        world.function = log.noting { $0.unit.records.count == 4 ? .fails(from: 2) : .success }
        world.state = { invocation in
            invocation.unit.records.count == 4
                ? [UInt8](repeating: 0x20, count: LaneCore.mostStateBytes + 1) : Self.state(after: invocation)
        }
        world.put(4)
        world.runToRest()
        #expect(log.calls.map(\.records) == [0..<4, 0..<0, 2..<4, 0..<0])
        #expect(log.calls.map(\.isEarly) == [false, true, false, false])
        #expect(log.calls.suffix(2).map(\.state) == ["", "2 3"])
    }

    @Test func `a window of which all records were given up has its end after a crash (ESM-T8)`() {
        var (world, log) = world(retries: 0)
        world.function = log.noting { $0.unit.records.isEmpty ? .success : .fails }
        // The checkpoint moves in the commit of the document alone.
        world.checkpointsAtOnce = false
        world.put(1)
        world.answerCheckpoint()
        #expect(world.documents.map(\.places) == [0..<1])
        var next = world.afterCrash()
        next.function = log.noting()
        log.calls = []
        next.send(.start)
        next.runToRest()
        #expect(log.calls == [.end(0, "")])
    }

    @Test func `a final invocation that was given up does not come again after a crash (ESM-T7)`() {
        var (world, log) = world(retries: 0)
        world.function = log.noting { $0.unit.records.isEmpty ? .fails : .success }
        world.put(1)
        // The commit of the document is the last that becomes durable.
        world.checkpointsAtOnce = false
        world.runToRest()
        #expect(log.calls.last == .end(0, "0"))
        #expect(world.documents.map(\.count) == [0])
        var next = world.afterCrash()
        log.calls = []
        next.function = log.noting()
        next.send(.start)
        next.runToRest()
        #expect(log.calls == [])
        #expect(next.documents.count == 1)
    }

    @Test func `a shorter length begins at the edge of the window before, in the midst of its own (ESM-T11)`() {
        var (world, log) = world()
        world.put(1)
        var settings = world.lane.settings
        // Windows of 25 s begin when this world does.
        settings.tumblingWindow = .seconds(25)
        world.send(.settingsChanged(settings))
        world.put(1, at: .seconds(10))
        #expect(log.calls.suffix(2) == [.end(0, "0"), Call(window: 10, records: 1..<2, state: "")])
        world.put(1, at: .seconds(24))
        world.put(1, at: .seconds(25))
        #expect(
            log.calls.suffix(3) == [
                Call(window: 10, records: 2..<3, state: "1"), .end(10, "1 2"),
                Call(window: 25, records: 3..<4, state: ""),
            ])
    }

    @Test func `the payload limit counts the state (ESM-B4)`() {
        var (world, log) = world { $0.payload = .rawBytes(limit: 12) }
        world.put(5)
        world.function = { _ in nil }
        world.put(1)
        world.put(9)
        world.function = log.noting()
        log.calls = []
        world.answer(.success)
        // "0 1 2 3 4 5" leaves room for one byte.
        #expect(log.calls.first == Call(window: 0, records: 6..<7, state: "0 1 2 3 4 5"))
    }
}
