import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// The parked keys of a mapping, for people and for programs.
struct ParkedKeysReport: Sendable {
    let mapping: MappingID
    let keys: [ParkedKey]
    /// Whether these are not all keys that the mapping has parked.
    let isSelection: Bool

    /// `1 key is parked, 8 records wait`.
    static func sum(of keys: [ParkedKey]) -> String {
        let records = keys.reduce(0) { $0 + $1.recordCount }
        return "\(Readable.count(keys.count, "key is parked", "keys are parked")), "
            + Readable.count(records, "record waits", "records wait")
    }

    /// A row a key, and a line with the sums.
    func lines(now: Timestamp) -> [String] {
        guard !keys.isEmpty else { return [isSelection ? "no parked key is meant" : "no key is parked"] }
        // A column for what mostly is not there.
        let hasFailed = keys.contains { $0.failedReleases > 0 }
        var table = Table(
            [
                ("KEY", .left), ("SHARD", .left), ("STATE", .left), ("WAITING", .right), ("SINCE", .left),
                ("AGE", .left),
            ] + (hasFailed ? [("FAILED RELEASES", .right)] : []) + [("GROUP", .left), ("WHY", .left)])
        for key in keys {
            table.add(
                [
                    Output.escaped(RecordText.key(key.partitionKey).utf8, backslash: "\\"), key.shard.description,
                    key.state.rawValue, Readable.number(key.recordCount), Readable.moment(key.since, now: now),
                    RecordText.age(now - key.since),
                ] + (hasFailed ? [Readable.number(key.failedReleases)] : [])
                    + [key.cause?.group.description ?? "", Self.why(key)])
        }
        return table.lines + [Self.sum(of: keys)]
    }

    /// The last error, or who parked the key by hand and why, in one line.
    static func why(_ key: ParkedKey) -> String {
        var parts: [String] = []
        if let cause = key.cause {
            let text = cause.errorText ?? ""
            let type = cause.errorType.map { text.hasPrefix($0) ? "" : text.isEmpty ? $0 : "\($0): " } ?? ""
            parts.append(type + text == "" ? cause.condition.rawValue : type + text)
        }
        if !key.actor.isEmpty { parts.append("by \(key.actor)" + (key.reason.isEmpty ? "" : ": \(key.reason)")) }
        return Output.escaped(Readable.shortened(parts.joined(separator: "; "), to: 200).utf8, backslash: "\\")
    }

    /// One object a line for each key.
    func json(now: Timestamp) -> [UInt8] {
        var lines = JSONLines()
        for key in keys {
            lines.line { line in
                line.member("streamName", mapping.stream)
                line.member("mapping", mapping.name)
                line.member("partitionKey", key.partitionKey)
                line.member("shardId", key.shard.description)
                line.member("state", key.state.rawValue)
                line.member("recordCount", key.recordCount)
                line.name("parkedSince")
                line.seconds(ofMilliseconds: key.since.milliseconds)
                line.member("ageMilliseconds", Int(max(.zero, now - key.since).wholeMilliseconds))
                line.member("failedReleases", key.failedReleases)
                line.member("group", key.cause?.group.description)
                line.member("condition", key.cause?.condition.rawValue)
                line.member("errorType", key.cause?.errorType)
                line.member("errorText", key.cause?.errorText)
                line.member("attempts", key.cause?.attempts)
                line.member("actor", key.actor.isEmpty ? nil : key.actor)
                line.member("reason", key.reason.isEmpty ? nil : key.reason)
            }
        }
        return lines.bytes
    }
}

/// The parked keys that a request is about, and what it means for them.
struct MeantKeys: Sendable {
    let mapping: MappingDescription
    let keys: [ParkedKey]

    /// Throws ``CommandFailure`` where a key that is named is not parked.
    init(_ selection: ParkedKeySelection, of mapping: MappingID, in store: some StoreEngine) async throws {
        self.mapping = try await store.describeMapping(mapping)
        let all = try await store.stream(mapping.stream).mapping(mapping.name).parkedKeys()
        keys = all.filter(selection.contains)
        var unknown = selection.keys ?? []
        for key in all { unknown.remove(UTF8Key(key.partitionKey)) }
        guard let missing = unknown.min() else { return }
        throw CommandFailure(
            .failed,
            "the key \(RecordText.key(missing.string)) is not parked by \(name); `shardline mapping keys` lists those that are; nothing was asked"
        )
    }

    init(_ mapping: MappingDescription, _ keys: [ParkedKey]) {
        self.mapping = mapping
        self.keys = keys
    }

    /// `the mapping 'totals' of 'orders'`.
    var name: String { "the mapping '\(mapping.key.name)' of '\(mapping.key.stream)'" }

    /// `2 parked keys with 18 records of the mapping 'totals' of 'orders'`.
    var words: String {
        let records = keys.reduce(0) { $0 + $1.recordCount }
        return "\(Readable.count(keys.count, "parked key")) with \(Readable.count(records, "record")) of \(name)"
    }

    /// Who does it, and when; `verb` is what the process does, such as `redrives`.
    func effect(_ verb: String) -> String { mapping.effect("\(verb) them") }
}

extension MappingDescription {
    /// Who does what was asked of the mapping, and when; `deed` is what the process does, such as `redrives them`.
    func effect(_ deed: String) -> String {
        guard isEnabled else { return "it is disabled: it \(deed) once it is enabled and runs" }
        return isClaimed ? "it runs, and \(deed) now" : "no process runs it: the next one \(deed)"
    }
}
