import StreamModel
import StreamStorage

/// How messages name records: by number, partition key and age.
package enum RecordText {
    /// The maximum length of a key in messages; longer keys are cut.
    static let longestKey = 64

    /// `a batch of 3 from 4959… (key 'k7', 3h 12m old)`, `record 4959… (key 'k7', 5s old) in a batch of 3`.
    static func of(_ span: LaneCore.UnitSpan, at now: Timestamp) -> String {
        let named = span.failing ?? span.head
        let record = "\(named.number) (\(keyAndAge(of: named, at: now)))"
        if span.count == 0 { return "the end of the window of record \(record)" }
        if span.count == 1 { return "record \(record)" }
        return span.failing == nil
            ? "a batch of \(span.count) from \(record)" : "record \(record) in a batch of \(span.count)"
    }

    /// `a batch of 3 from 4959…, key 'k7'`.
    package static func of(_ unit: MappingShardState.Unit) -> String {
        let record = "\(unit.sequenceNumber), key \(key(unit.partitionKey))"
        if unit.recordCount == 0 { return "the end of the window of record \(record)" }
        return unit.recordCount == 1 ? "record \(record)" : "a batch of \(unit.recordCount) from \(record)"
    }

    /// `key 'k7', 3h 12m old`.
    static func keyAndAge(of record: LaneCore.RecordName, at now: Timestamp) -> String {
        "key \(key(record.partitionKey)), \(age(now - record.arrival)) old"
    }

    /// A partition key in one line, quoted for a shell, and cut if it is long.
    package static func key(_ key: String) -> String { ShellWord.quoted(key, longest: longestKey) }

    /// The length of a pause: `350ms`, `2.3s`, `12s`, and from a minute on as an age.
    static func pause(_ pause: Duration) -> String {
        let seconds = pause.inSeconds
        if seconds < 1 { return "\(Int((max(0, seconds) * 1000).rounded()))ms" }
        guard seconds < 59.95 else { return age(pause) }
        let tenths = Int((seconds * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)s" : "\(tenths / 10).\(tenths % 10)s"
    }

    /// An age in its two largest units: `45s`, `12m 5s`, `3h 12m`, `2d 4h`. If the clock went back, it is 0.
    package static func age(_ age: Duration) -> String {
        let seconds = max(0, age.components.seconds)
        for (length, unit, part, smaller) in [
            (86_400 as Int64, "d", 3600 as Int64, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"),
        ] where seconds >= length {
            let rest = seconds % length / part
            return "\(seconds / length)\(unit)" + (rest > 0 ? " \(rest)\(smaller)" : "")
        }
        return "\(seconds)s"
    }
}
