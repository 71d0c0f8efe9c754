import StreamModel
import StreamStorage

/// The commits that park records, and hand parked keys to a shard's children.
extension ShardWork {
    /// The keys of one commit when a shard's children take them over.
    private static let keysOfOneCommit = 5_000

    /// Appends records to the parking stream and stores the values of their keys. The shard repeats it if it failed.
    func park(_ order: ParkingOrder) async {
        do {
            let (changes, firsts) = changes(for: order)
            switch try await session.store.commit(changes) {
            case .committed(let receipts):
                session.redrives.stored(order.values)
                address.post(.event(.parkingStored(Self.places(of: firsts, in: receipts))))
            case .unknown(let cause):
                // A second commit of the same records would park them twice. The values say whether this one is durable.
                guard let isStored = await isStored(order) else { return }
                guard isStored else {
                    return parkingFailed("whether the records are durable was not known, and they are not: \(cause)")
                }
                session.redrives.stored(order.values)
                address.post(.event(.parkingStored([:])))
            case .conflict, .sealed: parkingFailed(Self.senseless.message)
            }
        } catch let error as ShardlineError where error.code == .fenced || error.code == .mappingNotFound {
            address.post(.ended(Self.end(after: error)))
        } catch {
            guard !Task.isCancelled else { return }
            let code = (error as? ShardlineError)?.code
            if code == .streamNotFound || code == .recordTooLarge {
                session.targets.forget()
                // It was deleted, or the source takes larger records than when it was made.
                try? await parkingStream.ensure()
            }
            parkingFailed(String(describing: error))
        }
    }

    private func parkingFailed(_ reason: String) { address.post(.event(.parkingFailed(reason))) }

    var parkingStream: ParkingStream {
        ParkingStream(mapping: session.key, store: session.store, logger: session.logger)
    }

    /// The changes of an order, and the index of the first record of each key that has no place yet.
    private func changes(for order: ParkingOrder) -> ([Change], firsts: [UTF8Key: Int]) {
        var records: [NewRecord] = []
        var firsts: [UTF8Key: Int] = [:]
        let placeless = Set<UTF8Key>(order.values.filter { $0.key?.place == nil }.map { UTF8Key($0.partitionKey) })
        for entry in order.entries {
            var index = 0
            for run in entry.records.runs {
                for inside in 0..<run.count {
                    let text = run[inside].partitionKey
                    // The place of a later record is no place of the first one, which a crash kept from being stored.
                    if entry.places[index].order == 1 {
                        let key = UTF8Key(text)
                        if placeless.contains(key) { firsts[key] = records.count }
                    }
                    records.append(
                        NewRecord(
                            ParkedRecord.bytes(of: run, at: inside, place: entry.places[index]),
                            partitionKey: text))
                    index += 1
                }
            }
        }
        var changes: [Change] = records.isEmpty ? [] : [.append(Append(records, to: parkingStream.name))]
        for value in order.values {
            changes.append(session.park(shard.id, value.partitionKey, value.key))
        }
        changes += Self.appends(of: order.added)
        return (changes, firsts)
    }

    private static func places(of firsts: [UTF8Key: Int], in receipts: [ChangeReceipt]) -> [UTF8Key: ParkedKey.Place] {
        guard case .appended(let receipts)? = receipts.first else { return [:] }
        return firsts.mapValues {
            ParkedKey.Place(shard: receipts[$0].shard, number: receipts[$0].sequenceNumber)
        }
    }

    /// Whether the store has the values of an order, which are stored together with its records; nil where the task was
    /// cancelled.
    private func isStored(_ order: ParkingOrder) async -> Bool? {
        await answer(to: "whether parked records are durable") {
            let stored = Dictionary(
                try await parkingStream.keys().filter { $0.shard == shard.id }.map { (UTF8Key($0.partitionKey), $0) }
            ) { first, _ in first }
            return order.values.allSatisfy { value in
                stored[UTF8Key(value.partitionKey)]?.encoded == value.key?.encoded
            }
        }
    }

    /// Stores that the shard is at its end, and hands its parked keys to its children: in one commit, or where they are
    /// many in several, of which the last one has the checkpoint.
    func endShard(_ progress: ShardProgress, _ keys: [ParkedKey]) async {
        var failures = 0
        var left = keys
        while !Task.isCancelled {
            do {
                let shards = try await session.store.describeStream(session.key.stream).shards
                // Where retention has removed a child, a shard that came after it owns the hash keys.
                let children = shards.filter { $0.parents.contains(shard.id) } + shards.filter { $0.closedAt == nil }
                while true {
                    let part = left.prefix(Self.keysOfOneCommit)
                    let isLast = part.count == left.count
                    var changes: [Change] = []
                    if !isLast {
                        // Nothing of the shard is read again, whatever becomes of the next parts.
                        var before = progress
                        before.isShardEnd = false
                        changes.append(session.checkpoint(shard.id, before))
                    }
                    for key in part {
                        let hash = HashKey(partitionKey: key.partitionKey)
                        if let child = children.first(where: { $0.hashKeyRange.contains(hash) }) {
                            changes.append(session.park(child.id, key.partitionKey, key.inherited(by: child.id)))
                        }
                        changes.append(session.park(shard.id, key.partitionKey, nil))
                    }
                    if isLast { changes.append(session.checkpoint(shard.id, progress)) }
                    guard case .committed = try await session.store.commit(changes) else { break }
                    left.removeFirst(part.count)
                    session.redrives.noteChange()
                    guard isLast else { continue }
                    address.post(.event(.checkpointed))
                    return
                }
                // The changes say what is to be there at the end, so they can be repeated.
                failures += 1
                complain("whether the end of the shard is stored is not known, it is written again")
            } catch is CancellationError {
                return
            } catch let error as ShardlineError where error.isRetriable {
                failures += 1
                complain("the end of the shard can't be stored yet, try \(failures): \(error)")
            } catch {
                address.post(.ended(Self.end(after: error)))
                return
            }
            guard await pause(after: failures) else { return }
        }
    }
}

extension MappingSession {
    /// The change that stores what is known of a parked key; nil: it is parked no longer.
    func park(_ shard: ShardID, _ partitionKey: String, _ value: ParkedKey?) -> Change {
        .park(
            ParkedKeyChange(
                mapping: key, shard: shard, partitionKey: partitionKey, value: value?.encoded, epoch: epoch))
    }
}
