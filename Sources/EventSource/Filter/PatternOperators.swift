/// The operators of patterns (ESM-F8 to ESM-F15): an alternative that is an object with one member.
enum PatternOperators {
    private static let names =
        "exists, prefix, suffix, equals-ignore-case, anything-but, numeric, wildcard, cidr"

    static func alternative(_ member: PatternJSON.Member, at path: PatternPath) throws -> PatternAlternative {
        let operand = member.value
        let path = path.member(member.name)
        switch member.name {
        case "exists":
            guard case .bool(let exists) = operand.value else { throw wrong(member, path, "true or false") }
            return exists ? .one(.any) : .absent
        case "prefix", "suffix": return .one(try affix(member, at: path))
        case "equals-ignore-case": return .one(.equalIgnoringCase(CaseFolding.folded(try string(member, path))))
        case "anything-but": return .none(try anythingBut(member, at: path))
        case "numeric": return .one(.range(try range(member, at: path)))
        case "wildcard": return .one(.wildcard(try wildcard(operand, member, at: path)))
        case "cidr":
            let allowed = "a block of addresses, as in \"10.0.0.0/24\" or \"2001:db8::/32\""
            guard case .string(let text) = operand.value, let block = AddressBlock(text) else {
                throw wrong(member, path, allowed)
            }
            return .one(.block(block))
        default:
            throw PatternProblem(
                path, member.offset, "no operator \(PatternProblem.quoted(member.name))", allowed: names)
        }
    }

    private static func wrong(_ member: PatternJSON.Member, _ path: PatternPath, _ allowed: String) -> PatternProblem {
        PatternProblem(path, member.value.offset, "the operand is \(member.value.kind)", allowed: allowed)
    }

    private static func string(_ member: PatternJSON.Member, _ path: PatternPath) throws -> String {
        guard case .string(let text) = member.value.value else { throw wrong(member, path, "a string") }
        return text
    }

    private static func affix(_ member: PatternJSON.Member, at path: PatternPath) throws -> PatternOperand {
        let isPrefix = member.name == "prefix"
        switch member.value.value {
        case .string(let text): return isPrefix ? .prefix(Array(text.utf8)) : .suffix(Array(text.utf8))
        case .object(let members):
            guard members.count == 1, members[0].name == "equals-ignore-case" else { break }
            let text = CaseFolding.folded(try string(members[0], path.member(members[0].name)))
            return isPrefix ? .prefixIgnoringCase(text) : .suffixIgnoringCase(text)
        default: break
        }
        throw wrong(member, path, "a string, or {\"equals-ignore-case\": \"…\"}")
    }

    private static func wildcard(_ json: PatternJSON, _ member: PatternJSON.Member, at path: PatternPath) throws
        -> Wildcard
    {
        guard case .string(let text) = json.value else { throw wrong(member, path, "a string") }
        do {
            return try Wildcard(text)
        } catch {
            switch error {
            case .adjacentStars:
                throw PatternProblem(
                    path, json.offset, "two stars without a character between them in \(json.kind)", allowed: "one star"
                )
            case .wrongEscape:
                throw PatternProblem(
                    path, json.offset, "a backslash before another character in \(json.kind)",
                    allowed: "\\* for a star and \\\\ for a backslash, in JSON \"\\\\*\" and \"\\\\\\\\\"")
            }
        }
    }

    // MARK: anything-but

    private static func anythingBut(_ member: PatternJSON.Member, at path: PatternPath) throws -> [PatternOperand] {
        switch member.value.value {
        case .string, .number, .array: return try values(member, at: path)
        case .object(let members):
            guard members.count == 1 else { break }
            return try operands(members[0], at: path.member(members[0].name))
        default: break
        }
        throw wrong(
            member, path,
            "a string, a number, a list of strings or of numbers, or one of prefix, suffix, equals-ignore-case, wildcard"
        )
    }

    /// The elements of an operand that may be a list, each with its way; an empty list is wrong.
    private static func elements(_ member: PatternJSON.Member, at path: PatternPath) throws -> [(
        PatternJSON, PatternPath
    )] {
        guard case .array(let elements) = member.value.value else { return [(member.value, path)] }
        guard !elements.isEmpty else {
            throw PatternProblem(path, member.value.offset, "an empty list", allowed: "one value at least")
        }
        return elements.enumerated().map { ($1, path.element($0)) }
    }

    private static func values(_ member: PatternJSON.Member, at path: PatternPath) throws -> [PatternOperand] {
        var operands: [PatternOperand] = []
        var hasNumbers: Bool?
        for (element, path) in try elements(member, at: path) {
            let isNumber: Bool
            switch element.value {
            case .string(let text):
                operands.append(.string(Array(text.utf8)))
                isNumber = false
            case .number:
                operands.append(.number(try PatternParser.number(element, at: path)))
                isNumber = true
            default:
                throw PatternProblem(
                    path, element.offset, "the operand is \(element.kind)", allowed: "strings or numbers")
            }
            guard hasNumbers ?? isNumber == isNumber else {
                throw PatternProblem(
                    path, element.offset, "strings and numbers in one list", allowed: "strings alone or numbers alone")
            }
            hasNumbers = isNumber
        }
        return operands
    }

    private static func operands(_ member: PatternJSON.Member, at path: PatternPath) throws -> [PatternOperand] {
        try elements(member, at: path).map { element, path in
            let inner = PatternJSON.Member(name: member.name, offset: member.offset, value: element)
            let text: String
            switch member.name {
            case "prefix", "suffix":
                text = try string(inner, path)
                guard !text.isEmpty else { throw wrong(inner, path, "a string that is not empty") }
                return member.name == "prefix" ? .prefix(Array(text.utf8)) : .suffix(Array(text.utf8))
            case "equals-ignore-case": return .equalIgnoringCase(CaseFolding.folded(try string(inner, path)))
            case "wildcard": return .wildcard(try wildcard(element, inner, at: path))
            default:
                throw PatternProblem(
                    path, member.offset, "no operator \(PatternProblem.quoted(member.name)) of anything-but",
                    allowed: "prefix, suffix, equals-ignore-case, wildcard")
            }
        }
    }

    // MARK: numeric

    private static let comparisons =
        "[\"=\", 5], or a bound or two of \"<\", \"<=\", \">\", \">=\", as in [\">\", 0, \"<=\", 5]"

    private static func range(_ member: PatternJSON.Member, at path: PatternPath) throws -> NumberRange {
        guard case .array(let elements) = member.value.value, elements.count == 2 || elements.count == 4 else {
            throw wrong(member, path, comparisons)
        }
        var range = NumberRange()
        for index in stride(from: 0, to: elements.count, by: 2) {
            guard case .string(let comparison) = elements[index].value else {
                throw PatternProblem(
                    path.element(index), elements[index].offset, "the comparison is \(elements[index].kind)",
                    allowed: comparisons)
            }
            let bound = try bound(elements[index + 1], at: path.element(index + 1))
            let isLower = comparison == ">" || comparison == ">="
            let isUpper = comparison == "<" || comparison == "<="
            if comparison == "=", elements.count == 2 {
                range = NumberRange(lower: bound, includesLower: true, upper: bound, includesUpper: true)
            } else if isLower, range.lower == nil {
                (range.lower, range.includesLower) = (bound, comparison == ">=")
            } else if isUpper, range.upper == nil {
                (range.upper, range.includesUpper) = (bound, comparison == "<=")
            } else {
                throw PatternProblem(
                    path.element(index), elements[index].offset,
                    "no further comparison \(PatternProblem.quoted(comparison))", allowed: comparisons)
            }
        }
        guard !range.isEmpty else {
            throw PatternProblem(
                path, member.value.offset, "no number is within both bounds", allowed: "a lower bound below the upper")
        }
        return range
    }

    private static let largest = DecimalNumber("5e9")
    private static let smallest = DecimalNumber("-5e9")

    private static func bound(_ json: PatternJSON, at path: PatternPath) throws -> DecimalNumber {
        let number = try PatternParser.number(json, at: path)
        guard (smallest...largest).contains(number), number.fractionDigits <= 6 else {
            throw PatternProblem(
                path, json.offset, "the value is \(json.kind)",
                allowed: "-5,000,000,000 to 5,000,000,000, with at most 6 decimals")
        }
        return number
    }
}
