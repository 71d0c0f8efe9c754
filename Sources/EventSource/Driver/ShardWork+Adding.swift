import StreamModel
import StreamStorage

/// The commits of checkpoints with the records that functions have added (ESM-O1).
extension ShardWork {
    /// Stores a progress together with records, once: what failed is written again only where it is not there.
    func commit(_ progress: ShardProgress, adding records: [AddedRecord]) async {
        let changes = Self.appends(of: records) + [session.checkpoint(shard.id, progress)]
        var failures = 0
        while !Task.isCancelled {
            do {
                switch try await session.store.commit(changes, urgency: .now) {
                case .committed: return address.post(.event(.checkpointed))
                case .unknown(let cause):
                    failures += 1
                    complain("whether a checkpoint and what was added to it are durable is not known: \(cause)")
                    guard let isStored = await isStored(progress) else { return }
                    if isStored { return address.post(.event(.checkpointed)) }
                case .conflict, .sealed:
                    address.post(.ended(.failed(Self.senseless)))
                    return
                }
            } catch is CancellationError {
                return
            } catch let error as ShardlineError where error.code == .fenced || error.code == .mappingNotFound {
                address.post(.ended(Self.end(after: error)))
                return
            } catch let error as ShardlineError
                where error.isRetriable || [.streamNotFound, .recordTooLarge].contains(error.code)
            {
                // A stream that was deleted after the function had returned can be created again.
                failures += 1
                session.targets.forget()
                complain(
                    "a checkpoint and what functions have added to it can't be written yet, try \(failures): \(error)")
            } catch {
                address.post(.ended(Self.end(after: error)))
                return
            }
            guard await pause(after: failures) else { return }
        }
    }

    /// The changes that append these records, in their order within each stream.
    static func appends(of records: [AddedRecord]) -> [Change] {
        var names: [UTF8Key] = []
        var byStream: [UTF8Key: [NewRecord]] = [:]
        for added in records {
            let name = UTF8Key(added.stream)
            if byStream[name] == nil { names.append(name) }
            byStream[name, default: []].append(added.record)
        }
        return names.map { .append(Append(byStream[$0]!, to: $0.string)) }
    }

    /// Whether the store has this progress; nil where the task was cancelled.
    private func isStored(_ progress: ShardProgress) async -> Bool? {
        await answer(to: "whether a checkpoint is durable") {
            let mapping = try await session.store.describeMapping(session.key)
            guard let stored = mapping.checkpoints.first(where: { $0.shard == shard.id }) else { return false }
            return stored.position == progress.position && stored.state == progress.encodedState
        }
    }
}
