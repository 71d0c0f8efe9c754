import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// A mapping as it is told to people and to programs: how far it is, what it does now, how it is set.
struct MappingReport: Sendable {
    let mapping: MappingDescription
    let progress: [MappingProgress]
    /// The last control actions, where they are to be told.
    let history: [MappingAction]?
    /// The keys that the mapping has parked, where they are to be told.
    let parkedKeys: [ParkedKey]?
    /// The shards that are paused, where they are to be told.
    let pausedShards: [PausedShard]

    /// What the store in `store` knows of `mapping`, and what the process that runs it says.
    init(
        _ mapping: MappingDescription, in store: some StoreEngine, _ history: [MappingAction]? = nil,
        parkedKeys: [ParkedKey]? = nil, pausedShards: [PausedShard] = []
    ) async throws {
        self.mapping = mapping
        self.history = history
        self.parkedKeys = parkedKeys
        self.pausedShards = pausedShards
        progress = try await MappingProgress.all(of: mapping, in: store)
    }

    init(
        _ mapping: MappingDescription, _ progress: [MappingProgress], _ history: [MappingAction]? = nil,
        parkedKeys: [ParkedKey]? = nil, pausedShards: [PausedShard] = []
    ) {
        self.mapping = mapping
        self.progress = progress
        self.history = history
        self.parkedKeys = parkedKeys
        self.pausedShards = pausedShards
    }

    var behind: Int { progress.reduce(0) { $0 + $1.behind } }
    /// Records that expired before they were done, and that no run has given up yet.
    var expired: Int { progress.reduce(0) { $0 + $1.expired } }

    /// The mapping's state in one word.
    var state: String {
        if !mapping.isEnabled { return mapping.state.rawValue }
        guard mapping.isClaimed else { return "stopped" }
        if mapping.state == .updating { return mapping.state.rawValue }
        return progress.contains { $0.state?.isFailing ?? false } ? "failing" : "running"
    }

    /// The lines of `mapping describe`.
    func lines(now: Timestamp) -> [String] {
        let isTold = progress.contains { $0.state != nil }
        var columns: [(title: String, alignment: Table.Alignment)] = [
            ("SHARD", .left), ("BEHIND", .right), ("DONE UP TO", .left),
        ]
        if isTold { columns.append(("NOW", .left)) }
        var table = Table(columns)
        for shard in progress {
            let row = [shard.shard.description, Readable.number(shard.behind), shard.words]
            table.add(isTold ? row + [shard.state.map { Self.words($0, now: now) } ?? ""] : row)
        }
        return [
            "mapping    \(mapping.key.name) of the stream \(mapping.key.stream)",
            "state      \(state)\(mapping.holder.map { ", run by \(Output.escaped($0.owner.utf8, backslash: "\\"))" } ?? "")",
            "made       \(mapping.createdAt)",
            "behind     \(Readable.count(behind, "record"))",
        ] + PausedShards.lines(pausedShards, of: (mapping.key.stream, mapping.key.name), now: now) + parkedLine
            + changedLine + oldestLine(now: now) + expiredLines
            + SettingsTable.lines(ofJSON: mapping.configuration, of: mapping.key, title: "settings   ") + [""]
            + table.lines
    }

    private var parkedLine: [String] {
        guard let parkedKeys, !parkedKeys.isEmpty else { return [] }
        let command = "shardline mapping keys \(mapping.key.stream) \(mapping.key.name)"
        return ["parked     \(ParkedKeysReport.sum(of: parkedKeys)); `\(command)` lists them"]
    }

    /// The oldest record that waits, of all shards, also where the mapping does not run.
    private func oldestLine(now: Timestamp) -> [String] {
        guard let oldest = progress.compactMap(\.waiting).min(by: { $0.arrival < $1.arrival }) else { return [] }
        let age = RecordText.age(now - oldest.arrival)
        return ["oldest     \(age) old, \(Self.words(oldest.record)) of \(oldest.record.sequenceNumber.shard)"]
    }

    /// Who last updated, disabled or enabled the mapping.
    private var changedLine: [String] {
        guard let action = mapping.lastAction else { return [] }
        let who = Output.escaped(action.actor.utf8, backslash: "\\")
        let why = Output.escaped(Readable.shortened(action.reason, to: 200).utf8, backslash: "\\")
        return ["changed    \(action.words) by \(who), \(action.time)\(why.isEmpty ? "" : ": \(why)")"]
    }

    private var expiredLines: [String] {
        guard expired > 0 else { return [] }
        let who = mapping.isClaimed ? "it" : "its next run"
        return [
            "expired    \(Readable.count(expired, "record")) before they were done; \(who) gives them up (RecordsExpired)"
        ]
    }

    /// What a shard's lane does, such as `retrying, 7 failed attempts, on this unit since 15:09:12Z: ValueError: …`.
    static func words(_ state: MappingShardState, now: Timestamp) -> String {
        var text: String
        switch state.phase {
        case .idle: text = "idle"
        case .batching: text = "batching"
        case .invoking: text = state.attempts > 0 ? "trying again" : "the function runs"
        case .retrying: text = "retrying"
        case .delivering: text = "giving up, its destination"
        case .ended: text = "done"
        case .stopped: text = "stopped"
        case .damaged: text = "damaged"
        case .paused: text = "paused until resumed"
        }
        switch state.phase {
        case .delivering: text += state.lastError == nil ? " is written" : " fails"
        default: break
        }
        if state.attempts > 0 { text += ", \(Readable.count(state.attempts, "failed attempt"))" }
        if let unit = state.unit { text += ", \(Self.words(unit))" }
        if let since = state.busySince { text += ", on this unit since \(Readable.moment(since, now: now))" }
        if let age = state.oldestAge(at: now) { text += ", oldest record \(RecordText.age(age)) old" }
        if state.expired > 0 { text += ", \(Readable.count(state.expired, "record")) expired" }
        if state.lost > 0 { text += ", \(Readable.count(state.lost, "record")) lost to damage passed" }
        if let error = state.lastError, state.isFailing {
            text += ": " + Output.escaped(Readable.shortened(error, to: 200).utf8, backslash: "\\")
        }
        return text
    }

    /// What a run left behind in a shard, such as `record 4959… (key 'k7'), 7 failed attempts, oldest record 3h 12m old: …`.
    static func unfinished(_ state: MappingShardState, now: Timestamp) -> String {
        var parts = state.unit.map { [words($0)] } ?? []
        if state.attempts > 0 { parts.append(Readable.count(state.attempts, "failed attempt")) }
        if let age = state.oldestAge(at: now) { parts.append("oldest record \(RecordText.age(age)) old") }
        let error = Output.escaped(Readable.shortened(state.lastError ?? "", to: 200).utf8, backslash: "\\")
        return parts.isEmpty ? error : parts.joined(separator: ", ") + ": " + error
    }

    /// The records that a lane is on, such as `record 4959… (key 'k7')`, `a batch of 3 from 4959… (key 'k7')`.
    static func words(_ unit: MappingShardState.Unit) -> String {
        let key = Output.escaped(RecordText.key(unit.partitionKey).utf8, backslash: "\\")
        let record = "\(unit.sequenceNumber) (key \(key))"
        return unit.recordCount == 1
            ? "record \(record)" : "a batch of \(Readable.number(unit.recordCount)) from \(record)"
    }

    /// For programs.
    func json(now: Timestamp) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { report in
            report.member("streamName", mapping.key.stream)
            report.member("mapping", mapping.key.name)
            report.member("state", state)
            report.member("isEnabled", mapping.isEnabled)
            report.member("lifeCycleState", mapping.state.rawValue)
            report.member("revision", Int(clamping: mapping.revision))
            report.name("heldBy")
            if let holder = mapping.holder { holder.write(to: &report) } else { report.raw("null") }
            if let history {
                report.name("history")
                report.array { list in for action in history { action.write(to: &list) } }
            }
            report.name("creationTimestamp")
            report.seconds(ofMilliseconds: mapping.createdAt.milliseconds)
            report.member("recordsBehind", behind)
            report.member("recordsExpired", expired)
            if let parkedKeys {
                report.member("parkedKeys", parkedKeys.count)
                report.member("parkedRecords", parkedKeys.reduce(0) { $0 + $1.recordCount })
            }
            report.name("pausedShards")
            PausedShards.write(pausedShards, to: &report)
            report.name("counts")
            MappingCounts.write(progress.compactMap(\.state).map(\.counts), to: &report)
            report.name("shards")
            report.array { list in for shard in progress { shard.write(to: &list, now: now) } }
            report.name("settings")
            // They come from the process that runs the mapping: what is no JSON must not break the report's.
            if JSONValue(mapping.configuration) != nil {
                report.raw(mapping.configuration)
            } else if mapping.configuration.isEmpty {
                report.raw("null")
            } else {
                report.string(String(decoding: mapping.configuration, as: UTF8.self))
            }
        }
        return writer.bytes
    }
}

extension MappingProgress {
    fileprivate func write(to writer: inout JSONWriter, now: Timestamp) {
        func time(_ time: Timestamp?, _ entry: inout JSONWriter) {
            if let time { entry.seconds(ofMilliseconds: time.milliseconds) } else { entry.raw("null") }
        }
        writer.object { entry in
            entry.member("shardId", shard.description)
            entry.member("sequenceNumber", checkpoint?.description)
            entry.member("recordsBehind", behind)
            entry.member("recordsExpired", expired)
            entry.member("oldestSequenceNumber", oldest?.description)
            entry.member("isRemoved", isRemoved)
            entry.member("isShardEnd", isShardEnd)
            // What only a running mapping can tell is null where none runs.
            entry.member("phase", state?.phase.rawValue)
            entry.member("failedAttempts", state?.attempts)
            entry.member("lastError", state?.lastError)
            entry.member("lostRecords", state?.lost)
            entry.member("expiredRecords", state?.expired)
            entry.name("counts")
            MappingCounts.write(state.map { [$0.counts] } ?? [], to: &entry)
            entry.name("unit")
            if let unit = state?.unit { unit.write(to: &entry) } else { entry.raw("null") }
            entry.name("busySince")
            time(state?.busySince, &entry)
            entry.name("oldestArrivalTimestamp")
            let oldest = state?.oldestArrival ?? waiting?.arrival
            time(oldest, &entry)
            entry.member("oldestAgeMilliseconds", oldest.map { Int(max(.zero, now - $0).wholeMilliseconds) })
            entry.name("nextRecord")
            if let waiting { waiting.record.write(to: &entry) } else { entry.raw("null") }
        }
    }
}

extension MappingCounts {
    /// Writes the sums of what was counted, each by its name; null where nothing was told.
    fileprivate static func write(_ counts: [[UTF8Key: Int]], to writer: inout JSONWriter) {
        guard !counts.isEmpty else { return writer.raw("null") }
        let members = names.map { name in "\"\(name)\":\(counts.reduce(0) { $0 + ($1[UTF8Key(name)] ?? 0) })" }
        writer.raw("{\(members.joined(separator: ","))}")
    }
}

extension MappingAction {
    /// What was done, for people.
    var words: String {
        let enabled = isEnabled.map { $0 ? "enabled" : "disabled" }
        return [enabled, changedSettings ? "new settings" : nil].compactMap { $0 }.joined(separator: ", ")
    }

    /// For programs.
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { action in
            action.member("revision", Int(clamping: revision))
            action.name("timestamp")
            action.seconds(ofMilliseconds: time.milliseconds)
            action.member("actor", actor)
            action.member("reason", reason)
            action.member("changedSettings", changedSettings)
            action.name("isEnabled")
            action.raw(isEnabled.map { $0 ? "true" : "false" } ?? "null")
        }
    }
}

extension MappingHolder {
    /// For programs.
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { holder in
            holder.member("owner", owner)
            holder.name("expiresAt")
            if let expiresAt { holder.seconds(ofMilliseconds: expiresAt.milliseconds) } else { holder.raw("null") }
            holder.member("revision", Int(clamping: revision))
        }
    }
}

extension MappingShardState.Unit {
    /// For programs.
    func write(to writer: inout JSONWriter) {
        writer.object { unit in
            unit.member("partitionKey", partitionKey)
            unit.member("sequenceNumber", sequenceNumber.description)
            unit.member("recordCount", recordCount)
        }
    }
}

extension MappingShardState {
    /// How old the oldest record is that the lane holds; nil where it holds none.
    func oldestAge(at now: Timestamp) -> Duration? { oldestArrival.map { max(.zero, now - $0) } }
}
