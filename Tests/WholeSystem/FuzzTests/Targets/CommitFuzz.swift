import StreamModel

@testable import SegmentStorage

/// The journal's commits: read as they are, and once more with checksums made right, or no input would get past them.
enum CommitFuzz {
    static let store = StoreID(bytes: Array(1...16))
    static let block: UInt32 = 1

    static func check(_ input: [UInt8]) throws {
        _ = try? ReadCommit(input[...], block: block, seed: store.seed)
        let bytes = mended(input, block: block)
        guard let commit = try? ReadCommit(bytes[...], block: block, seed: store.seed) else { return }
        try checkMeaning(of: commit, in: bytes)
    }

    /// What must hold of a commit that was accepted.
    static func checkMeaning(of commit: ReadCommit, in bytes: [UInt8]) throws {
        let header = commit.header
        try hold(header.totalCount <= bytes.count, "a commit is longer than its bytes")
        try hold(commit.bytes.count == header.totalCount, "a commit has other bytes than it says")
        var again = ByteWriter()
        again.putBytes(header.encode())
        for entry in commit.entries {
            let start = again.count
            if let long = entry.encode(into: &again, seed: store.seed) {
                // Where the body lies is no part of what an entry says.
                let place = long.offsetPosition
                again.replace(at: place, with: LittleEndian.read(UInt32.self, from: bytes, at: place))
            }
            if case .records(let records) = entry {
                again.replace(at: start + Entry.bodyOffsetPosition, with: records.bodyOffset)
                try checkRecords(records, body: commit.body(of: records))
            }
        }
        try hold(again.bytes == Array(bytes[..<header.headCount]), "a head encodes again to other bytes")
    }

    private static func checkRecords(_ entry: RecordsEntry, body: ArraySlice<UInt8>) throws {
        guard let raw = entry.codec.decode(body, rawCount: Int(entry.rawBytes)) else { return }
        try hold(raw.count == Int(entry.rawBytes), "a body has another length than its entry says")
        for run in entry.runs {
            guard let offsets = RecordEncoding.offsets(of: Int(run.count), in: raw.span, from: Int(run.rawOffset)),
                offsets.last == run.rawOffset + run.rawBytes
            else { continue }
            try RecordFuzz.checkRun(
                RecordRun(
                    bytes: raw, offsets: offsets, range: 0..<Int(run.count), shard: ShardID(1),
                    shardCreationSecond: 1, firstSequence: SequenceNumber(run.firstSequence),
                    arrival: Timestamp(milliseconds: run.arrival)))
        }
    }

    /// The input with its place and its checksums made right, as far as it has a commit's form.
    static func mended(_ input: [UInt8], block: UInt32, at start: Int = 0) -> [UInt8] {
        guard start + JournalFormat.commitHeaderCount <= input.count else { return input }
        var bytes = input
        func number(_ at: Int) -> Int { Int(LittleEndian.read(UInt32.self, from: bytes, at: start + at)) }
        LittleEndian.store(block, in: &bytes, at: start + 32)
        let head = number(48)
        let total = number(52)
        guard head >= JournalFormat.commitHeaderCount, total >= head, start + total <= bytes.count else {
            return bytes
        }
        func sum(_ offset: Int, _ count: Int) -> UInt32? {
            guard offset + count <= total else { return nil }
            return Checksum.crc32c(bytes, start + offset..<start + offset + count, seed: store.seed)
        }
        var at = JournalFormat.commitHeaderCount
        while at + 24 <= head {
            let length = number(at + 4)
            guard length >= 8, at + length <= head else { break }
            if bytes[start + at] == RecordsEntry.kind, let sum = sum(number(at + 8), number(at + 12)) {
                LittleEndian.store(sum, in: &bytes, at: start + at + 20)
            } else if bytes[start + at] == 2, bytes[start + at + 2] & 1 != 0, length >= 32 {
                // A state outside of the head: its place, length and checksum are the entry's last numbers.
                for end in [at + length, at + length - 1, at + length - 2, at + length - 3]
                    + (4...7).map({ at + length - $0 })
                where number(end - 8) > Entry.longestStateInHead {
                    guard let sum = sum(number(end - 12), number(end - 8)) else { continue }
                    LittleEndian.store(sum, in: &bytes, at: start + end - 4)
                    break
                }
            }
            at += length
        }
        LittleEndian.store(0 as UInt32, in: &bytes, at: start + 64)
        let seed = CommitHeader.seed(
            store.seed, incarnation: UInt32(number(36)),
            fileNumber: LittleEndian.read(UInt64.self, from: bytes, at: start + 24), block: block)
        let checksum = Checksum.crc32c(bytes, start..<start + head, seed: seed)
        LittleEndian.store(checksum, in: &bytes, at: start + 64)
        return bytes
    }
}
