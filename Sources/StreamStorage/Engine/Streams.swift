public import StreamModel

/// The settings that a stream is created with.
public struct StreamSettings: Hashable, Sendable {
    /// How many shards the stream starts with: 1 to 10,000. Default 1.
    public var shards: Int
    /// How long records are kept. Default 24 hours; 1 second to 365 days. Can be changed later
    /// (``RecordStream/update(retention:maximumRecordSize:)``).
    public var retention: Duration
    /// The most bytes of data in one record. Default 1 MiB; up to 10 MiB, 16 MiB for a failure stream. Can be changed
    /// later (``RecordStream/update(retention:maximumRecordSize:)``).
    public var maximumRecordSize: Int
    /// Whether the stream takes failure documents: allows records up to 16 MiB, so that the largest record fits in
    /// base64.
    public var isFailureStream: Bool

    /// Settings with these values.
    public init(
        shards: Int = 1, retention: Duration = Limits.defaultRetention,
        maximumRecordSize: Int = Limits.defaultRecordSize, isFailureStream: Bool = false
    ) {
        self.shards = shards
        self.retention = retention
        self.maximumRecordSize = maximumRecordSize
        self.isFailureStream = isFailureStream
    }

    /// Throws `invalidArgument` with every value outside its limits, the stream's name included.
    public func validate(name: String) throws { try validate(name: name, retention: nil) }

    /// The same with the user's own words.
    ///
    /// - Parameters:
    ///   - name: the stream's name.
    ///   - retention: the retention as the user wrote it, where it was text.
    ///   - maximumRecordSize: the size as the user wrote it.
    ///   - label: returns the name under which the user knows a setting.
    package func validate(
        name: String, retention given: String? = nil, maximumRecordSize givenSize: String? = nil,
        label: (String) -> String = { $0 }
    ) throws {
        var wrong: [String] = []
        if !Limits.isStreamName(name) { wrong.append("stream name '\(name)' (allowed: \(StreamName.allowed))") }
        if !Limits.shards.contains(shards) {
            wrong.append(
                "\(label("shards")) \(shards) (allowed: \(Limits.shards.lowerBound) to \(Limits.shards.upperBound))")
        }
        if let problem = Self.problem(ofRetention: retention, given: given, label: label("retention")) {
            wrong.append(problem)
        }
        if let problem = Self.problem(
            ofRecordSize: maximumRecordSize, isFailureStream: isFailureStream, given: givenSize,
            label: label("maximumRecordSize"))
        {
            wrong.append(problem)
        }
        guard wrong.isEmpty else { throw ShardlineError(.invalidArgument, wrong.joined(separator: "; ")) }
    }

    /// Throws `invalidArgument` for a retention outside its limits.
    ///
    /// - Parameters:
    ///   - given: the retention as the user wrote it, where it was text.
    ///   - label: the name under which the user knows it.
    package static func validate(retention: Duration, given: String? = nil, label: String = "retention") throws {
        if let problem = problem(ofRetention: retention, given: given, label: label) {
            throw ShardlineError(.invalidArgument, problem)
        }
    }

    /// Throws `invalidArgument` for a record size outside its limits.
    ///
    /// - Parameters:
    ///   - given: the size as the user wrote it, where it was text.
    ///   - label: the name under which the user knows it.
    package static func validate(
        maximumRecordSize: Int, isFailureStream: Bool, given: String? = nil, label: String = "maximumRecordSize"
    ) throws {
        if let problem = problem(
            ofRecordSize: maximumRecordSize, isFailureStream: isFailureStream, given: given, label: label)
        {
            throw ShardlineError(.invalidArgument, problem)
        }
    }

    private static func problem(
        ofRecordSize size: Int, isFailureStream: Bool, given: String?, label: String
    ) -> String? {
        let largest = isFailureStream ? Limits.largestFailureRecordSize : Limits.largestRecordSize
        guard !(1...largest).contains(size) else { return nil }
        return "\(label) \(given ?? "\(size)") (allowed: 1 to \(largest) bytes)"
    }

    private static func problem(ofRetention retention: Duration, given: String?, label: String) -> String? {
        guard !Limits.retention.contains(retention) else { return nil }
        return "\(label) \(given ?? retention.optionText) (allowed: 1s to 365d)"
    }
}

/// A stream as it is now.
public struct StreamDescription: Hashable, Sendable {
    /// The stream's name, unique in its store: plain, or with account and region (``StreamName``).
    public var name: String
    /// The stream's id; a stream that is created again under the same name has another one.
    public var id: StreamID
    /// When it was created.
    public var createdAt: Timestamp
    /// How long records are kept.
    public var retention: Duration
    /// The most bytes of data in one record.
    public var maximumRecordSize: Int
    /// Whether it takes failure documents.
    public var isFailureStream: Bool
    /// The settings that it was created with: shards may have been split and merged since, and settings changed.
    public var initialSettings: StreamSettings
    /// All shards that are still listed, by number. A closed one is listed until its closing is longer ago than the
    /// retention (API-R-4); its children go on naming it.
    public var shards: [ShardDescription]

    /// A description with these facts.
    public init(
        name: String, id: StreamID, createdAt: Timestamp, retention: Duration, maximumRecordSize: Int,
        isFailureStream: Bool, initialSettings: StreamSettings, shards: [ShardDescription]
    ) {
        self.name = name
        self.id = id
        self.createdAt = createdAt
        self.retention = retention
        self.maximumRecordSize = maximumRecordSize
        self.isFailureStream = isFailureStream
        self.initialSettings = initialSettings
        self.shards = shards
    }

    /// Describes how the stream's initial settings differ from the given ones; nil where they don't. A nil setting is
    /// not compared, and neither is one that was changed to the given value since.
    package func differenceOfCreation(
        shards: Int?, retention: Duration?, maximumRecordSize: Int?
    ) -> String? {
        var parts: [String] = []
        if let shards, shards != initialSettings.shards {
            parts.append("\(initialSettings.shards) \(initialSettings.shards == 1 ? "shard" : "shards"), not \(shards)")
        }
        if let retention, retention != initialSettings.retention, retention != self.retention {
            parts.append("a retention of \(initialSettings.retention.optionText), not \(retention.optionText)")
        }
        if let maximumRecordSize, maximumRecordSize != initialSettings.maximumRecordSize,
            maximumRecordSize != self.maximumRecordSize
        {
            parts.append(
                "a maximum record size of \(initialSettings.maximumRecordSize) bytes, not \(maximumRecordSize)")
        }
        guard !parts.isEmpty else { return nil }
        return "the stream '\(name)' was created with \(parts.joined(separator: ", ")); it stays as it is"
    }
}

/// A shard as it is now.
public struct ShardDescription: Hashable, Sendable {
    /// The shard's number in its stream.
    public var id: ShardID
    /// The hash keys that it owns, or owned until it was closed.
    public var hashKeyRange: HashKeyRange
    /// None, or one after a split, or two after a merge.
    public var parents: [ShardID]
    /// In seconds since 1970, part of the sequence number's text; later than every parent's (API-Q-5).
    public var creationSecond: UInt64
    /// When it was opened.
    public var openedAt: Timestamp
    /// When it was closed by a split or merge; nil while it is open.
    public var closedAt: Timestamp?
    /// The position before the oldest record that is retained.
    public var trimHorizon: SequenceNumber
    /// The number of the newest visible record; ``SequenceNumber/zero`` in an empty shard without parents.
    public var tip: SequenceNumber
    /// How many records are retained.
    public var recordCount: Int
    /// The position before the shard's first record ever: its parents' last number.
    public var origin: SequenceNumber

    /// A description with these facts.
    public init(
        id: ShardID, hashKeyRange: HashKeyRange, parents: [ShardID], creationSecond: UInt64, openedAt: Timestamp,
        closedAt: Timestamp?, trimHorizon: SequenceNumber, tip: SequenceNumber, recordCount: Int,
        origin: SequenceNumber = .zero
    ) {
        self.id = id
        self.hashKeyRange = hashKeyRange
        self.parents = parents
        self.creationSecond = creationSecond
        self.openedAt = openedAt
        self.closedAt = closedAt
        self.trimHorizon = trimHorizon
        self.tip = tip
        self.recordCount = recordCount
        self.origin = origin
    }
}
