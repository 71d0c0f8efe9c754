import StreamModel

/// A position in a shard, as clients carry it (API-T-1). It has no kind: LATEST and times are resolved when it is made, and
/// TRIM_HORIZON is the position before every record, which reading moves to the oldest one (API-T-2).
struct ShardIterator: Hashable, Sendable {
    /// The stream's name in the store, and which of the streams that had the name it is.
    var stream: String
    var streamID: StreamID
    var shard: ShardID
    /// Records after this one are read.
    var position: SequenceNumber
    /// When it was made: it is valid for five minutes from then.
    var issuedAt: Timestamp

    /// How long it is valid, in milliseconds.
    static let lifetime: Int64 = 300_000
    /// The first eight bytes of AWS' iterators.
    private static let version: UInt64 = 1

    func text(_ seal: SealedText) -> String {
        var writer = SealedWriter()
        writer.put(Self.version)
        writer.put(issuedAt.milliseconds)
        writer.put(streamID.value)
        writer.put(shard.number)
        writer.put(position.rawValue)
        writer.put(stream)
        return seal.seal(writer.bytes)
    }

    init(
        stream: String, streamID: StreamID, shard: ShardID, position: SequenceNumber, issuedAt: Timestamp
    ) {
        self.stream = stream
        self.streamID = streamID
        self.shard = shard
        self.position = position
        self.issuedAt = issuedAt
    }

    /// Reads an iterator of this store; nil: it is none.
    init?(_ text: String, _ seal: SealedText) {
        guard let bytes = seal.open(text) else { return nil }
        var reader = SealedReader(bytes)
        guard reader.take() == Self.version, let issued = reader.take(Int64.self), let id = reader.take(UInt128.self),
            let shard = reader.take(UInt32.self), let position = reader.take(UInt64.self), let stream = reader.text(),
            reader.isAtEnd
        else { return nil }
        self.init(
            stream: stream, streamID: StreamID(id), shard: ShardID(shard), position: SequenceNumber(position),
            issuedAt: Timestamp(milliseconds: issued))
    }
}

/// Where the next page of a list begins (API-ListShards-4): bound to the list that it was made for.
struct PageToken: Hashable, Sendable {
    /// Which list: that of another operation is refused.
    enum List: UInt8, Sendable {
        case streams = 1
        case shards = 2
        case consumers = 3
    }

    var list: List
    /// The stream's name in the store; the account and region for the list of streams.
    var owner: String
    /// The stream's id; 0 for the list of streams.
    var streamID: UInt128
    /// The last name or shard of the page before.
    var after: String
    /// The filter of the first call, as it was given.
    var filter: String
    var issuedAt: Timestamp

    /// The first byte of an iterator is 0, so that neither is taken for the other.
    private static let version: UInt8 = 2

    func text(_ seal: SealedText) -> String {
        var writer = SealedWriter()
        writer.put(Self.version)
        writer.put(list.rawValue)
        writer.put(issuedAt.milliseconds)
        writer.put(streamID)
        writer.put(owner)
        writer.put(after)
        writer.put(filter)
        return seal.seal(writer.bytes)
    }

    init(list: List, owner: String, streamID: UInt128, after: String, filter: String, issuedAt: Timestamp) {
        self.list = list
        self.owner = owner
        self.streamID = streamID
        self.after = after
        self.filter = filter
        self.issuedAt = issuedAt
    }

    /// Reads a token of this list; nil: it is none.
    init?(_ text: String, of list: List, _ seal: SealedText) {
        guard let bytes = seal.open(text) else { return nil }
        var reader = SealedReader(bytes)
        guard reader.take() == Self.version, reader.take() == list.rawValue, let issued = reader.take(Int64.self),
            let id = reader.take(UInt128.self), let owner = reader.text(), let after = reader.text(),
            let filter = reader.text(), reader.isAtEnd
        else { return nil }
        self.init(
            list: list, owner: owner, streamID: id, after: after, filter: filter,
            issuedAt: Timestamp(milliseconds: issued))
    }
}
