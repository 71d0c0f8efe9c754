import DiskAccess
import SegmentStorage
import StreamModel

/// Every undamaged commit in any file of the journal, live or from before the last flush.
struct JournalSurvey {
    struct Commit {
        var header: CommitHeader
        var entries: [Entry]
    }

    /// By number; of two commits with the same number the one of the later incarnation.
    private(set) var commits: [UInt64: Commit] = [:]
    /// The known store, or the store that most files name.
    private(set) var store: StoreID?
    private(set) var highestFileNumber: UInt64 = 0

    init(_ directory: String, _ fileSystem: any FileSystem, store known: StoreID?) throws {
        let folder = "\(directory)/\(StoreLayout.journalFolder)"
        guard try fileSystem.status(folder) != nil else { return }
        var files: [JournalFileReader] = []
        var votes: [StoreID: Int] = [:]
        for name in try fileSystem.list(folder) {
            guard let id = StoreLayout.id(ofJournalFile: name) else { continue }
            let path = "\(folder)/\(name)"
            let file = try fileSystem.open(path, .read)
            let reader = JournalFileReader(id: id, path: path, file: file, reader: file, size: try file.size())
            if let header = try? reader.header() { votes[header.store, default: 0] += 1 }
            files.append(reader)
        }
        store = known ?? votes.max { $0.value < $1.value }?.key
        guard let store else { return }
        for file in files {
            let bytes = try file.all()
            for block in 1..<max(1, file.size / JournalFormat.blockCount) {
                let offset = block * JournalFormat.blockCount
                guard offset < bytes.count,
                    let commit = try? ReadCommit(bytes[offset...], block: UInt32(block), seed: store.seed)
                else { continue }
                let number = commit.header.number
                highestFileNumber = max(highestFileNumber, commit.header.fileNumber)
                if let other = commits[number], other.header.incarnation >= commit.header.incarnation { continue }
                commits[number] = Commit(header: commit.header, entries: commit.entries)
            }
            file.unload()
        }
    }

    var numbers: [UInt64] { commits.keys.sorted() }
    var newest: CommitHeader? { numbers.last.flatMap { commits[$0]?.header } }
    var incarnation: UInt32 { commits.values.map(\.header.incarnation).max() ?? 0 }

    /// The sequence numbers of all records, by shard.
    var recordNumbers: [ShardNumber: [ClosedRange<UInt64>]] {
        var numbers: [ShardNumber: [ClosedRange<UInt64>]] = [:]
        for case .records(let records) in commits.values.lazy.flatMap(\.entries) {
            for run in records.runs {
                numbers[ShardNumber(run.shardKey), default: []].append(
                    run.firstSequence...run.firstSequence + UInt64(run.count) - 1)
            }
        }
        return numbers
    }

    /// Whether the journal has all commits in this range in one unbroken chain.
    func hasWhole(_ range: ClosedRange<UInt64>) -> Bool {
        guard range.upperBound - range.lowerBound < UInt64(commits.count) else { return false }
        var chain: UInt32?
        for number in range {
            guard let header = commits[number]?.header, chain == nil || header.previousChecksum == chain else {
                return false
            }
            chain = header.checksum
        }
        return true
    }

    /// The start position of a replay from this commit; nil where the journal has neither this commit nor the one
    /// before.
    func position(of number: UInt64) -> JournalPosition? {
        if let header = commits[number]?.header {
            return JournalPosition(
                fileNumber: header.fileNumber, block: header.block, commit: number, chain: header.previousChecksum)
        }
        guard number > 0, let before = commits[number - 1]?.header else { return nil }
        return JournalPosition(
            fileNumber: before.fileNumber, block: before.block + UInt32(before.blocks), commit: number,
            chain: before.checksum)
    }
}
