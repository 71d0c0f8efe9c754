import DataFormats
import StreamModel
import StreamStorage

/// What an operator asks of a mapping's parked keys and paused shards (ESM-N13). It is an attribute of the mapping's stream until the
/// process that runs the mapping has done it, so it can be asked while none runs, and from any process.
struct MappingRequest: Sendable {
    enum Action: String, Sendable {
        case park, release, discard, resume
        /// Resume shards, and give up the records that paused them.
        case resumeGivingUp = "resume-giving-up"

        var resumes: Bool { self == .resume || self == .resumeGivingUp }
    }

    /// A request that is being done, with its number in the session.
    struct Numbered: Sendable {
        let number: UInt64
        let name: String
        let request: MappingRequest

        /// What shards are told.
        var event: ShardCore.Event {
            if let action = request.parkedKeyAction { return .parkedKeys(action, request: number) }
            return .resume(request.resumeOrder, request: number)
        }
    }

    var action: Action
    /// Which keys; by hand, keys that are named can be parked.
    var selection: ParkedKeySelection
    /// Which pauses of shards are to end.
    var pauses: [ShardID: Timestamp] = [:]
    var actor: String
    var reason: String

    /// nil for what is asked of paused shards.
    private var parkedKeyAction: ParkedKeyAction? {
        switch action {
        case .park:
            .park((selection.keys ?? []).map(\.string).sorted(), actor: actor, reason: reason)
        case .discard: .discard(selection)
        case .release: .release(selection)
        case .resume, .resumeGivingUp: nil
        }
    }

    private var resumeOrder: ResumeOrder {
        ResumeOrder(pauses: pauses, givesUp: action == .resumeGivingUp)
    }

    /// The beginning of the names of a mapping's requests.
    static func prefix(of mapping: MappingID) -> String { "parked-keys/\(mapping.name)/" }

    /// The attribute's value: a JSON object.
    var value: [UInt8] {
        var writer = JSONWriter(reserving: 256)
        writer.object { request in
            request.member("action", action.rawValue)
            request.member("actor", actor)
            request.member("reason", reason)
            if let keys = selection.keys {
                request.name("keys")
                request.array { list in for key in keys.sorted() { list.string(key.string) } }
            }
            if !pauses.isEmpty {
                request.name("pauses")
                request.object { list in
                    for (shard, since) in pauses.sorted(by: { $0.key < $1.key }) {
                        list.name(text: shard.description)
                        list.raw(String(since.milliseconds))
                    }
                }
            }
            request.member("group", selection.group?.description)
            request.member("errorType", selection.errorType)
            if let since = selection.since {
                request.name("since")
                request.raw(String(since.milliseconds))
            }
            if let before = selection.before {
                request.name("before")
                request.raw(String(before.milliseconds))
            }
        }
        return writer.bytes
    }

    /// 16 hexadecimal digits of the value.
    var digest: String {
        let value = value
        return FNV1a.hash(value, value.indices).hexadecimal
    }

    init(
        _ action: Action, _ selection: ParkedKeySelection = .all, pauses: [ShardID: Timestamp] = [:],
        actor: String, reason: String
    ) {
        self.action = action
        self.selection = selection
        self.pauses = pauses
        self.actor = actor
        self.reason = reason
    }

    /// Reads a value; nil for what no version before has written. A member that can't be read is not passed over: the
    /// request would mean more keys than were asked for.
    init?(value: [UInt8]) {
        guard let json = JSONValue(value), let action = json["action"]?.text.flatMap(Action.init) else { return nil }
        var selection = ParkedKeySelection()
        let times: [(String, WritableKeyPath<ParkedKeySelection, Timestamp?>)] = [
            ("since", \.since), ("before", \.before),
        ]
        for (name, path) in times {
            guard let value = json[name] else { continue }
            guard case .number(let text) = value, let time = Int64(text) else { return nil }
            selection[keyPath: path] = Timestamp(milliseconds: time)
        }
        if let value = json["keys"] {
            guard case .array(let keys) = value else { return nil }
            let texts = keys.compactMap(\.text)
            guard texts.count == keys.count else { return nil }
            selection.keys = Set(texts.map { UTF8Key($0) })
        }
        if let value = json["errorType"], value != .null {
            guard let text = value.text else { return nil }
            selection.errorType = text
        }
        if let value = json["group"], value != .null {
            guard let group = value.text.flatMap(FailureGroup.init) else { return nil }
            selection.group = group
        }
        var pauses: [ShardID: Timestamp] = [:]
        if let value = json["pauses"] {
            guard case .object(let members) = value else { return nil }
            for (name, value) in members {
                guard let shard = ShardID(name.string), case .number(let text) = value, let time = Int64(text) else {
                    return nil
                }
                pauses[shard] = Timestamp(milliseconds: time)
            }
        }
        self.init(
            action, selection, pauses: pauses, actor: json["actor"]?.text ?? "", reason: json["reason"]?.text ?? "")
    }

    /// The shards that have to do their part before the request is done: those with keys that are meant, for keys that are
    /// to be parked those that own them, and the paused shards that are meant.
    func shards(of keys: [ParkedKey], _ paused: [PausedShard], in stream: StreamDescription) -> Set<ShardID> {
        switch action {
        case .resume, .resumeGivingUp: Set(paused.filter(resumeOrder.contains).map(\.shard))
        case .release: Set(keys.filter { selection.contains($0) && $0.state == .parked }.map(\.shard))
        case .discard: Set(keys.filter { selection.contains($0) }.map(\.shard))
        case .park:
            Set(
                (selection.keys ?? []).compactMap { key in
                    let hash = HashKey(partitionKey: key.string)
                    return stream.shards.first { $0.closedAt == nil && $0.hashKeyRange.contains(hash) }?.id
                })
        }
    }
}

extension MappingRequest {
    /// The requests that the store has for a mapping, by their names.
    static func all(of mapping: MappingID, in store: any StoreEngine) async throws -> [UTF8Key: MappingRequest] {
        var found: [UTF8Key: MappingRequest] = [:]
        let prefix = prefix(of: mapping)
        var query = AttributeQuery(.stream(mapping.stream), prefix: prefix)
        while true {
            let page = try await store.attributes(query)
            for attribute in page.attributes {
                found[UTF8Key(attribute.name)] = MappingRequest(value: attribute.value)
            }
            guard page.hasMore, let last = page.attributes.last else { return found }
            query.after = last.name
        }
    }

    /// Removes what was asked of an earlier mapping of this name.
    static func removeAll(of mapping: MappingID, in store: any StoreEngine) async throws {
        let names = try await all(of: mapping, in: store).keys.sorted()
        guard !names.isEmpty else { return }
        _ = try await store.commit(
            names.map { .attribute(AttributeChange(.stream(mapping.stream), $0.string, .remove)) })
    }

    /// Removes requests that these shards have done, unless a shard that does not run has a part in them. Returns the
    /// shards that each still needs.
    static func end(
        _ requests: [(Numbered, Set<ShardID>)], of session: MappingSession
    ) async throws -> [UInt64: Set<ShardID>] {
        let parking = ParkingStream(mapping: session.key, store: session.store, logger: session.logger)
        // A key of which records are handed back is released already.
        let isRelease = requests.allSatisfy { $0.0.request.action == .release }
        let keys = try await parking.keys { !isRelease || ParkedKey.isReleased($0.value) != true }
        let stream = try await session.store.describeStream(session.key.stream)
        let resumes = requests.contains { $0.0.request.action.resumes }
        let paused = resumes ? try PausedShard.all(of: try await session.store.describeMapping(session.key)) : []
        var left: [UInt64: Set<ShardID>] = [:]
        for (numbered, done) in requests {
            left[numbered.number] = numbered.request.shards(of: keys, paused, in: stream).subtracting(done)
        }
        let over = requests.filter { left[$0.0.number]?.isEmpty == true }
        guard !over.isEmpty else { return left }
        let changes = over.map {
            Change.attribute(AttributeChange(.stream(session.key.stream), $0.0.name, .remove))
        }
        if case .unknown(let cause) = try await session.store.commit(changes) { throw cause }
        return left
    }
}
