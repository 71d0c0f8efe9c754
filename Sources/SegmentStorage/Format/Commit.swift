import DiskAccess
import StreamModel

/// The journal's sizes, magic numbers and version.
package enum JournalFormat {
    package static let blockCount = 4096
    package static let version: UInt16 = 1
    static let commitMagic: UInt32 = 0x3143_4C53  // "SLC1" as little-endian bytes
    static let fileMagic: UInt32 = 0x464A_4C53  // "SLJF"
    static let commitHeaderCount = 80
    static let fileHeaderCount = 52

    /// `count` rounded up to whole blocks.
    static func padded(_ count: Int) -> Int { (count + blockCount - 1) / blockCount * blockCount }
}

/// The contents of block 0 of a journal file (STORE-J2). They are written once.
package struct JournalFileHeader: Hashable {
    package var store: StoreID
    var file: UInt64
    package var size: UInt64
    var createdAt: Timestamp

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.put(JournalFormat.fileMagic)
        writer.put(JournalFormat.version)
        writer.put(UInt16(0))
        writer.putBytes(store.bytes)
        writer.put(file)
        writer.put(size)
        writer.put(createdAt.milliseconds)
        writer.put(Checksum.of(writer.bytes, seed: 0))
        return writer.bytes
    }

    /// Throws `newer` for a later version and `damaged` for bytes that are not a header.
    init(_ bytes: [UInt8]) throws(FormatDamage) {
        var reader = ByteReader(bytes)
        guard try reader.take(UInt32.self) == JournalFormat.fileMagic else { throw .damaged("no journal file") }
        let version: UInt16 = try reader.take()
        let reserved: UInt16 = try reader.take()
        store = StoreID(bytes: try reader.takeBytes(16))
        file = try reader.take()
        size = try reader.take()
        createdAt = Timestamp(milliseconds: try reader.take())
        let checksum: UInt32 = try reader.take()
        guard checksum == Checksum.of(bytes[..<(JournalFormat.fileHeaderCount - 4)], seed: 0) else {
            throw .damaged("a journal file's header")
        }
        guard version == JournalFormat.version, reserved == 0 else { throw .newer("version \(version) of the journal") }
    }

    init(store: StoreID, file: UInt64, size: UInt64, createdAt: Timestamp) {
        self.store = store
        self.file = file
        self.size = size
        self.createdAt = createdAt
    }
}

/// The header that each commit begins with (STORE-J3).
package struct CommitHeader: Hashable, Sendable {
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }
        /// Written under `.interval`: a later commit does not prove that this one has been synced.
        static let interval = Flags(rawValue: 1)
        /// A commit without entries: it only proves that the commits before it were synced.
        static let mark = Flags(rawValue: 2)
        /// The last commit of a clean close.
        static let closed = Flags(rawValue: 4)
    }

    var flags: Flags
    package var number: UInt64
    /// The highest commit that was known to be synced when this one was written.
    package var durableThrough: UInt64
    package var fileNumber: UInt64
    package var block: UInt32
    package var incarnation: UInt32
    package var wallTime: Timestamp
    var headCount = 0
    var totalCount = 0
    var entryCount = 0
    /// The head CRC of the previous commit.
    package var previousChecksum: UInt32
    /// The head CRC of this commit.
    package var checksum: UInt32 = 0

    /// How many blocks the commit takes.
    package var blocks: Int { JournalFormat.padded(totalCount) / JournalFormat.blockCount }

    /// STORE-J5: a head is valid only at the place where it was written, and only in the incarnation that wrote it.
    package static func seed(_ store: UInt32, incarnation: UInt32, fileNumber: UInt64, block: UInt32) -> UInt32 {
        var place = ByteWriter()
        place.put(incarnation)
        place.put(fileNumber)
        place.put(block)
        return Checksum.of(place.bytes, seed: store)
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.put(JournalFormat.commitMagic)
        writer.put(JournalFormat.version)
        writer.put(flags.rawValue)
        writer.put(number)
        writer.put(durableThrough)
        writer.put(fileNumber)
        writer.put(block)
        writer.put(incarnation)
        writer.put(wallTime.milliseconds)
        writer.put(UInt32(headCount))
        writer.put(UInt32(totalCount))
        writer.put(UInt32(entryCount))
        writer.put(previousChecksum)
        writer.put(checksum)
        writer.putZeros(12)
        return writer.bytes
    }

    /// Reads the 80 bytes. Throws `damaged` where they are not a header. Verifies no checksum.
    package init(_ bytes: ArraySlice<UInt8>) throws(FormatDamage) {
        var reader = ByteReader(Array(bytes))
        guard try reader.take(UInt32.self) == JournalFormat.commitMagic else { throw .damaged("no commit") }
        version = try reader.take()
        flags = Flags(rawValue: try reader.take())
        number = try reader.take()
        durableThrough = try reader.take()
        fileNumber = try reader.take()
        block = try reader.take()
        incarnation = try reader.take()
        wallTime = Timestamp(milliseconds: try reader.take())
        headCount = Int(try reader.take(UInt32.self))
        totalCount = Int(try reader.take(UInt32.self))
        entryCount = Int(try reader.take(UInt32.self))
        previousChecksum = try reader.take()
        checksum = try reader.take()
        isReservedZero = reader.isZeroFromHere
        guard reader.left == 12, headCount >= JournalFormat.commitHeaderCount, totalCount >= headCount else {
            throw .damaged("a commit's lengths")
        }
    }

    package var version = JournalFormat.version
    /// Whether the last 12 bytes are zero, as this version writes them.
    private(set) var isReservedZero = true

    package init(
        flags: Flags = [], number: UInt64, durableThrough: UInt64, fileNumber: UInt64, block: UInt32,
        incarnation: UInt32, wallTime: Timestamp, previousChecksum: UInt32
    ) {
        self.flags = flags
        self.number = number
        self.durableThrough = durableThrough
        self.fileNumber = fileNumber
        self.block = block
        self.incarnation = incarnation
        self.wallTime = wallTime
        self.previousChecksum = previousChecksum
    }
}

/// A commit that is being built: entries first, then its place and number.
package struct CommitBuilder {
    private var head = ByteWriter()
    private var bodies: [OwnedBytes] = []
    /// For each body, where in the head its offset is written.
    private var offsetPositions: [Int] = []
    private(set) var entryCount = 0
    private(set) var bodyCount = 0
    private let seed: UInt32

    /// `seed` is the store's `s` (STORE-J5).
    init(seed: UInt32) {
        self.seed = seed
        head.putZeros(JournalFormat.commitHeaderCount)
    }

    /// The commit's length without padding.
    var totalCount: Int { head.count + bodyCount }
    var isEmpty: Bool { entryCount == 0 }

    /// Adds an entry. `body` holds the records of a records entry.
    mutating func append(_ entry: Entry, body: OwnedBytes? = nil) {
        let start = head.count
        let long = entry.encode(into: &head, seed: seed)
        entryCount += 1
        if let body { add(body, offsetPosition: start + Entry.bodyOffsetPosition) }
        if let long { add(long.bytes.withUnsafeBytes { OwnedBytes($0) }, offsetPosition: long.offsetPosition) }
    }

    private mutating func add(_ body: OwnedBytes, offsetPosition: Int) {
        bodies.append(body)
        offsetPositions.append(offsetPosition)
        bodyCount += body.count
    }

    /// The finished commit. `header` gives its place and number; the lengths and the checksum are filled in here.
    package consuming func finish(_ header: CommitHeader) -> FinishedCommit {
        var header = header
        header.headCount = head.count
        header.totalCount = totalCount
        header.entryCount = entryCount
        var offset = head.count
        for (position, body) in zip(offsetPositions, bodies) {
            head.replace(at: position, with: UInt32(offset))
            offset += body.count
        }
        var bytes = head.bytes
        bytes.replaceSubrange(..<JournalFormat.commitHeaderCount, with: header.encode())
        header.checksum = Checksum.of(
            bytes,
            seed: CommitHeader.seed(
                seed, incarnation: header.incarnation, fileNumber: header.fileNumber, block: header.block))
        bytes.replaceSubrange(..<JournalFormat.commitHeaderCount, with: header.encode())
        return FinishedCommit(header: header, head: bytes, bodies: bodies)
    }
}

/// A commit as it is written to the disk.
package struct FinishedCommit {
    let header: CommitHeader
    let head: [UInt8]
    let bodies: [OwnedBytes]

    /// A shorter body is copied into the previous piece (STORE-J6).
    private static let shortestPiece = 4096

    /// The commit with its padding, in few pieces. They are valid as long as the array lives.
    package func pieces() -> [OwnedBytes] {
        var pieces: [OwnedBytes] = []
        var pending = head
        for body in bodies {
            if body.count < Self.shortestPiece {
                pending.append(contentsOf: body.buffer)
            } else {
                if !pending.isEmpty { pieces.append(pending.withUnsafeBytes { OwnedBytes($0) }) }
                pending = []
                pieces.append(body)
            }
        }
        let padding = JournalFormat.padded(header.totalCount) - header.totalCount
        pending.append(contentsOf: repeatElement(0, count: padding))
        if !pending.isEmpty { pieces.append(pending.withUnsafeBytes { OwnedBytes($0) }) }
        return pieces
    }
}

/// A commit as it was read. The checksums of its head and of all bodies are verified.
package struct ReadCommit {
    package let header: CommitHeader
    package let entries: [Entry]
    /// All of the commit's bytes. The bodies are at the offsets that the entries give.
    package let bytes: ArraySlice<UInt8>

    /// Reads the commit at the beginning of `bytes`, which is at `block` of its file.
    ///
    /// Verifies everything that depends on this commit alone: the head's checksum with its place, and all bodies. The
    /// caller checks what depends on the neighbours: number, chain, file number, incarnation. Throws `damaged` where
    /// there is no whole commit, and `newer` where there is one that this version can't read.
    package init(_ bytes: ArraySlice<UInt8>, block: UInt32, seed: UInt32) throws(FormatDamage) {
        let header = try Self.head(of: bytes, block: block, seed: seed)
        guard header.totalCount <= bytes.count else { throw .damaged("a commit is cut short") }
        let commit = bytes[bytes.startIndex..<bytes.startIndex + header.totalCount]
        guard header.version == JournalFormat.version, header.isReservedZero else {
            throw .newer("version \(header.version) of the journal's commits")
        }
        var reader = ByteReader(Array(commit.prefix(header.headCount)), from: JournalFormat.commitHeaderCount)
        var entries: [Entry] = []
        for _ in 0..<header.entryCount {
            let entry: Entry
            do throws(FormatDamage) {
                entry = try Entry(from: &reader, commit: commit, seed: seed)
            } catch {
                // The head's checksum is right, so the entry was written like this. It is not a torn write and must not
                // be cut.
                throw error == .tornState || error.isNewerVersion ? error : .newer("an entry: \(error)")
            }
            if case .records(let records) = entry {
                guard let body = Self.body(of: records, in: commit),
                    Checksum.of(body, seed: seed) == records.bodyChecksum
                else { throw .damaged("the records of a commit") }
            }
            entries.append(entry)
        }
        guard reader.left == 0 else { throw .newer("a commit's head is longer than its entries") }
        self.header = header
        self.entries = entries
        self.bytes = commit
    }

    package init(header: CommitHeader, entries: [Entry], bytes: ArraySlice<UInt8>) {
        self.header = header
        self.entries = entries
        self.bytes = bytes
    }

    /// The header. Throws unless the whole head was written at this block.
    package static func head(
        of bytes: ArraySlice<UInt8>, block: UInt32, seed: UInt32
    ) throws(FormatDamage) -> CommitHeader {
        guard bytes.count >= JournalFormat.commitHeaderCount else { throw .damaged("no commit") }
        let header = try CommitHeader(bytes.prefix(JournalFormat.commitHeaderCount))
        guard header.block == block, header.headCount <= bytes.count else { throw .damaged("a commit's place") }
        var head = Array(bytes[bytes.startIndex..<bytes.startIndex + header.headCount])
        head.replaceSubrange(64..<68, with: [0, 0, 0, 0])
        let place = CommitHeader.seed(
            seed, incarnation: header.incarnation, fileNumber: header.fileNumber, block: block)
        guard Checksum.of(head, seed: place) == header.checksum else { throw .damaged("a commit's checksum") }
        return header
    }

    /// The stored bytes of a records entry; nil where they lie outside the commit.
    package static func body(of entry: RecordsEntry, in commit: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard Int(entry.bodyOffset) + Int(entry.storedBytes) <= commit.count else { return nil }
        let start = commit.startIndex + Int(entry.bodyOffset)
        return commit[start..<start + Int(entry.storedBytes)]
    }

    /// The stored bytes of one of this commit's records entries.
    package func body(of entry: RecordsEntry) -> ArraySlice<UInt8> { Self.body(of: entry, in: bytes)! }
}
