import Logging
import Shardline
import Synchronization

/// What is measured, by the public API only.
struct Work: Sendable {
    let stream: RecordStream
    /// Whether one thing is allocated for each record on purpose.
    let plants: Bool
    private let call: [NewRecord]
    private let planted = Planted()

    /// Puts into `stream`, so many records a call.
    init(stream: RecordStream, callSize: Int, plants: Bool) {
        self.stream = stream
        self.plants = plants
        call = (0..<callSize).map { index in
            let text = #"{"seq":"0000000\#(100_000_000 + index)","user":"user-\#(index * 7919 % 1000)","event":"#
            return NewRecord(
                Array(text.utf8) + [UInt8](repeating: UInt8(ascii: " "), count: 100 - text.utf8.count),
                partitionKey: "N\(10_000 + index)")
        }
    }

    /// Puts whole calls, one after the other; answers how many records that were.
    func put(calls: Int) async throws -> Int {
        for _ in 0..<calls {
            if plants { for record in call { planted.allocate(record.data.count) } }
            _ = try await stream.put(contentsOf: call)
        }
        return calls * call.count
    }

    /// Puts single records, 64 at a time.
    func putSingly(calls: Int) async throws -> Int {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<64 {
                group.addTask {
                    for index in 0..<calls / 64 {
                        _ = try await stream.put(contentsOf: [call[(caller + index) % call.count]])
                    }
                }
            }
            try await group.waitForAll()
        }
        return calls / 64 * 64
    }

    /// A mapping from the stream's beginning whose function looks at every byte count.
    func mapping(batchSize: Int, logger: Logger) async throws -> EventSourceMapping {
        var configuration = EventSourceMapping.Configuration()
        configuration.batchSize = batchSize
        configuration.failureDestination = .none
        return try await EventSourceMapping(
            "batches-of-\(batchSize)", from: stream, configuration: configuration, logger: logger
        ) { [plants, planted] batch, _ in
            for record in batch {
                let data = record.data
                if plants { planted.allocate(data.count) }
                guard data.count == 100 else { throw PermanentFailure(record, because: .malformed("not 100 bytes")) }
            }
        }
    }
}

/// Takes memory that the compiler can't do without.
private final class Planted: Sendable {
    private let last = Mutex([UInt8]())

    func allocate(_ count: Int) {
        let bytes = [UInt8](repeating: 1, count: count)
        last.withLock { $0 = bytes }
    }
}
