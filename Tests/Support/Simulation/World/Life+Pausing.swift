import EventSource
import SegmentStorage
import StreamModel
import StreamStorage

extension Life {
    /// Lets all paused shards of a mapping go on.
    func resume(_ name: String, givingUp: Bool) async {
        guard world.judge.isKnown(name) else { return }
        let number = world.nextAction()
        let mapping = store.stream(World.stream).mapping(name)
        do {
            let paused = try await mapping.pausedShards()
            guard !paused.isEmpty else { return }
            let words = givingUp ? "resume-giving-up" : "resume"
            let shards = paused.prefix(3).map(\.shard.description).joined(separator: ", ")
            let more = paused.count > 3 ? " and \(paused.count - 3) more" : ""
            let action = Judge.Action(reason: "\(words) \(shards)\(more): \(number)", revision: 0)
            world.tell { judge in
                judge.willControl(name, action)
                // What is tried again has all its attempts again.
                judge.forgetAttempts(of: name)
                for shard in paused {
                    judge.willResume(
                        name, Judge.Shard(judge.streamOfPuts, Int(shard.shard.number)),
                        since: shard.since.milliseconds)
                }
            }
            _ = try await mapping.resume(
                Set(paused.map(\.shard)), givingUp: givingUp, reason: "\(number)", by: "director")
        } catch {
            // What became of it the next look at the actions tells.
            failed(error, "a request for paused shards")
        }
    }

    /// Tells the judge whether the store has the shard as paused while its function is called.
    func checkPause(of name: String, _ checkpoint: ShardCheckpoint?) throws {
        guard world.history.settings.pausesShards, let checkpoint else { return }
        let since = try ShardProgress(checkpoint).paused?.since.milliseconds
        let shard = Judge.Shard(world.judge.streamOfPuts, Int(checkpoint.shard.number))
        world.tell { $0.invoked(name, shard, pausedSince: since) }
    }

    // MARK: Added records

    static func streamForAdded(by name: String) -> String { "\(World.stream).\(name).made" }

    /// The streams that functions add records to. Nothing in them expires.
    func makeStreamsForAdded() async throws {
        for name in world.mappings {
            _ = try await store.createStreamIfNeeded(
                Self.streamForAdded(by: name), shards: 2, retention: Limits.retention.upperBound)
        }
    }

    /// The function adds a record for each that it gets, done or not.
    func addRecords(for batch: RecordBatch, _ items: [Judge.Item], _ context: InvocationContext) throws {
        for (record, item) in zip(batch, items) {
            try context.add(
                NewRecord("\(item.id)", partitionKey: item.key), to: Self.streamForAdded(by: context.mapping),
                from: record)
        }
    }

    /// The records that a mapping's function has added, by the numbers of those that they were made of.
    func added(by name: String) async throws -> [UInt64] {
        let stream = Self.streamForAdded(by: name)
        guard try await store.listStreams().contains(where: { $0.name == stream }) else { return [] }
        var ids: [UInt64] = []
        for shard in try await store.describeStream(stream).shards {
            for record in try await everything(of: stream, shard.id)?.records ?? [] {
                guard let id = UInt64(String(decoding: record.bytes, as: UTF8.self)) else {
                    world.fail("\(stream) holds something that nobody added")
                    return []
                }
                ids.append(id)
            }
        }
        return ids
    }
}
