import StreamModel

/// The head of a frame: which runs of records its body holds, and how they are stored (STORE-J4, entry kind 1).
///
/// The same bytes are an entry of a journal commit and the head of a segment's block, so that a frame can be copied
/// from one to the other unchanged.
///
///      0 u8 kind 1 · u8 codec · u16 0 · u32 bytes of the entry
///      8 u32 body's offset in the commit or block · u32 stored bytes · u32 raw bytes · u32 CRC-32C of the stored body
///     24 u32 records · u32 runs, then 32 bytes for each run:
///        u32 shard key · u32 records · u64 first sequence · i64 arrival ms · u32 raw offset · u32 raw bytes
package struct RecordsEntry: Hashable, Sendable {
    /// Consecutive records of one shard in the frame's raw bytes.
    package struct Run: Hashable, Sendable {
        package var shardKey: UInt32
        package var count: UInt32
        package var firstSequence: UInt64
        package var arrival: Int64
        package var rawOffset: UInt32
        package var rawBytes: UInt32

        package init(
            shardKey: UInt32, count: UInt32, firstSequence: UInt64, arrival: Int64, rawOffset: UInt32, rawBytes: UInt32
        ) {
            self.shardKey = shardKey
            self.count = count
            self.firstSequence = firstSequence
            self.arrival = arrival
            self.rawOffset = rawOffset
            self.rawBytes = rawBytes
        }

        fileprivate func store(in table: UnsafeMutableRawBufferPointer, at start: Int) {
            table.storeBytes(of: shardKey.littleEndian, toByteOffset: start, as: UInt32.self)
            table.storeBytes(of: count.littleEndian, toByteOffset: start + 4, as: UInt32.self)
            table.storeBytes(of: firstSequence.littleEndian, toByteOffset: start + 8, as: UInt64.self)
            table.storeBytes(of: arrival.littleEndian, toByteOffset: start + 16, as: Int64.self)
            table.storeBytes(of: rawOffset.littleEndian, toByteOffset: start + 24, as: UInt32.self)
            table.storeBytes(of: rawBytes.littleEndian, toByteOffset: start + 28, as: UInt32.self)
        }
    }

    package static let kind: UInt8 = 1
    package static let fixedSize = 32
    package static let runSize = 32

    package var codec: Codec
    package var bodyOffset: UInt32
    package var storedBytes: UInt32
    package var rawBytes: UInt32
    /// Seeded with the store's seed alone, so that it stays valid wherever the body is moved.
    package var bodyChecksum: UInt32
    package var runs: [Run]

    package init(
        codec: Codec, bodyOffset: UInt32, storedBytes: UInt32, rawBytes: UInt32, bodyChecksum: UInt32, runs: [Run]
    ) {
        self.codec = codec
        self.bodyOffset = bodyOffset
        self.storedBytes = storedBytes
        self.rawBytes = rawBytes
        self.bodyChecksum = bodyChecksum
        self.runs = runs
    }

    package var encodedSize: Int { Self.fixedSize + Self.runSize * runs.count }

    package func append(to bytes: inout [UInt8]) {
        bytes.append(Self.kind)
        bytes.append(codec.rawValue)
        LittleEndian.append(0 as UInt16, to: &bytes)
        LittleEndian.append(UInt32(encodedSize), to: &bytes)
        for field in [bodyOffset, storedBytes, rawBytes, bodyChecksum] { LittleEndian.append(field, to: &bytes) }
        LittleEndian.append(runs.reduce(0 as UInt32) { $0 + $1.count }, to: &bytes)
        LittleEndian.append(UInt32(runs.count), to: &bytes)
        // With a run for every record or two, this is a large part of the cost of a commit: the table is appended at
        // once.
        withUnsafeTemporaryAllocation(byteCount: Self.runSize * runs.count, alignment: 8) { table in
            let runs = runs.span
            for index in runs.indices { runs[index].store(in: table, at: Self.runSize * index) }
            bytes.append(contentsOf: table)
        }
    }

    /// Reads the entry that begins at `start` and ends before `limit`. Throws where its fields contradict each other.
    package static func read(
        from bytes: [UInt8], at start: Int, limit: Int
    ) throws(FormatDamage) -> RecordsEntry {
        guard limit <= bytes.count, start + fixedSize <= limit else {
            throw FormatDamage("the frame's head is cut short")
        }
        guard bytes[start] == kind, let codec = Codec(rawValue: bytes[start + 1]) else {
            throw FormatDamage("the frame has kind \(bytes[start]) and codec \(bytes[start + 1])")
        }
        guard LittleEndian.read(UInt16.self, from: bytes, at: start + 2) == 0 else {
            throw FormatDamage("the frame has flags that this version does not know", isNewerVersion: true)
        }
        func field(_ offset: Int) -> UInt32 { LittleEndian.read(UInt32.self, from: bytes, at: start + offset) }
        let runCount = Int(field(28))
        guard Int(field(4)) == fixedSize + runSize * runCount, start + Int(field(4)) <= limit else {
            throw FormatDamage("the frame's head says \(field(4)) bytes for \(runCount) runs")
        }
        var entry = RecordsEntry(
            codec: codec, bodyOffset: field(8), storedBytes: field(12), rawBytes: field(16), bodyChecksum: field(20),
            runs: [])
        entry.runs.reserveCapacity(runCount)
        var records: UInt64 = 0
        for index in 0..<runCount {
            let at = start + fixedSize + runSize * index
            let run = Run(
                shardKey: LittleEndian.read(UInt32.self, from: bytes, at: at),
                count: LittleEndian.read(UInt32.self, from: bytes, at: at + 4),
                firstSequence: LittleEndian.read(UInt64.self, from: bytes, at: at + 8),
                arrival: LittleEndian.read(Int64.self, from: bytes, at: at + 16),
                rawOffset: LittleEndian.read(UInt32.self, from: bytes, at: at + 24),
                rawBytes: LittleEndian.read(UInt32.self, from: bytes, at: at + 28))
            guard run.count > 0, UInt64(run.rawOffset) + UInt64(run.rawBytes) <= UInt64(entry.rawBytes) else {
                throw FormatDamage("run \(index) of the frame lies outside of its body")
            }
            guard run.firstSequence > 0, run.firstSequence <= SequenceNumber.max.rawValue,
                SequenceNumber.max.rawValue - run.firstSequence >= UInt64(run.count) - 1,
                Timestamp.plausible.contains(run.arrival)
            else { throw FormatDamage("run \(index) of the frame has numbers or a time that can't be") }
            records += UInt64(run.count)
            entry.runs.append(run)
        }
        guard records == UInt64(field(24)) else { throw FormatDamage("the frame's runs don't hold its records") }
        return entry
    }
}

/// Why bytes are not valid. The reader adds the file, the place and what is lost.
package struct FormatDamage: Error, Hashable, Sendable, CustomStringConvertible {
    package var reason: String
    /// The bytes are whole, but of a version that this program does not know.
    package var isNewerVersion: Bool

    package init(_ reason: String, isNewerVersion: Bool = false) {
        self.reason = reason
        self.isNewerVersion = isNewerVersion
    }

    package var description: String { reason }
}
