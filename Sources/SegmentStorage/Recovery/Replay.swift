import DiskAccess
import StreamModel

/// Reads the journal from the start position to the end of the log, and reports how it ends (STORE-J8).
package struct Replay {
    /// How the log ends.
    package enum End: Equatable {
        /// No acknowledged commit follows the last one.
        case clean
        /// The next commit was being written, or was the newest and is damaged. It is cut.
        case torn
        /// Later commits are on the disk that were never known to be synced (`.interval`). They are dropped.
        case dropped(through: UInt64)
    }

    /// The log's last commit; nil where it has none and the commit before the start can't be read.
    private(set) var lastHeader: CommitHeader?
    package private(set) var nextCommit: UInt64
    package private(set) var chain: UInt32
    package private(set) var incarnation: UInt32
    package private(set) var end = End.clean
    /// The file in which the log ends, and the block after its last commit.
    private(set) var endFile: Int
    private(set) var endBlock: UInt32
    /// The places at which acknowledged commits can't be read. Empty unless damage is passed.
    package private(set) var holes: [JournalHole] = []
    package let files: [JournalFileReader]
    package let seed: UInt32
    private let passesDamage: Bool

    /// - Parameters:
    ///   - files: the files that hold commits, in the order of their numbers.
    ///   - start: where to begin; nil: at the first commit of the first file, which must be the store's first.
    ///   - passesDamage: whether to continue after damage, at the next whole commit, instead of throwing.
    package init(_ files: [JournalFileReader], start: JournalPosition?, seed: UInt32, passesDamage: Bool = false) throws
    {
        self.files = files
        self.seed = seed
        self.passesDamage = passesDamage
        // The rows may have a later incarnation than the commit at the start. The chain verifies that commit.
        incarnation = 0
        nextCommit = start?.commit ?? 1
        chain = start?.chain ?? 0
        endBlock = start?.block ?? 1
        endFile = 0
        if let start {
            guard let index = files.firstIndex(where: { $0.number == start.fileNumber }) else {
                if passesDamage {
                    endBlock = 1
                    holes.append(JournalHole(commits: start.commit...start.commit, parts: [], records: nil))
                    return
                }
                throw ShardlineError(
                    .metadataOlderThanJournal,
                    "the store's metadata says that the journal goes on at commit \(start.commit) in its file number \(start.fileNumber), which is not there: metadata.sqlite and the journal don't belong together, or one of them is older"
                )
            }
            endFile = index
        }
    }

    /// Passes each commit to `body` in order. Throws `corrupt` where an acknowledged commit can't be read,
    /// `newerFormat`, and what `body` throws.
    package mutating func run(_ body: (ReadCommit) throws -> Void) throws {
        while endFile < files.count {
            if let commit = try commit(file: endFile, block: endBlock) {
                try accept(commit, file: endFile, body)
                continue
            }
            guard let (next, commit) = try firstCommitOfLaterFile() else {
                guard try judgeTail(body) else { return }
                continue
            }
            files[endFile].unload()
            try accept(commit, file: next, body)
        }
    }

    /// A commit that does not fit the rest of a file is at the beginning of the next one (STORE-J3). Files in between
    /// may hold a torn end that an earlier recovery has cut.
    private func firstCommitOfLaterFile() throws -> (Int, ReadCommit)? {
        for next in (endFile + 1)..<max(endFile + 1, files.count) {
            if let commit = try commit(file: next, block: 1) { return (next, commit) }
        }
        return nil
    }

    /// Notes a place at which acknowledged commits can't be read.
    package mutating func note(_ hole: JournalHole) { holes.append(hole) }

    package func path(ofFile index: Int) -> String { files[index].path }

    /// Accepts the commit as the next one.
    mutating func accept(
        _ commit: ReadCommit, file: Int, _ body: (ReadCommit) throws -> Void
    ) throws {
        try body(commit)
        lastHeader = commit.header
        nextCommit = commit.header.number + 1
        chain = commit.header.checksum
        incarnation = commit.header.incarnation
        endFile = file
        endBlock = commit.header.block + UInt32(commit.header.blocks)
    }

    /// The next commit, if it is whole at this place; otherwise nil.
    private func commit(file index: Int, block: UInt32) throws -> ReadCommit? {
        let file = files[index]
        let offset = Int(block) * JournalFormat.blockCount
        guard offset < file.size, let number = file.number else { return nil }
        let bytes = try file.all()
        guard offset < bytes.count else { return nil }
        do throws(FormatDamage) {
            let commit = try ReadCommit(bytes[offset...], block: block, seed: seed)
            let header = commit.header
            guard header.number == nextCommit, header.fileNumber == number, header.previousChecksum == chain,
                header.incarnation >= incarnation
            else { return nil }
            return commit
        } catch {
            guard error.isNewerVersion else { return nil }
            throw ShardlineError(
                .newerFormat,
                "the journal file '\(file.path)' was written by a newer version of Shardline (\(error)); nothing was changed"
            )
        }
    }

    /// Decides whether the first invalid place is a torn end or damage to an acknowledged commit. Returns whether the
    /// walk goes on after it.
    private mutating func judgeTail(_ body: (ReadCommit) throws -> Void) throws -> Bool {
        if lastHeader == nil, let header = try headerBeforeStart() {
            lastHeader = header
            incarnation = header.incarnation
        }
        if let proof = try laterCommit() {
            if proof.header.durableThrough >= nextCommit {
                if passesDamage { return try pass(through: proof.header, body) }
                let file = files[endFile]
                throw ShardlineError(
                    .corrupt,
                    "the journal is damaged: commit \(nextCommit) was acknowledged and can't be read; it should begin in '\(file.path)' at byte \(Int(endBlock) * JournalFormat.blockCount) (commit \(proof.header.number) in '\(proof.path)' proves that it was on the disk). Nothing was changed and nothing is served: put the file back from a copy, or let `shardline repair` pass what is lost"
                )
            }
            end = .dropped(through: proof.header.number)
            return false
        }
        // After a clean close, bytes at this place are stale.
        if lastHeader?.flags.contains(.closed) == true { return false }
        let torn = try files[endFile].head(block: endBlock, seed: seed)
        if torn?.number == nextCommit { end = .torn }
        return false
    }

    /// The commit before the start, which a flush has moved to segments. Where no commit follows it, only its flags
    /// tell how the store was used. It is in the start's own file, unless it was damaged there.
    private func headerBeforeStart() throws -> CommitHeader? {
        guard endFile < files.count else { return nil }
        // After a repair the journal continues in a new file, so the start may lie after the end of this one.
        let blocks = UInt32(files[endFile].size / JournalFormat.blockCount)
        for block in stride(from: min(endBlock, blocks), to: 1, by: -1) {
            guard let head = try files[endFile].head(block: block - 1, seed: seed) else { continue }
            return head.number + 1 == nextCommit && head.checksum == chain ? head : nil
        }
        return nil
    }

    /// A commit after the end that is valid by itself, and not stale from an earlier lap or a torn end that was cut.
    private func laterCommit() throws -> (header: CommitHeader, path: String)? {
        // After a clean close, only a later incarnation writes.
        let incarnation = lastHeader?.flags.contains(.closed) == true ? incarnation + 1 : incarnation
        var best: (header: CommitHeader, path: String)?
        for index in endFile..<files.count {
            let file = files[index]
            let first = index == endFile ? endBlock : 1
            guard file.number != nil, Int(first) < file.size / JournalFormat.blockCount else { continue }
            for block in first..<UInt32(file.size / JournalFormat.blockCount) {
                guard let head = try file.head(block: block, seed: seed), head.number > nextCommit,
                    head.fileNumber == file.number, head.incarnation >= incarnation
                else { continue }
                // The strongest proof counts.
                if head.durableThrough >= best?.header.durableThrough ?? 0 { best = (head, file.path) }
            }
        }
        return best
    }
}
