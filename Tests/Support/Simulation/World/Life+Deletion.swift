import SegmentStorage
import StreamModel
import StreamStorage
import TestSupport

extension Life {
    /// Makes the stream where it is not there.
    func makeStream() async throws {
        let settings = world.history.settings
        world.tell { $0.willMakeStream() }
        do {
            let stream = try await store.createStreamIfNeeded(
                World.stream, shards: settings.shards, retention: .milliseconds(settings.retention))
            if settings.addsRecords { try await makeStreamsForAdded() }
            world.tell { judge in
                judge.hasMadeStream()
                judge.sawStream(id: stream.id, initialShards: stream.initialSettings.shards)
            }
        } catch {
            if !isInDoubt(error) { world.tell { $0.hasNotMadeStream() } }
            throw error
        }
    }

    /// Whether it may have been done all the same.
    func isInDoubt(_ error: any Error) -> Bool { (error as? ShardlineError)?.code == .outcomeUnknown }

    /// Deletes the stream while others put into it and read from it, and recreates it when they have noticed; with it
    /// goes, or stays, the stream with the first mapping's dead letters.
    func deleteStream(_ seed: UInt64) async {
        var random = SeededRandom(seed)
        hasDeleted = true
        world.tell { $0.willDeleteStream() }
        deletionsBegun += 1
        do {
            defer { deletionsEnded += 1 }
            try await store.deleteStream(World.stream, force: true)
            world.tell { $0.hasDeletedStream() }
        } catch {
            if !isInDoubt(error) { world.tell { $0.hasNotDeletedStream() } }
            return failed(error, "deleting the stream")
        }
        await pause(milliseconds: random.pick([0, 5, 100, 1_100]))
        for inbox in producers { inbox.post(.beginAnew) }
        await othersHaveNoticed()
        do {
            let deadLetters = "\(World.stream).\(World.allMappings[0]).failed"
            if goesOn, random.once(in: 2), try await store.listStreams().contains(where: { $0.name == deadLetters }) {
                try await store.deleteStream(deadLetters, force: true)
            }
        } catch {
            failed(error, "deleting the stream of dead letters")
        }
        // The next process makes it: of what it was nothing may be left then but rows.
        if random.once(in: 4) {
            wantsReopening = true
            return
        }
        // A full disk has room again after a while.
        while goesOn {
            // Nothing may come between this and the making.
            await othersHaveNoticed()
            do {
                return try await makeStream()
            } catch {
                failed(error, "making the stream")
                await pause(milliseconds: 100)
            }
        }
    }

    /// Waits until nothing is under way that was begun before.
    private func othersHaveNoticed() async {
        var waits = 0
        while goesOn, underWay.values.contains(where: { $0 != 0 }) {
            waits += 1
            if waits > 2_000 { return world.fail("\(underWay) go on, though their stream was deleted") }
            await pause(milliseconds: 5)
        }
    }

    /// Deletes a mapping that does not run.
    func deleteMapping(_ name: String) async {
        hasDeleted = true
        world.tell { $0.willDeleteMapping(name) }
        let ended = deletionsEnded
        do {
            try await store.deleteMapping(MappingID(stream: World.stream, name: name))
            world.tell { $0.hasDeletedMapping(name) }
        } catch {
            if !isInDoubt(error) { world.tell { $0.hasNotDeletedMapping(name) } }
            failed(error, "deleting mapping \(name)", deletions: ended)
        }
    }
}
