import DataFormats

/// Finds what of an input breaks the model's constraints, and says it with AWS' texts (API-E-21 to API-E-26).
struct ConstraintCheck {
    /// The violations so far; a text lists ten.
    private(set) var violations: [String] = []
    private static let listed = 10

    /// Throws `ValidationException` with all that is wrong.
    static func check(_ input: Document.Value, as shape: Shape) throws(ServiceError) {
        var check = ConstraintCheck()
        check.visit(input, as: shape, at: "")
        if let error = check.error { throw error }
    }

    /// The error with these violations; nil where there are none.
    private var error: ServiceError? { violations.isEmpty ? nil : Self.error(violations) }

    static func error(_ violations: [String]) -> ServiceError {
        let count = violations.count
        return .validation(
            "\(count) validation error\(count == 1 ? "" : "s") detected: "
                + violations.prefix(listed).joined(separator: "; "))
    }

    /// The text of one violation (API-E-21).
    ///
    /// - Parameter value: as it is shown, with its quotes; nil: it is left out (API-E-24).
    static func violation(_ value: String?, at path: String, _ constraint: String) -> String {
        "Value \(value.map { $0 + " " } ?? "")at '\(path)' failed to satisfy constraint: \(constraint)"
    }

    static let isNull = "Member must not be null"
    static func mustBeAtMost(length: Int) -> String { "Member must have length less than or equal to \(length)" }
    static func mustBeAtLeast(length: Int) -> String { "Member must have length greater than or equal to \(length)" }

    private mutating func fail(_ value: String?, at path: String, _ constraint: String) {
        violations.append(Self.violation(value, at: path, constraint))
    }

    private mutating func visit(_ value: Document.Value, as shape: Shape, at path: String) {
        switch shape {
        case .structure(let members):
            for member in members { visit(member, of: value, at: path) }
        case .text(let rule):
            guard let text = value.text else { return }
            for constraint in Self.broken(rule, by: text) { fail("'\(text)'", at: path, constraint) }
        case .integer(let minimum, let maximum):
            guard let number = value.int.map({ min($0, Int64(Int32.max)) }) else { return }
            if let minimum, number < minimum {
                fail("'\(number)'", at: path, "Member must have value greater than or equal to \(minimum)")
            }
            if let maximum, number > maximum {
                fail("'\(number)'", at: path, "Member must have value less than or equal to \(maximum)")
            }
        case .blob(let maximum):
            if let count = value.blobCount, count > maximum {
                fail(nil, at: path, Self.mustBeAtMost(length: maximum))
            }
        case .boolean, .timestamp: break
        case .list(let element, let count): visit(list: value, of: element, count: count, at: path)
        case .map(let key, let text, let count): visit(map: value, key: key, text: text, count: count, at: path)
        }
    }

    private mutating func visit(_ member: Shape.Member, of structure: Document.Value, at path: String) {
        if let given = structure[member.name] {
            switch member.shape {
            // What has nothing to check but its type needs no path.
            case .boolean, .timestamp: return
            case .text(let rule) where given.text.map { Self.isKept(rule, by: $0) } ?? true: return
            case .blob(let maximum) where (given.blobCount ?? 0) <= maximum: return
            default: visit(given, as: member.shape, at: Self.path(of: member.name, in: path))
            }
        } else if member.isRequired {
            fail("null", at: Self.path(of: member.name, in: path), Self.isNull)
        }
    }

    /// `StreamName` is `streamName` in texts, `StreamARN` `streamARN` (API-E-22).
    private static func path(of name: StaticString, in path: String) -> String {
        let name = name.description
        return (path.isEmpty ? "" : path + ".") + name.prefix(1).lowercased() + name.dropFirst()
    }

    private mutating func visit(list: Document.Value, of element: Shape, count: ClosedRange<Int>, at path: String) {
        var shown: String? {
            if case .text = element {
                "'[\(list.elements.map { $0.text ?? "null" }.joined(separator: ", "))]'"
            } else {
                nil
            }
        }
        if list.count < count.lowerBound { fail(shown, at: path, Self.mustBeAtLeast(length: count.lowerBound)) }
        if list.count > count.upperBound { fail(shown, at: path, Self.mustBeAtMost(length: count.upperBound)) }
        if case .text(let rule) = element {
            if let item = list.elements.compactMap(\.text).first(where: { !Self.isKept(rule, by: $0) }) {
                fail(shown, at: path, Self.nested(rule, broken: Self.broken(rule, by: item)))
            }
            return
        }
        var index = 0
        for item in list.elements {
            index += 1
            // The path is made where it is needed: it would cost more than the checks of a record.
            if Self.isSurelyRight(item, element) { continue }
            let place = "\(path).\(index).member"
            item.kind == .null ? fail("null", at: place, Self.isNull) : visit(item, as: element, at: place)
        }
    }

    private mutating func visit(
        map: Document.Value, key: TextRule, text: TextRule, count: ClosedRange<Int>, at path: String
    ) {
        var shown: String {
            "'{\(map.members.map { "\($0.name.text ?? "")=\($0.value.text ?? "null")" }.joined(separator: ", "))}'"
        }
        if map.count < count.lowerBound { fail(shown, at: path, Self.mustBeAtLeast(length: count.lowerBound)) }
        if map.count > count.upperBound { fail(shown, at: path, Self.mustBeAtMost(length: count.upperBound)) }
        if map.members.contains(where: { $0.name.text.map { !Self.isKept(key, by: $0) } ?? false }) {
            fail(shown, at: path, "Map keys must satisfy constraint: " + Self.nested(key))
        }
        if map.members.contains(where: { $0.value.text.map { !Self.isKept(text, by: $0) } ?? false }) {
            fail(shown, at: path, "Map value must satisfy constraint: " + Self.nested(text))
        }
        for member in map.members where member.value.kind == .null {
            fail("null", at: "\(path).\(member.name.text ?? "").member", Self.isNull)
        }
    }

    /// Whether a structure breaks nothing, without a text about it.
    private static func isSurelyRight(_ value: Document.Value, _ shape: Shape) -> Bool {
        guard value.kind == .object, case .structure(let members) = shape else { return false }
        for member in members {
            guard let given = value[member.name] else {
                if member.isRequired { return false }
                continue
            }
            switch member.shape {
            case .text(let rule):
                if let count = given.textByteCount, isSurelyKept(rule, byBytes: count) { continue }
                if !(given.text.map { isKept(rule, by: $0) } ?? false) { return false }
            case .blob(let maximum): if (given.blobCount ?? .max) > maximum { return false }
            default: return false
            }
        }
        return true
    }

    // MARK: Texts

    /// Whether every text of this many bytes keeps the rule: they bound the UTF-16 code units from above, and a third of
    /// them from below, so that most texts are not walked.
    private static func isSurelyKept(_ rule: TextRule, byBytes bytes: Int) -> Bool {
        rule.pattern == nil && rule.values == nil && isInLength(rule, bytes)
    }

    private static func isInLength(_ rule: TextRule, _ bytes: Int) -> Bool {
        guard let length = rule.length else { return true }
        return bytes >= 3 * length.lowerBound && bytes <= length.upperBound
    }

    private static func isKept(_ rule: TextRule, by text: String) -> Bool {
        if let length = rule.length, !isInLength(rule, text.utf8.count), !length.contains(text.utf16.count) {
            return false
        }
        if let pattern = rule.pattern, !pattern.matches(text) { return false }
        if let values = rule.values, !values.contains(text) { return false }
        return true
    }

    /// What of the rule the text breaks: an empty text breaks its length and its pattern (API-E-25).
    private static func broken(_ rule: TextRule, by text: String) -> [String] {
        var broken: [String] = []
        if let length = rule.length {
            let count = text.utf16.count
            if count < length.lowerBound { broken.append(mustBeAtLeast(length: length.lowerBound)) }
            if count > length.upperBound { broken.append(mustBeAtMost(length: length.upperBound)) }
        }
        if let pattern = rule.pattern, !pattern.matches(text) {
            broken.append("Member must satisfy regular expression pattern: \(pattern.rawValue)")
        }
        if let values = rule.values, !values.contains(text) {
            broken.append("Member must satisfy enum value set: [\(values.joined(separator: ", "))]")
        }
        return broken
    }

    /// The constraint of a list's elements, or of a map's keys or values (API-E-23).
    private static func nested(_ rule: TextRule, broken: [String]? = nil) -> String {
        let constraints =
            rule.length.map { [mustBeAtMost(length: $0.upperBound), mustBeAtLeast(length: $0.lowerBound)] }
            ?? broken ?? []
        let list = "[\(constraints.joined(separator: ", "))]"
        return broken == nil ? list : "Member must satisfy constraint: \(list)"
    }
}
