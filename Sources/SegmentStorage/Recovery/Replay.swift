import DiskAccess
import StreamModel

/// Walks the journal from the start position to the end of the log and says what it found there (STORE-J8).
package struct Replay {
    /// Why the walk ended.
    package enum End: Equatable {
        /// Nothing behind the last commit is a commit that was ever promised.
        case clean
        /// A commit was being written, or was the newest and is damaged: it is cut.
        case torn
        /// Later commits are on the disk that nobody was promised (`.interval`): they are dropped.
        case dropped(through: UInt64)
    }

    /// The log's last commit; nil where it has none, or where the one behind which it was to begin can't be read.
    private(set) var lastHeader: CommitHeader?
    package private(set) var nextCommit: UInt64
    package private(set) var chain: UInt32
    package private(set) var incarnation: UInt32
    package private(set) var end = End.clean
    /// The file in which the log ends, and the block behind its last commit.
    private(set) var endFile: Int
    private(set) var endBlock: UInt32
    /// Where acknowledged commits can't be read; only where damage is passed.
    package private(set) var holes: [JournalHole] = []
    package let files: [JournalFileReader]
    package let seed: UInt32
    private let passesDamage: Bool

    /// - Parameters:
    ///   - files: the files that hold commits, by their number.
    ///   - start: where to begin; nil: with the first commit of the first file, which must be the store's first.
    ///   - passesDamage: whether to go on behind damage, at the first commit that is whole, instead of throwing.
    package init(_ files: [JournalFileReader], start: JournalPosition?, seed: UInt32, passesDamage: Bool = false) throws
    {
        self.files = files
        self.seed = seed
        self.passesDamage = passesDamage
        // The rows may know of later openings than the commit at the start; the chain says whether that one is right.
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

    /// Hands each commit to `body` in order. Throws `corrupt` where a commit that was promised can't be read,
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

    /// What does not fit the rest of a file goes to the next one (STORE-J3). Files in between may hold a shardMemtable that an
    /// earlier recovery has cut.
    private func firstCommitOfLaterFile() throws -> (Int, ReadCommit)? {
        for next in (endFile + 1)..<max(endFile + 1, files.count) {
            if let commit = try commit(file: next, block: 1) { return (next, commit) }
        }
        return nil
    }

    /// Remembers a place where acknowledged commits can't be read.
    package mutating func note(_ hole: JournalHole) { holes.append(hole) }

    package func path(ofFile index: Int) -> String { files[index].path }

    /// Takes the commit as the next one.
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

    /// The commit that is due at this place; nil where it is not there whole.
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

    /// Decides what the first invalid place is: a tear, or damage to what was promised. Returns whether the walk goes on
    /// behind it.
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
        // After an orderly end what is there is a leftover of something older.
        if lastHeader?.flags.contains(.closed) == true { return false }
        let torn = try files[endFile].head(block: endBlock, seed: seed)
        if torn?.number == nextCommit { end = .torn }
        return false
    }

    /// The commit that the start is behind, which a flush has put into segments: where nothing came after it, only it can
    /// say how the store was used. It is in the start's own file, unless it was damaged there.
    private func headerBeforeStart() throws -> CommitHeader? {
        guard endFile < files.count else { return nil }
        // A repair goes on in a new file: then the start is behind the end of this one.
        let blocks = UInt32(files[endFile].size / JournalFormat.blockCount)
        for block in stride(from: min(endBlock, blocks), to: 1, by: -1) {
            guard let head = try files[endFile].head(block: block - 1, seed: seed) else { continue }
            return head.number + 1 == nextCommit && head.checksum == chain ? head : nil
        }
        return nil
    }

    /// A commit behind the end that is valid by itself and no leftover of an earlier lap or a shardMemtable that was cut.
    private func laterCommit() throws -> (header: CommitHeader, path: String)? {
        // Behind an orderly end only another opening writes.
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
