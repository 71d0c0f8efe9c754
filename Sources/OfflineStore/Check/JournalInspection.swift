import DiskAccess
import SegmentStorage
import StreamModel

/// Reads the journal from its start position, continuing after damage. Changes nothing.
struct JournalInspection {
    /// Records of one shard in one commit.
    struct Run: Sendable {
        var shard: ShardNumber
        var first: UInt64
        var count: UInt64
        var firstArrival: Int64
        var lastArrival: Int64
    }

    private(set) var holes: [JournalHole] = []
    /// In the order of the commits.
    private(set) var runs: [Run] = []
    /// The catalogue at the end of the journal.
    private(set) var catalogue: Catalogue
    private(set) var commits = 0
    private(set) var bytes = 0
    private(set) var end = Replay.End.clean
    /// The number of the first commit after the journal's end.
    private(set) var nextCommit: UInt64 = 1
    /// Files with a damaged first block or another length than they were made with (`badHeaders`), and files of another
    /// store (`foreign`).
    private(set) var badHeaders: [(name: String, reason: String)] = []
    private(set) var foreign: [String] = []
    /// Files with a damaged first block in which no commit ever was.
    private(set) var unused: [String] = []
    /// Not nil where a part of the journal has a newer format: it can't be judged and must not be changed.
    private(set) var newerVersion: String?
    /// Entries whose checksum is right and whose content is impossible.
    private(set) var contradictions: [String] = []

    /// - Parameters:
    ///   - snapshot: the content of the metadata; nil where they are missing or damaged.
    init(_ directory: String, _ fileSystem: any FileSystem, snapshot: MetadataSnapshot?) throws {
        catalogue = snapshot?.catalogue ?? Catalogue()
        let files = try Self.files(in: directory, fileSystem)
        bytes = files.reduce(0) { $0 + $1.size }
        var store = snapshot?.store
        var live: [JournalFileReader] = []
        var sizes: Set<Int> = []
        var unread: [JournalFileReader] = []
        for file in files {
            do {
                let header = try file.header()
                if store == nil { store = header.store }
                guard header.store == store else {
                    foreign.append(Self.name(of: file))
                    continue
                }
                if header.size == UInt64(file.size) {
                    sizes.insert(file.size)
                } else {
                    badHeaders.append(
                        (Self.name(of: file), "the file has \(file.size) bytes and was made with \(header.size)"))
                }
            } catch let reason as FormatDamage {
                if reason.isNewerVersion { newerVersion = "\(file.path): \(reason)" }
                badHeaders.append((Self.name(of: file), "its first block: \(reason)"))
                unread.append(file)
            }
            live.append(file)
        }
        guard let store, newerVersion == nil else { return }
        for file in live { try file.findNumber(seed: store.seed) }
        for file in unread {
            // A file that was cut may have held commits, so only files of a length found in undamaged headers count as
            // unused.
            guard file.number == nil, sizes.contains(file.size), try Self.isBlank(file) else { continue }
            badHeaders.removeAll { $0.name == Self.name(of: file) }
            unused.append(Self.name(of: file))
        }
        live = live.filter { $0.number ?? 0 >= snapshot?.start?.fileNumber ?? 0 && $0.number != nil }
            .sorted { $0.number! < $1.number! }
        var replay = try Replay(live, start: snapshot?.start, seed: store.seed, passesDamage: true)
        do {
            try replay.run { commit in
                commits += 1
                for entry in commit.entries {
                    catalogue.apply(entry, commit: commit.header.number)
                    if case .records(let records) = entry { add(records, of: commit) }
                }
            }
        } catch let error as ShardlineError where error.code == .newerFormat {
            newerVersion = error.message
            return
        }
        holes = replay.holes
        end = replay.end
        nextCommit = replay.nextCommit
        if let known = snapshot?.lastCommit, known >= nextCommit {
            holes.append(JournalHole(commits: nextCommit...known, parts: [], records: nil))
        }
    }

    private static func files(in directory: String, _ fileSystem: any FileSystem) throws -> [JournalFileReader] {
        let folder = "\(directory)/\(StoreLayout.journalFolder)"
        guard try fileSystem.status(folder) != nil else { return [] }
        return try fileSystem.list(folder).compactMap { name in
            guard let id = StoreLayout.id(ofJournalFile: name) else { return nil }
            let file = try fileSystem.open("\(folder)/\(name)", .read)
            return JournalFileReader(
                id: id, path: "\(folder)/\(name)", file: file, reader: file, size: try file.size())
        }
    }

    private static func name(of file: JournalFileReader) -> String {
        "\(StoreLayout.journalFolder)/\(StoreLayout.journalFile(file.id))"
    }

    /// Whether the file has only the zeros that it was made with after its first block. Such a file is not reported
    /// with an undamaged header, so a damaged one is no loss either.
    private static func isBlank(_ file: JournalFileReader) throws -> Bool {
        defer { file.unload() }
        return try file.all().dropFirst(JournalFormat.blockCount).allSatisfy { $0 == 0 }
    }

    private mutating func add(_ records: RecordsEntry, of commit: ReadCommit) {
        guard let raw = records.codec.decode(commit.body(of: records), rawCount: Int(records.rawBytes)) else {
            contradictions.append("commit \(commit.header.number) holds records that can't be decompressed")
            return
        }
        for run in records.runs {
            guard
                let offsets = RecordEncoding.offsets(of: Int(run.count), in: raw.span, from: Int(run.rawOffset)),
                offsets.last == run.rawOffset + run.rawBytes
            else {
                contradictions.append("commit \(commit.header.number) holds a run that is no sequence of records")
                continue
            }
            let key = ShardNumber(run.shardKey)
            guard catalogue.shards[key] != nil else {
                if catalogue.deletedShards[key] == nil {
                    contradictions.append(
                        "commit \(commit.header.number) holds records of shard key \(run.shardKey), which the metadata don't know"
                    )
                }
                continue
            }
            let all = RecordRun(
                bytes: raw, offsets: offsets, range: 0..<Int(run.count), shard: ShardID(0), shardCreationSecond: 0,
                firstSequence: SequenceNumber(run.firstSequence), arrival: Timestamp(milliseconds: run.arrival))
            runs.append(
                Run(
                    shard: key, first: run.firstSequence, count: UInt64(run.count),
                    firstArrival: all[0].approximateArrivalTimestamp.milliseconds,
                    lastArrival: all[all.count - 1].approximateArrivalTimestamp.milliseconds))
        }
    }
}
