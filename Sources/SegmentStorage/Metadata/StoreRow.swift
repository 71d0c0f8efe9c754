/// The single row about the store: its id, how far its snapshot goes, and the next numbers.
package struct StoreRow: Hashable, Sendable {
    /// Version 2 has the table `stream_expiry`, version 3 `mapping_control` and `mapping_action`, version 4
    /// `attribute`; stores of a version before become this one when their rows are saved.
    package static let format: Int64 = 4

    /// 16 random bytes.
    package var id: [UInt8]
    package var format: Int64 = Self.format
    /// Incremented at each opening.
    package var incarnation: UInt32
    /// Where replay begins: file number and block, then the commit that is expected there and the head CRC before it.
    package var startFile: UInt64
    package var startBlock: UInt32
    package var startCommit: UInt64
    package var startChain: UInt32
    package var nextShard: UInt32
    package var nextSegment: UInt64
    package var nextStream: UInt64
    package var nextMapping: UInt64

    package init(
        id: [UInt8], incarnation: UInt32 = 0, startFile: UInt64 = 0, startBlock: UInt32 = 0, startCommit: UInt64 = 0,
        startChain: UInt32 = 0, nextShard: UInt32 = 1, nextSegment: UInt64 = 1, nextStream: UInt64 = 1,
        nextMapping: UInt64 = 1
    ) {
        self.id = id
        self.incarnation = incarnation
        self.startFile = startFile
        self.startBlock = startBlock
        self.startCommit = startCommit
        self.startChain = startChain
        self.nextShard = nextShard
        self.nextSegment = nextSegment
        self.nextStream = nextStream
        self.nextMapping = nextMapping
    }

    package var row: MetadataRow {
        MetadataRow(
            .store,
            [
                .blob(id), .integer(format), .number(incarnation), .bits(startFile), .number(startBlock),
                .bits(startCommit), .number(startChain), .number(nextShard), .bits(nextSegment), .bits(nextStream),
                .bits(nextMapping),
            ])
    }

    package init(_ row: MetadataRow) throws(MetadataError) {
        var numbers: [Int64] = []
        for value in row.values.dropFirst() {
            guard case .integer(let number) = value else {
                throw MetadataError(.damaged, "the store's row holds something else than numbers")
            }
            numbers.append(number)
        }
        guard case .blob(let id) = row.values[0], id.count == 16 else {
            throw MetadataError(.damaged, "the store's row has no id of 16 bytes")
        }
        self.init(
            id: id, incarnation: UInt32(truncatingIfNeeded: numbers[1]), startFile: UInt64(bitPattern: numbers[2]),
            startBlock: UInt32(truncatingIfNeeded: numbers[3]), startCommit: UInt64(bitPattern: numbers[4]),
            startChain: UInt32(truncatingIfNeeded: numbers[5]), nextShard: UInt32(truncatingIfNeeded: numbers[6]),
            nextSegment: UInt64(bitPattern: numbers[7]), nextStream: UInt64(bitPattern: numbers[8]),
            nextMapping: UInt64(bitPattern: numbers[9]))
        format = numbers[0]
    }
}

extension MetadataContents {
    /// The last commit with entries that is known to be synced.
    package var lastCommit: UInt64 {
        get throws(MetadataError) {
            guard let row = self[.journal].first else { return 0 }
            var reader = RowReader(row)
            _ = try reader.short()
            return try reader.word()
        }
    }
}
