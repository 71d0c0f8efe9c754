import EventSource
import SegmentStorage
import StreamModel
import StreamStorage

extension Life {
    /// Parks a key by hand, or lets everything that waits be handed back.
    func changeParkedKeys(_ name: String, _ step: History.ParkedStep) async {
        guard world.judge.isKnown(name) else { return }
        let mapping = store.stream(World.stream).mapping(name)
        let number = world.nextAction()
        let action: Judge.Action
        switch step {
        case .release: action = Judge.Action(reason: "release all parked keys: \(number)", revision: 0)
        case .park(let key): action = Judge.Action(reason: "park key '\(key)': \(number)", revision: 0)
        }
        world.tell { $0.willControl(name, action) }
        do {
            switch step {
            case .release: try await mapping.release(reason: "\(number)", by: "director")
            case .park(let key): try await mapping.park([key], reason: "\(number)", by: "director")
            }
        } catch {
            // What became of it the next look at the actions tells.
            failed(error, "a request for parked keys")
        }
    }

    /// The records in a mapping's parking stream.
    func parkedRecords(of mapping: MappingID) async throws -> [Judge.ParkedItem] {
        let name = store.stream(mapping.stream).mapping(mapping.name).parkingStream
        guard try await store.listStreams().contains(where: { $0.name == name }) else { return [] }
        var items: [Judge.ParkedItem] = []
        for shard in try await store.describeStream(name).shards {
            for carrier in try await everything(of: name, shard.id)?.records ?? [] {
                guard let parked = try? ParkedRecord(carrier),
                    let item = Records.item(parked.run[0])
                else {
                    world.fail("\(name) holds something else than a parked record")
                    return []
                }
                items.append(
                    Judge.ParkedItem(
                        shard: Judge.Shard(world.judge.stream, Int(parked.run.shard.number)), item: item,
                        episode: parked.place.episode, order: parked.place.order))
            }
        }
        return items
    }

    /// The keys that a mapping has parked.
    func parkedKeys(of mapping: MappingID) async throws -> [Judge.ParkedFact] {
        try await store.stream(mapping.stream).mapping(mapping.name).parkedKeys().map {
            Judge.ParkedFact(key: $0.partitionKey, episode: $0.episode, done: $0.done, count: $0.appended)
        }
    }
}
