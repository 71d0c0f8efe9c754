import DataFormats
import StreamModel
import StreamStorage

/// What the store keeps of a parked key (Documentation/Formats/ParkedKeys.md): a JSON object. Unknown members are
/// ignored, so that versions to come can add some.
extension ParkedKey {
    /// The most bytes that a reason takes as JSON, where control characters take six each: a value may have 8,192.
    private static let reasonSize = 1_536

    /// The value that the store keeps.
    package var encoded: [UInt8] {
        var writer = JSONWriter(reserving: 512)
        writer.object { key in
            key.name("since")
            key.raw(String(since.milliseconds))
            key.name("episode")
            key.raw(String(episode))
            key.member("appended", Int(clamping: appended))
            key.member("done", Int(clamping: done))
            key.member("released", Int(clamping: released))
            key.member("releasing", isReleasing)
            key.name("through")
            key.raw(String(through.rawValue))
            if isDiscarded { key.member("discarding", true) }
            if hasExplicitHashKeys { key.member("hasExplicitHashKeys", true) }
            if failedReleases > 0 { key.member("failedReleases", failedReleases) }
            if let place {
                key.member("placeShard", place.shard.description)
                key.name("place")
                key.raw(String(place.number.rawValue))
            }
            if !actor.isEmpty { key.member("actor", actor) }
            if !reason.isEmpty { key.member("reason", Self.keptReason(reason)) }
            if let cause {
                key.member("condition", cause.condition.rawValue)
                key.member("errorType", cause.errorType)
                key.member("errorText", cause.errorText)
                key.member("attempts", cause.attempts)
            }
        }
        return writer.bytes
    }

    /// Whether records are handed back by a stored value, whose first members are read as ``encoded`` writes them. nil: it
    /// was written otherwise.
    static func isReleased(_ value: [UInt8]) -> Bool? {
        var place = 0
        func number(after name: String) -> UInt64? {
            for byte in name.utf8 {
                guard place < value.count, value[place] == byte else { return nil }
                place += 1
            }
            let first = place
            var number: UInt64 = 0
            while place < value.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = value[place], place - first < 19 {
                number = number * 10 + UInt64(value[place] & 0xF)
                place += 1
            }
            return place > first ? number : nil
        }
        guard number(after: "{\"since\":") != nil, number(after: ",\"episode\":") != nil,
            number(after: ",\"appended\":") != nil, let done = number(after: ",\"done\":"),
            let released = number(after: ",\"released\":"), place < value.count, value[place] == UInt8(ascii: ",")
        else { return nil }
        return released > done
    }

    private static func keptReason(_ reason: String) -> String {
        var kept = reason
        while JSONWriter.size(ofString: kept) > reasonSize { kept.unicodeScalars.removeLast() }
        return kept
    }

    /// Reads what ``encoded`` wrote. Throws `corrupt`.
    package init(_ stored: StoredParkedKey) throws {
        func fail(_ member: String) -> ShardlineError {
            ShardlineError(
                .corrupt,
                "what is stored of the parked key '\(stored.partitionKey)' can't be read: '\(member)' (allowed: what this or an older version has written)"
            )
        }
        guard let json = JSONValue(stored.value), case .object = json else { throw fail("no JSON object") }
        func number(_ name: String) throws -> UInt64 {
            guard case .number(let text)? = json[name], let number = UInt64(text), number <= Int64.max else {
                throw fail(name)
            }
            return number
        }
        guard case .number(let text)? = json["since"], let since = Int64(text), Timestamp.plausible.contains(since)
        else { throw fail("since") }
        self.init(stored.partitionKey, shard: stored.shard, since: Timestamp(milliseconds: since))
        episode = try number("episode")
        appended = try number("appended")
        done = try number("done")
        released = try number("released")
        guard done <= released, released <= appended else { throw fail("released") }
        guard case .bool(let releasing)? = json["releasing"] else { throw fail("releasing") }
        isReleasing = releasing
        through = SequenceNumber(try number("through"))
        taken = through
        if case .bool(let isSo)? = json["discarding"] { isDiscarded = isSo }
        if case .bool(let isSo)? = json["hasExplicitHashKeys"] { hasExplicitHashKeys = isSo }
        if json["failedReleases"] != nil { failedReleases = Int(clamping: try number("failedReleases")) }
        if json["place"] != nil {
            guard let shard = json["placeShard"]?.text.flatMap(ShardID.init) else { throw fail("placeShard") }
            place = Place(shard: shard, number: SequenceNumber(try number("place")))
        }
        actor = json["actor"]?.text ?? ""
        reason = Self.keptReason(json["reason"]?.text ?? "")
        if let condition = json["condition"]?.text {
            cause = FailureCause(
                condition: GiveUpCondition(rawValue: condition), errorType: json["errorType"]?.text,
                errorText: json["errorText"]?.text, attempts: Int(clamping: try number("attempts")))
        }
    }
}
