/// Reads and checks one pattern. Throws ``PatternProblem``.
enum PatternParser {
    /// The characters that a pattern may have.
    static let maximumLength = 4096
    /// The levels that a pattern may have, those of dotted names included.
    static let maximumDepth = 100

    static func parse(_ text: String) throws -> PatternFields {
        let length = text.unicodeScalars.count
        guard length <= maximumLength else {
            throw PatternProblem(
                PatternPath(), 0, "\(length) characters", allowed: "at most \(maximumLength) characters")
        }
        let json = try PatternJSON(text)
        guard case .object(let members) = json.value else {
            throw PatternProblem(
                PatternPath(), json.offset, "the pattern is \(json.kind)",
                allowed: "a JSON object, as in {\"data\": {\"type\": [\"order\"]}}")
        }
        let root = PatternFields()
        try add(members, of: json, at: PatternPath(), depth: 0, to: root)
        try checkTop(root, json)
        return root
    }

    /// Adds the fields of an object to those that are said of the same path.
    private static func add(
        _ members: [PatternJSON.Member], of object: PatternJSON, at path: PatternPath, depth: Int,
        to fields: PatternFields
    ) throws {
        guard !members.isEmpty else {
            throw PatternProblem(path, object.offset, "an empty object", allowed: "one field at least")
        }
        for (index, member) in members.enumerated() {
            // Of several members with one name the last counts (ESM-F18).
            let isRepeated = members[(index + 1)...].contains { $0.name.utf8.elementsEqual(member.name.utf8) }
            if !isRepeated { try add(member, at: path.member(member.name), depth: depth, to: fields) }
        }
    }

    /// - Parameter depth: the names that lead to the object that the member is in.
    private static func add(
        _ member: PatternJSON.Member, at path: PatternPath, depth: Int, to fields: PatternFields
    ) throws {
        if member.name == "$or" {
            fields.choices.append(try choices(member.value, at: path, depth: depth))
            return
        }
        let parts = member.name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        let depth = depth + parts.count
        guard depth <= maximumDepth else {
            throw PatternProblem(path, member.offset, "too deep", allowed: "at most \(maximumDepth) levels of fields")
        }
        let parent = parts.dropLast().reduce(fields) { $0.nested($1) }
        let name = parts[parts.count - 1]
        switch member.value.value {
        case .object(let members):
            try add(members, of: member.value, at: path, depth: depth, to: parent.nested(name))
        case .array(let elements):
            let alternatives = try self.alternatives(elements, of: member.value, at: path)
            parent.change(name) { $0.alternatives = alternatives }
        default:
            throw PatternProblem(
                path, member.value.offset, "the value is \(member.value.kind)",
                allowed: "a list of alternatives, as in [\"order\"], or an object of fields")
        }
    }

    private static func choices(_ json: PatternJSON, at path: PatternPath, depth: Int) throws -> [PatternFields] {
        let allowed = "a list of two objects at least"
        guard case .array(let elements) = json.value, elements.count >= 2 else {
            throw PatternProblem(path, json.offset, "$or has \(shape(json))", allowed: allowed)
        }
        return try elements.enumerated().map { index, element in
            guard case .object(let members) = element.value else {
                throw PatternProblem(path.element(index), element.offset, "$or has \(element.kind)", allowed: allowed)
            }
            let choice = PatternFields()
            try add(members, of: element, at: path.element(index), depth: depth, to: choice)
            return choice
        }
    }

    private static func shape(_ json: PatternJSON) -> String {
        if case .array(let elements) = json.value { return "a list of \(elements.count)" }
        return json.kind
    }

    private static func alternatives(_ elements: [PatternJSON], of list: PatternJSON, at path: PatternPath) throws
        -> [PatternAlternative]
    {
        guard !elements.isEmpty else {
            throw PatternProblem(path, list.offset, "an empty list", allowed: "one alternative at least")
        }
        return try elements.enumerated().map { index, element in
            let path = path.element(index)
            switch element.value {
            case .null: return .one(.null)
            case .bool(let value): return .one(.bool(value))
            case .string(let text): return .one(.string(Array(text.utf8)))
            case .number: return .one(.number(try number(element, at: path)))
            case .array:
                throw PatternProblem(
                    path, element.offset, "a list in a list",
                    allowed: "a string, a number, true, false, null, or an object with one operator")
            case .object(let members):
                guard members.count == 1 else {
                    throw PatternProblem(
                        path, element.offset, "\(members.count) operators in one alternative", allowed: "one")
                }
                return try PatternOperators.alternative(members[0], at: path)
            }
        }
    }

    /// A number to compare with.
    static func number(_ json: PatternJSON, at path: PatternPath) throws -> DecimalNumber {
        guard case .number(let text) = json.value else {
            throw PatternProblem(path, json.offset, "the value is \(json.kind)", allowed: "a number")
        }
        let number = DecimalNumber(text)
        guard !number.isLonger, number.digits == 0 || abs(number.exponent) <= 999 else {
            throw PatternProblem(
                path, json.offset, "the value is \(json.kind)",
                allowed: "at most \(DecimalNumber.keptDigits) significant digits, and a power of ten within ±999")
        }
        return number
    }

    // MARK: The record's own fields

    /// At the top stand a record's data and what its event says of it (ESM-F3, ESM-F20).
    private static func checkTop(_ fields: PatternFields, _ json: PatternJSON) throws {
        for field in fields.fields {
            let place = offset(of: field.name, in: json) ?? json.offset
            let path = PatternPath().member(field.name)
            if field.name == "data" {
                guard field.alternatives == nil else {
                    throw PatternProblem(
                        path, place, "a list for the whole data",
                        allowed: "an object of fields, as in {\"type\": [\"order\"]}: data is filtered as JSON")
                }
            } else if let known = MetadataField(rawValue: field.name) {
                guard field.nested == nil else {
                    throw PatternProblem(
                        path, place, "an object of fields for \(known.rawValue)", allowed: "a list of alternatives")
                }
            } else {
                let names = (["data"] + MetadataField.allCases.map(\.rawValue)).joined(separator: ", ")
                throw PatternProblem(
                    path, place, "a record has no field of this name",
                    allowed: "\(names); the fields of a record's data stand in \"data\": {…}")
            }
        }
        for choice in fields.choices.joined() { try checkTop(choice, json) }
    }

    /// Where a name of the top, or of the `$or` there, stands first.
    private static func offset(of name: String, in json: PatternJSON) -> Int? {
        switch json.value {
        case .object(let members):
            for member in members {
                if member.name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).first
                    .map({ $0.elementsEqual(name.utf8) }) == true
                {
                    return member.offset
                }
                if member.name == "$or", let found = offset(of: name, in: member.value) { return found }
            }
            return nil
        case .array(let elements): return elements.lazy.compactMap { offset(of: name, in: $0) }.first
        default: return nil
        }
    }
}

/// The fields of a record beside its data that a pattern can name (ESM-F3).
enum MetadataField: String, CaseIterable {
    case partitionKey, sequenceNumber, approximateArrivalTimestamp, kinesisSchemaVersion
    case eventSource, eventID, eventName, awsRegion, eventSourceARN
}
