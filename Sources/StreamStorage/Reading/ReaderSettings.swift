import Logging
import StreamModel

/// What the readers of one iteration share.
struct ReaderSettings: Sendable {
    let stream: RecordStream
    let follow: Bool
    let onGap: (@Sendable (RecordGap) throws -> Void)?
    var recordsOfOneRead = 10_000
    /// The stream that the iteration began with.
    var id: StreamID?

    init(stream: RecordStream, follow: Bool, onGap: (@Sendable (RecordGap) throws -> Void)?) {
        self.stream = stream
        self.follow = follow
        self.onGap = onGap
    }

    /// Reports missing numbers, as far as they are wanted.
    func report(
        _ shard: ShardID, _ numbers: ClosedRange<SequenceNumber>, _ cause: RecordGap.Cause, upTo goal: SequenceNumber?
    ) throws {
        let last = min(numbers.upperBound, goal ?? .max)
        guard numbers.lowerBound <= last else { return }
        let gap = RecordGap(shard: shard, numbers: numbers.lowerBound...last, cause: cause)
        if let onGap { return try onGap(gap) }
        stream.store.logger.warning("\(gap)", metadata: ["stream": "\(stream.name)"])
    }

    /// The stream as it is now. Throws `streamNotFound` where another one of the name has taken its place.
    func describe() async throws -> StreamDescription {
        let description = try await stream.describe()
        if let id, description.id != id { throw recreated }
        return description
    }

    var recreated: ShardlineError {
        ShardlineError(.streamNotFound, "the stream '\(stream.name)' was deleted and created again while it was read")
    }

    /// Waits for the first of these reads that ends, and returns what it and others have found by then, by their places;
    /// a read that is cancelled has moved nothing. Throws what the store fails with, since a waiting read would not.
    func wait(for requests: [ReadRequest]) async throws -> [Int: Result<ReadResult, any Error>] {
        let engine = stream.engine
        let results = try await withThrowingTaskGroup(of: (Int, Result<ReadResult, any Error>).self) { group in
            for (place, request) in requests.enumerated() {
                group.addTask {
                    do { return (place, .success(try await engine.read(request))) } catch {
                        return (place, .failure(error))
                    }
                }
            }
            group.addTask {
                do { throw try await engine.waitForFailure() } catch is CancellationError {
                    return (requests.count, .failure(CancellationError()))
                }
            }
            var results: [Int: Result<ReadResult, any Error>] = [:]
            while let (place, result) = try await group.next() {
                group.cancelAll()
                if case .failure(is CancellationError) = result { continue }
                results[place] = result
            }
            return results
        }
        try Task.checkCancellation()
        return results
    }
}
