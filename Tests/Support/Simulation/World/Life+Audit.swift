import EventSource
import Foundation
import SegmentStorage
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport

extension Life {
    /// Reads everything that the store has, as anybody may, and lets the judge look at it.
    func audit(isAlone: Bool) async {
        let isAlone = isAlone && !world.isDecayed
        var promised = world.judge.promises()
        var audit = Judge.Audit(isAlone: isAlone)
        do {
            // Before the stream is made, or made durable, there is nothing to see.
            let stream = try await store.listStreams().first { $0.name == World.stream }
            if isAlone {
                world.tell { $0.sawStream(isThere: stream != nil) }
                if let stream { world.tell { $0.sawRecordSize(stream.maximumRecordSize) } }
                promised = world.judge.promises()
            }
            if let stream { judgeShards(stream) }
            for shard in stream?.shards ?? [] {
                guard let (items, isWhole) = try await everything(of: World.stream, shard.id) else { return }
                var found: [Judge.Item] = []
                for record in items {
                    guard let item = Records.item(record) else {
                        return world.fail("\(World.stream) gave \(record.sequenceNumber) of \(shard.id) garbled")
                    }
                    found.append(item)
                }
                let place = Judge.Shard(world.judge.stream, Int(shard.id.number))
                audit.contents.append(.init(shard: place, items: found, isReportedDamaged: !isWhole))
                if isWhole, !world.isDecayed { try await judgeCounts(of: found, in: place, shard.id) }
            }
            // Checkpoints first: a document that comes later than a checkpoint that needs it comes too late.
            let mappings = try await store.listMappings(of: nil).filter { $0.key.stream == World.stream }
            if isAlone {
                world.tell { $0.sawMappings(mappings.map(\.key.name)) }
                try await auditActions()
                try await auditAttributes()
            }
            for mapping in mappings {
                let remaining = (stream?.shards ?? []) + mapping.expiredShards
                audit.remaining[mapping.key.name] = Set(
                    remaining.map { Judge.Shard(world.judge.stream, Int($0.id.number)) })
                audit.checkpoints[mapping.key.name] = mapping.checkpoints.map {
                    (Judge.Shard(world.judge.stream, Int($0.shard.number)), $0.position.rawValue)
                }
                for (shard, position) in audit.checkpoints[mapping.key.name] ?? [] {
                    world.tell { $0.sawCheckpoint(of: mapping.key.name, in: shard, at: position) }
                }
            }
            audit.debts = world.judge.debts()
            audit.documents[World.allMappings[0]] = try await documentsInStream()
            audit.documents[World.allMappings[1]] = documentsInFile()
            if world.history.settings.parksKeys, !world.isDecayed {
                for mapping in mappings {
                    // Records first: what is parked later needs no value of its key yet.
                    audit.parked[mapping.key.name] = try await parkedRecords(of: mapping.key)
                    audit.parkedKeys[mapping.key.name] = try await parkedKeys(of: mapping.key)
                }
            }
            if world.history.settings.addsRecords, !world.isDecayed {
                for mapping in mappings { audit.added[mapping.key.name] = try await added(by: mapping.key.name) }
            }
            if isAlone, world.history.settings.pausesShards {
                for mapping in mappings {
                    audit.pauses[mapping.key.name] = try mapping.checkpoints.map {
                        (
                            Judge.Shard(world.judge.stream, Int($0.shard.number)),
                            try ShardProgress($0).paused?.since.milliseconds
                        )
                    }
                }
            }
        } catch {
            return failed(error, "auditing")
        }
        // Of documents that can't be read nothing follows.
        if world.isDecayed { (audit.checkpoints, audit.remaining) = ([:], [:]) }
        let seen = audit
        world.tell { $0.audited(seen, promised: promised) }
    }

    /// What the store counts is what is there: all of it, and from a record in the midst on.
    private func judgeCounts(of items: [Judge.Item], in place: Judge.Shard, _ shard: ShardID) async throws {
        // Of what may expire meanwhile nobody can say how much there is.
        let kept = world.judge.kept(items, in: place)
        let part = kept.dropFirst(kept.count / 2)
        let counts = try await store.countRecords(
            in: [RecordSpan(shard: shard, after: .zero)]
                + [kept[...], part].compactMap { items in
                    guard let first = items.first, let last = items.last else { return nil }
                    return RecordSpan(
                        shard: shard, after: SequenceNumber(first.sequence - 1), through: SequenceNumber(last.sequence))
                }, of: World.stream)
        world.tell { $0.sawCounts(counts, of: [items.count, kept.count, part.count], in: place) }
        // Up to a number right before a record, which may be one that was jumped over.
        guard let first = part.first, let before = kept.dropLast(part.count).last else { return }
        let last = try await store.lastRecords(
            in: [RecordSpan(shard: shard, after: .zero, through: SequenceNumber(first.sequence - 1))], of: World.stream)
        if last != [SequenceNumber(before.sequence)] {
            world.fail(
                "before \(first.sequence) in \(place) the last record is \(before.sequence), and the store says \(last)"
            )
        }
    }

    /// Open shards own every hash key once, closed ones have children (STORE-P18: both or neither).
    private func judgeShards(_ stream: StreamDescription) {
        var next: UInt128 = 0
        var isWhole = true
        let open = stream.shards.filter { $0.closedAt == nil }.sorted { $0.hashKeyRange.first < $1.hashKeyRange.first }
        for shard in open {
            if shard.hashKeyRange.first.value != next { isWhole = false }
            next = shard.hashKeyRange.last.value &+ 1
        }
        if !isWhole || next != 0 { world.fail("the open shards don't own each hash key once: \(open.map(\.id))") }
        if !world.isDecayed { world.tell { $0.sawOpenShards(open.map(\.hashKeyRange)) } }
        for shard in stream.shards {
            world.tell { judge in
                judge.sawShard(
                    Judge.Shard(judge.stream, Int(shard.id.number)),
                    parents: shard.parents.map { Judge.Shard(judge.stream, Int($0.number)) },
                    closedAt: shard.closedAt == nil ? nil : shard.tip.rawValue)
            }
        }
    }

    /// All records of a shard, read as a slow reader would; nil where the disk does not let us, not whole where the
    /// store says that the rest is damaged.
    func everything(of stream: String, _ shard: ShardID) async throws -> (records: [Record], isWhole: Bool)? {
        var records: [Record] = []
        var request = ReadRequest(stream: stream, shard: shard, after: .zero, maximumRecords: 7, maximumBytes: 4000)
        var failures = 0
        while world.isAlive {
            let result: ReadResult
            do {
                result = try await store.read(request)
            } catch let error as ShardlineError where error.code == .readFailed && world.faultsOfLife > 0 {
                failures += 1
                guard failures < 8 else { return nil }
                await pause(milliseconds: 5)
                continue
            } catch  where world.isDecayed && world.isReport(of: error) {
                return (records, false)
            }
            if let lost = result.lost { world.fail("\(stream)/\(shard) says that \(lost) are lost") }
            records += result.batch
            if result.isNothing || result.endOfShard != nil && result.next >= result.tip {
                return (records, true)
            }
            request.after = result.next
        }
        return nil
    }

    private typealias Document = (shard: Judge.Shard, sequences: ClosedRange<UInt64>)

    /// The documents in the first mapping's dead-letter stream.
    private func documentsInStream() async throws -> [(shard: Judge.Shard, sequences: ClosedRange<UInt64>)] {
        let name = "\(World.stream).\(World.allMappings[0]).failed"
        guard try await store.listStreams().contains(where: { $0.name == name }) else { return [] }
        var documents: [Document] = []
        for shard in try await store.describeStream(name).shards {
            for record in try await everything(of: name, shard.id)?.records ?? [] {
                guard let json = try? JSONSerialization.jsonObject(with: Data(record.bytes)) as? [String: Any],
                    let document = json["document"] as? [String: Any]
                else {
                    world.fail("\(name) holds something else than a document")
                    return []
                }
                guard let of = json["record"] as? [String: Any] else {
                    if let range = expired(document) { documents.append(range) }
                    continue
                }
                guard var range = range(document, of: of) else { continue }
                if let text = of["sequenceNumber"] as? String,
                    let number = KinesisSequenceNumber(text)?.sequenceNumber.rawValue
                {
                    range.sequences = number...number
                }
                documents.append(range)
            }
        }
        return documents
    }

    /// The documents in the second mapping's file.
    private func documentsInFile() -> [(shard: Judge.Shard, sequences: ClosedRange<UInt64>)] {
        var documents: [Document] = []
        for line in (world.disk.bytes(of: World.destination) ?? []).split(separator: UInt8(ascii: "\n")) {
            // The last line may be on its way.
            guard let json = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] else { continue }
            guard let records = (json["payload"] as? [String: Any])?["Records"] as? [[String: Any]], !records.isEmpty
            else {
                if let range = expired(json) { documents.append(range) }
                continue
            }
            guard let first = records.first?["kinesis"] as? [String: Any], let range = range(json, of: first)
            else { continue }
            documents.append(range)
        }
        return documents
    }

    /// What had expired before it was read is named without records, so its stream is known only where there is one.
    private func expired(_ document: [String: Any]) -> Document? {
        guard world.judge.tellsExpired, let range = range(of: document) else { return nil }
        return (Judge.Shard(world.judge.stream, range.shard), range.sequences)
    }

    /// The numbers in a document, and the shard: of that stream into which `record` of them was put. Nil where that is
    /// not there, since all had expired.
    private func range(_ document: [String: Any], of record: [String: Any]) -> Document? {
        guard let data = (record["data"] as? String).flatMap({ Data(base64Encoded: $0) }),
            let stream = Records.id(of: Array(data)).flatMap({ world.judge.records[$0]?.stream })
        else { return nil }
        return self.range(of: document).map { (Judge.Shard(stream, $0.shard), $0.sequences) }
    }

    private func range(of document: [String: Any]) -> (shard: Int, sequences: ClosedRange<UInt64>)? {
        guard let info = document["KinesisBatchInfo"] as? [String: Any],
            let first = (info["startSequenceNumber"] as? String).flatMap({ KinesisSequenceNumber($0) }),
            let last = (info["endSequenceNumber"] as? String).flatMap({ KinesisSequenceNumber($0) }),
            first.sequenceNumber <= last.sequenceNumber
        else { return nil }
        return (Int(first.shard.number), first.sequenceNumber.rawValue...last.sequenceNumber.rawValue)
    }
}
