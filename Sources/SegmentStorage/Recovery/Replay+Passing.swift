import DiskAccess
import StreamModel

/// A place in the journal at which acknowledged commits can't be read.
package struct JournalHole: Sendable, Hashable {
    /// The bytes that can't be read: from the place of the first missing commit to the next whole one.
    package struct Part: Sendable, Hashable {
        package var path: String
        package var bytes: Range<Int>
    }

    /// The commits that are lost or partly lost.
    package var commits: ClosedRange<UInt64>
    package var parts: [Part]
    /// The lost records, where the hole is one commit whose head is whole and names them. Nil where a head is damaged:
    /// then the gaps before later records tell what is lost.
    package var records: [RecordsEntry.Run]?

    package init(commits: ClosedRange<UInt64>, parts: [Part], records: [RecordsEntry.Run]? = nil) {
        self.commits = commits
        self.parts = parts
        self.records = records
    }
}

/// Continuing after damage, at the next whole commit (STORE-J8, STORE-D3).
extension Replay {
    /// Passes the damage at the place of the next commit. `proof` is a later commit that was written when the next one
    /// was known to be synced. Returns whether the walk goes on.
    mutating func pass(through proof: CommitHeader, _ body: (ReadCommit) throws -> Void) throws -> Bool {
        if let (commit, lost) = try commitWithDamagedBodies() {
            let start = Int(commit.header.block) * JournalFormat.blockCount
            note(
                JournalHole(
                    commits: commit.header.number...commit.header.number,
                    parts: [.init(path: path(ofFile: endFile), bytes: start..<start + commit.header.totalCount)],
                    records: lost))
            try accept(commit, file: endFile, body)
            return true
        }
        guard let (file, commit) = try firstWholeCommit() else {
            note(hole(upTo: files.count - 1, nil, last: proof.durableThrough))
            return false
        }
        note(hole(upTo: file, Int(commit.header.block) * JournalFormat.blockCount, last: commit.header.number - 1))
        try accept(commit, file: file, body)
        return true
    }

    /// The hole from the place of the next commit to a place in the same or a later file.
    private func hole(upTo last: Int, _ end: Int?, last number: UInt64) -> JournalHole {
        var parts: [JournalHole.Part] = []
        for index in endFile...max(endFile, last) where index < files.count {
            let begin = index == endFile ? Int(endBlock) * JournalFormat.blockCount : JournalFormat.blockCount
            let stop = index == last ? end ?? files[index].size : files[index].size
            if begin < stop { parts.append(.init(path: path(ofFile: index), bytes: begin..<stop)) }
        }
        return JournalHole(commits: nextCommit...max(nextCommit, number), parts: parts, records: nil)
    }

    /// The next commit, where its head is valid and only bodies are damaged: its other entries are valid.
    private func commitWithDamagedBodies() throws -> (ReadCommit, [RecordsEntry.Run])? {
        let file = files[endFile]
        guard let head = try file.head(block: endBlock, seed: seed), head.number == nextCommit,
            head.fileNumber == file.number, head.previousChecksum == chain, head.incarnation >= incarnation,
            head.version == JournalFormat.version
        else { return nil }
        return ReadCommit.salvaging(
            try file.all()[(Int(endBlock) * JournalFormat.blockCount)...], block: endBlock, seed: seed)
    }

    private func firstWholeCommit() throws -> (Int, ReadCommit)? {
        for index in endFile..<files.count {
            let file = files[index]
            let bytes = try file.all()
            let first = index == endFile ? Int(endBlock) : 1
            for block in first..<max(first, file.size / JournalFormat.blockCount) {
                let offset = block * JournalFormat.blockCount
                guard offset < bytes.count,
                    let commit = try? ReadCommit(bytes[offset...], block: UInt32(block), seed: seed),
                    commit.header.number > nextCommit, commit.header.fileNumber == file.number,
                    commit.header.incarnation >= incarnation
                else { continue }
                return (index, commit)
            }
        }
        return nil
    }
}

extension ReadCommit {
    /// The commit at the beginning of `bytes` with the entries whose bodies are valid, and the runs of the damaged
    /// bodies.
    static func salvaging(
        _ bytes: ArraySlice<UInt8>, block: UInt32, seed: UInt32
    ) -> (ReadCommit, [RecordsEntry.Run])? {
        guard let header = try? head(of: bytes, block: block, seed: seed) else { return nil }
        let commit = bytes.prefix(header.totalCount)
        let head = Array(commit.prefix(header.headCount))
        var entries: [Entry] = []
        var lost: [RecordsEntry.Run] = []
        var at = JournalFormat.commitHeaderCount
        for _ in 0..<header.entryCount {
            guard at + 8 <= head.count else { return nil }
            let length = Int(LittleEndian.read(UInt32.self, from: head, at: at + 4))
            guard length >= 8, at + length <= head.count else { return nil }
            var reader = ByteReader(head, from: at)
            let entry: Entry?
            do throws(FormatDamage) {
                entry = try Entry(from: &reader, commit: commit, seed: seed)
            } catch {
                // An entry of a newer version is not damage, so it is not passed.
                guard !error.isNewerVersion else { return nil }
                entry = nil
            }
            if let entry {
                if case .records(let records) = entry {
                    if let body = body(of: records, in: commit),
                        Checksum.of(body, seed: seed) == records.bodyChecksum
                    {
                        entries.append(entry)
                    } else {
                        lost += records.runs
                    }
                } else {
                    entries.append(entry)
                }
            }
            at += length
        }
        return (ReadCommit(header: header, entries: entries, bytes: commit), lost)
    }
}
