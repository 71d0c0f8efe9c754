import StreamModel

/// A position in one shard that moves with what is read.
struct ShardReader: Sendable {
    /// What one read has found.
    enum Step {
        case records(RecordBatch)
        /// Nothing more for now, or only a gap.
        case nothing
        /// The end of what was wanted, or of the shard, with its children.
        case end(children: [ShardID])
        /// The shard was removed, as all of its records have expired (API-R-4).
        case removed
    }

    let shard: ShardID
    private let settings: ReaderSettings
    /// nil until a description or a record has told it.
    private var creationSecond: UInt64?
    private(set) var position: SequenceNumber
    /// The newest number that is known; where the reader doesn't follow, that of the beginning. nil before the first
    /// read.
    private(set) var tip: SequenceNumber?
    /// Whether the shard is closed, so that a read at the tip finds its end.
    private var isClosed = false
    /// A gap after the records that were returned last.
    private var gap: RecordGap?

    init(_ shard: ShardID, at position: SequenceNumber, settings: ReaderSettings) {
        self.shard = shard
        self.position = position
        self.settings = settings
    }

    /// A reader of this shard as it is now.
    init(_ shard: ShardDescription, at position: SequenceNumber, settings: ReaderSettings) {
        self.init(shard.id, at: position, settings: settings)
        creationSecond = shard.creationSecond
        tip = max(shard.tip, position)
        isClosed = shard.closedAt != nil
    }

    /// Whether there is nothing to read before more is put.
    var waitsForRecords: Bool { settings.follow && !isClosed && isAtTip }
    private var isAtTip: Bool { tip.map { position >= $0 } ?? false }
    /// Whether nothing is wanted any more.
    private var isThrough: Bool { !settings.follow && isAtTip }

    func request(_ wait: ReadRequest.Wait, maximumBytes: Int = 1 << 20) -> ReadRequest {
        ReadRequest(
            stream: settings.stream.name, shard: shard, after: position, maximumRecords: settings.recordsOfOneRead,
            maximumBytes: maximumBytes, wait: wait)
    }

    /// Reads what is there.
    mutating func read() async throws -> Step {
        try reportGap()
        if isThrough { return .end(children: []) }
        let result: Result<ReadResult, any Error>
        do { result = .success(try await settings.stream.engine.read(request(.no))) } catch {
            result = .failure(error)
        }
        return try await take(result)
    }

    /// Moves past a result of ``request(_:maximumBytes:)``.
    mutating func take(_ result: Result<ReadResult, any Error>) async throws -> Step {
        try reportGap()
        let found: ReadResult
        do { found = try result.get() } catch let error as ShardlineError where error.code == .shardNotFound {
            return .removed
        } catch let error as ShardlineError where error.code == .invalidArgument {
            // The position was one before: the stream may be another one now.
            let now = try await settings.describe().shards.first { $0.id == shard }
            if let creationSecond, let now, now.creationSecond != creationSecond { throw settings.recreated }
            throw error
        }
        if settings.follow || tip == nil { tip = found.tip }
        if found.endOfShard != nil { isClosed = true }
        if let expired = found.expired { try settings.report(shard, expired, .expired, upTo: goal) }
        try check(found.batch)
        position = found.next
        var batch = found.batch
        if let goal, position > goal, let over = batch.firstIndex(where: { $0.sequenceNumber > goal }) {
            batch = batch.extracting(0..<over)
        }
        if let lost = found.lost {
            gap = RecordGap(shard: shard, numbers: lost, cause: .lost)
            // Before the records that follow it, after those that precede it.
            if batch.first.map({ $0.sequenceNumber > lost.upperBound }) ?? true { try reportGap() }
        }
        if !batch.isEmpty { return .records(batch) }
        if let children = found.endOfShard { return .end(children: children) }
        return isThrough ? .end(children: []) : .nothing
    }

    private var goal: SequenceNumber? { settings.follow ? nil : tip }

    private mutating func reportGap() throws {
        guard let gap else { return }
        self.gap = nil
        try settings.report(shard, gap.numbers, gap.cause, upTo: goal)
    }

    /// Throws where the records are those of a stream that was created again under the name.
    private mutating func check(_ batch: RecordBatch) throws {
        guard let record = batch.first else { return }
        if let creationSecond, record.shardCreationSecond != creationSecond { throw settings.recreated }
        creationSecond = record.shardCreationSecond
    }

    /// Reports what a removed shard had after the position. The child of a split begins after its parent's last number;
    /// that of a merge after the last of both, which says nothing of one of them.
    func reportRemoval() async throws {
        let children = try await settings.describe().shards.filter { $0.parents == [shard] }
        let last = children.map(\.origin).reduce(tip ?? position, max)
        if position < last { try settings.report(shard, position.advanced(by: 1)...last, .expired, upTo: goal) }
    }
}
