import Logging
import Shardline
import Synchronization

/// A stream, its mapping, and the proof that the function gets each record once and in the order of its key.
struct Side {
    enum Kind: Int { case bad, good }

    private struct State {
        /// How many records of each key the function is done with: bad keys, then good ones.
        var done: [UInt32]
        var count = 0
        var isMended = false
    }

    /// What the function shares with its side.
    private final class Judge: Sendable {
        let state: Mutex<State>
        let keys: Int

        init(keys: Int) {
            self.keys = keys
            state = Mutex(State(done: Array(repeating: 0, count: 2 * keys)))
        }

        /// What a function does: looks at each record, and fails for a bad one until it is mended.
        func take(_ batch: RecordBatch) throws {
            try state.withLock { state in
                for record in batch {
                    let data = record.data
                    let key = Int(Self.number(data, at: 0))
                    if key < keys, !state.isMended { throw PermanentFailure(record, because: "not understood") }
                    let ordinal = Self.number(data, at: 4)
                    guard ordinal == state.done[key] else {
                        throw ShardlineError(.corrupt, "key \(key) is at \(ordinal) after \(state.done[key])")
                    }
                    state.done[key] = ordinal + 1
                    state.count += 1
                }
            }
        }

        private static func number(_ data: borrowing Span<UInt8>, at place: Int) -> UInt32 {
            (0..<4).reduce(UInt32(0)) { $0 | UInt32(data[place + $1]) << (8 * UInt32($1)) }
        }
    }

    let mapping: StreamMapping
    private let stream: RecordStream
    private let settings: ParkedKeysBench.Settings
    private let judge: Judge
    private let logger: Logger

    init(
        _ name: String, _ settings: ParkedKeysBench.Settings, on store: SegmentStore, logger: Logger
    ) async throws {
        try await store.createStream(name, shards: settings.shards)
        stream = store.stream(name)
        mapping = stream.mapping("m")
        self.settings = settings
        self.logger = logger
        judge = Judge(keys: settings.keys)
    }

    /// Puts a round's records, of 100 bytes each: the keys come by turns.
    func put(_ kind: Kind, round: Int) async throws {
        let times = kind == .good ? ParkedKeysBench.Settings.others : 1
        let (keys, each) = (settings.keys, settings.records / settings.keys * times)
        let names = (0..<keys).map { "\(kind == .bad ? "bad" : "good")-\($0)" }
        var call: [NewRecord] = []
        for ordinal in round * each..<(round + 1) * each {
            for key in 0..<keys {
                var data: [UInt8] = []
                for number in [key + kind.rawValue * keys, ordinal] {
                    for shift in 0..<4 { data.append(UInt8(truncatingIfNeeded: number >> (8 * shift))) }
                }
                data += Array(
                    #"{"customer":"\#(names[key])","order":\#(ordinal),"cents":\#(key * 7919 % 99_991)}"#.utf8)
                data += repeatElement(UInt8(ascii: " "), count: max(0, 100 - data.count))
                call.append(NewRecord(data, partitionKey: names[key]))
                if call.count == 5_000 {
                    try await stream.put(contentsOf: call)
                    call.removeAll(keepingCapacity: true)
                }
            }
        }
        if !call.isEmpty { try await stream.put(contentsOf: call) }
    }

    /// Runs the mapping until it is done with everything, which must be this many records.
    func consume(isMended: Bool, expected: Int) async throws {
        judge.state.withLock { state in
            state.isMended = isMended
            state.count = 0
        }
        var configuration = EventSourceMapping.Configuration()
        configuration.whenExhausted = .parkKey
        configuration.failureDestination = .none
        let run = try await EventSourceMapping(
            mapping.id.name, from: stream, configuration: configuration, logger: logger
        ) {
            [judge] batch, _ in try judge.take(batch)
        }
        try await run.run(until: .caughtUp)
        let count = judge.state.withLock { $0.count }
        guard count == expected else {
            throw ShardlineError(.corrupt, "\(count) records of \(stream.name) instead of \(expected)")
        }
    }
}
