import StreamModel

/// A position in one shard that moves with what is read.
struct ShardReader: Sendable {
    /// What one read has found.
    enum Step {
        case records(RecordBatch)
        /// Nothing more for now, or only a gap.
        case nothing
        /// The end of the shard, or of what was wanted.
        case end
        /// The shard was removed, as all of its records have expired (API-R-4).
        case removed
    }

    let shard: ShardID
    private let creationSecond: UInt64
    private(set) var position: SequenceNumber
    private var tip: SequenceNumber
    private let settings: ReaderSettings

    /// A reader of this shard as it is now.
    init(_ shard: ShardDescription, at position: SequenceNumber, settings: ReaderSettings) {
        self.shard = shard.id
        creationSecond = shard.creationSecond
        self.position = position
        tip = max(shard.tip, position)
        self.settings = settings
    }

    /// Whether nothing is wanted any more: where the reader doesn't follow, `tip` stays what it was at the beginning.
    private var isThrough: Bool { !settings.follow && position >= tip }

    func request(_ wait: ReadRequest.Wait) -> ReadRequest {
        ReadRequest(stream: settings.stream.name, shard: shard, after: position, wait: wait)
    }

    /// Reads what is there.
    mutating func read(_ wait: ReadRequest.Wait = .no) async throws -> Step {
        if isThrough { return .end }
        let result: Result<ReadResult, any Error>
        do { result = .success(try await settings.stream.engine.read(request(wait))) } catch {
            result = .failure(error)
        }
        return try take(result)
    }

    /// Moves past a result of ``request(_:)``.
    mutating func take(_ result: Result<ReadResult, any Error>) throws -> Step {
        let found: ReadResult
        do { found = try result.get() } catch let error as ShardlineError where error.code == .shardNotFound {
            return .removed
        }
        if let expired = found.expired { try report(.expired, expired) }
        if let lost = found.lost { try report(.lost, lost) }
        if let record = found.batch.first, record.shardCreationSecond != creationSecond {
            throw ShardlineError(
                .streamNotFound, "the stream '\(settings.stream.name)' was deleted and created again while it was read")
        }
        position = found.next
        var batch = found.batch
        if settings.follow {
            tip = found.tip
        } else if position > tip, let over = batch.firstIndex(where: { $0.sequenceNumber > tip }) {
            batch = batch.extracting(0..<over)
        }
        if !batch.isEmpty { return .records(batch) }
        return found.endOfShard != nil || isThrough ? .end : .nothing
    }

    /// Reports what a removed shard had after the position: its children begin after its last number.
    func reportRemoval() async throws {
        let children = try await settings.stream.describe().shards.filter { $0.parents.contains(shard) }
        let last = children.map(\.origin).reduce(tip, max)
        if position < last { try report(.expired, position.advanced(by: 1)...last) }
    }

    private func report(_ cause: RecordGap.Cause, _ numbers: ClosedRange<SequenceNumber>) throws {
        try settings.report(RecordGap(shard: shard, numbers: numbers, cause: cause))
    }
}
