import StreamModel
import StreamStorage

extension Life {
    /// What a program sees that reads the stream without a mapping, from its beginning on, while shards are split and
    /// merged: what one source has put under one key in its order, and nothing twice.
    func readAlong() async {
        var pass = 0
        while goesOn, !isEnding {
            doing["reader"] = "reads"
            defer { doing["reader"] = nil }
            // Some passes end at what is there, some go on with what is put, until they are stopped.
            await read(follow: pass % 2 == 1)
            pass += 1
            await pause(milliseconds: 40)
        }
    }

    private func read(follow: Bool) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                do { try await readThrough(follow: follow) } catch is CancellationError {
                } catch { failed(error, "reading along") }
            }
            if follow {
                group.addTask { [self] in
                    for _ in 0..<10 where goesOn && !isEnding { await pause(milliseconds: 20) }
                }
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func readThrough(follow: Bool) async throws {
        struct Source: Hashable {
            let number: Int
            let key: String
        }
        var last: [Source: Int] = [:]
        // Small reads, so that a shard is read in many turns.
        let records = store.stream(World.stream).records(follow: follow, recordsOfOneRead: 3) { gap in
            if gap.cause == .lost { throw ShardlineError(.corrupt, "\(gap)") }
        }
        for try await record in records {
            guard world.isAlive else { return }
            guard let item = Records.item(record) else {
                return world.fail("a reader got \(record.sequenceNumber) of \(record.shard) garbled")
            }
            guard let known = world.judge.records[item.id] else {
                return world.fail("a reader got record \(item.id), which nobody has put")
            }
            let source = Source(number: known.source, key: known.key)
            if let before = last[source], known.order <= before {
                return world.fail(
                    "a reader got record \(item.id) of \(record.shard) after a later one of its source and key")
            }
            last[source] = known.order
        }
    }
}
