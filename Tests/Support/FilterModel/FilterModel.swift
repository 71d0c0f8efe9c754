import Glibc

/// What filter patterns must keep, in the most obvious way: trees of JSON, no tables, no speed.
///
/// It presupposes that the pattern is valid and does not check it.
package struct FilterModel {
    private let patterns: [Tree]

    /// What a pattern says of one object.
    private final class Tree {
        var values: [(name: String, alternatives: [ModelJSON])] = []
        var objects: [(name: String, tree: Tree)] = []
        var choices: [[Tree]] = []

        init() {}

        /// Adds the members of a pattern's object.
        func add(_ members: [ModelJSON.Member]) {
            for (index, member) in members.enumerated() {
                // The last of several members with one name counts.
                if members[(index + 1)...].contains(where: { same($0.name, member.name) }) { continue }
                if member.name == "$or", case .array(let elements) = member.value {
                    choices.append(elements.map { Tree($0) })
                    continue
                }
                var tree = self
                var parts = parts(of: member.name)
                let last = parts.removeLast()
                for part in parts { tree = tree.object(part) }
                switch member.value {
                case .array(let alternatives):
                    tree.values.removeAll { same($0.name, last) }
                    tree.values.append((last, alternatives))
                case .object(let members): tree.object(last).add(members)
                default: break
                }
            }
        }

        convenience init(_ json: ModelJSON) {
            self.init()
            if case .object(let members) = json { add(members) }
        }

        private func object(_ name: String) -> Tree {
            if let found = objects.first(where: { same($0.name, name) }) { return found.tree }
            let tree = Tree()
            objects.append((name, tree))
            return tree
        }

        /// - Parameter unreadable: a field of which nothing holds.
        func matches(_ members: [ModelJSON.Member], unreadable: String? = nil) -> Bool {
            values.allSatisfy { name, alternatives in
                let values = Occurrences(of: name, in: members).values
                return alternatives.contains { alternative in
                    if let exists = alternative["exists"] { return (exists == .bool(true)) != values.isEmpty }
                    return values.contains { FilterModel.accepts(alternative, $0) }
                }
            }
                && objects.allSatisfy { name, tree in
                    if name == unreadable { return false }
                    let objects = Occurrences(of: name, in: members).objects
                    return objects.isEmpty ? tree.matches([]) : objects.contains { tree.matches($0) }
                }
                && choices.allSatisfy { $0.contains { $0.matches(members, unreadable: unreadable) } }
        }
    }

    /// What an object has at a name, a dotted name being a way into objects.
    private struct Occurrences {
        var values: [ModelJSON] = []
        var objects: [[ModelJSON.Member]] = []

        init(of name: String, in members: [ModelJSON.Member]) {
            var isOneObject = false
            for member in members {
                var parts = parts(of: member.name)
                guard same(parts.removeFirst(), name) else { continue }
                let value =
                    parts.isEmpty
                    ? member.value : .object([ModelJSON.Member(parts.joined(separator: "."), member.value)])
                switch value {
                case .object(let more):
                    objects = isOneObject ? [objects[0] + more] : [more]
                    isOneObject = true
                case .array:
                    let elements = value.elements
                    values = elements.filter { $0.members == nil }
                    let found = elements.compactMap(\.members)
                    if !found.isEmpty {
                        objects = found
                        isOneObject = false
                    }
                default: values = [value]
                }
            }
        }
    }

    /// A model of valid patterns.
    package init(_ patterns: [[UInt8]]) { self.patterns = patterns.compactMap { ModelJSON($0) }.map(Tree.init) }

    /// Whether a record with this key and data is kept. Of what is beside the data it knows the key only.
    package func keeps(key: String, data: [UInt8]) -> Bool {
        let event = [ModelJSON.Member("partitionKey", .string(key))]
        if patterns.isEmpty { return true }
        guard let data = ModelJSON(data), data.members != nil else {
            return patterns.contains { $0.matches(event, unreadable: "data") }
        }
        return patterns.contains { $0.matches(event + [ModelJSON.Member("data", data)]) }
    }

    // MARK: Values

    private static func accepts(_ alternative: ModelJSON, _ value: ModelJSON) -> Bool {
        guard case .object(let members) = alternative, let member = members.last else {
            return alternative == value
        }
        return accepts(member.name, member.value, value)
    }

    private static func accepts(_ operation: String, _ operand: ModelJSON, _ value: ModelJSON) -> Bool {
        switch operation {
        case "anything-but":
            if case .object(let members) = operand, let member = members.last {
                return !listed(member.value).contains { accepts(member.name, $0, value) }
            }
            return !listed(operand).contains(value)
        case "numeric":
            guard case .number(let number) = value, case .array(let terms) = operand else { return false }
            return stride(from: 0, to: terms.count, by: 2).allSatisfy { index in
                guard case .string(let comparison) = terms[index], case .number(let bound) = terms[index + 1] else {
                    return false
                }
                let order = number.compared(to: bound)
                switch comparison {
                case "=": return order == 0
                case "<": return order < 0
                case "<=": return order <= 0
                case ">": return order > 0
                default: return order >= 0
                }
            }
        default: break
        }
        guard case .string(let text) = value else { return false }
        if let ignoring = operand["equals-ignore-case"], case .string(let operand) = ignoring {
            let (text, operand) = (folded(text), folded(operand))
            return operation == "prefix" ? text.starts(with: operand) : text.reversed().starts(with: operand.reversed())
        }
        guard case .string(let operand) = operand else { return false }
        switch operation {
        case "prefix": return text.utf8.starts(with: operand.utf8)
        case "suffix": return text.utf8.reversed().starts(with: operand.utf8.reversed())
        case "equals-ignore-case": return folded(text) == folded(operand)
        case "wildcard": return wildcard(Array(operand.utf8), Array(text.utf8))
        case "cidr": return cidr(operand, text)
        default: return false
        }
    }

    private static func listed(_ operand: ModelJSON) -> [ModelJSON] {
        if case .array(let elements) = operand { elements } else { [operand] }
    }

    /// Scalar by scalar: upper case, then lower case, where each is one scalar.
    private static func folded(_ text: String) -> [Unicode.Scalar] {
        text.unicodeScalars.map { scalar in
            let upper = Array(scalar.properties.uppercaseMapping.unicodeScalars)
            let middle = upper.count == 1 ? upper[0] : scalar
            let lower = Array(middle.properties.lowercaseMapping.unicodeScalars)
            return lower.count == 1 ? lower[0] : middle
        }
    }

    /// By all places of the operand at once that the text may have reached.
    private static func wildcard(_ operand: [UInt8], _ text: [UInt8]) -> Bool {
        var tokens: [UInt8?] = []
        var bytes = operand.makeIterator()
        while let byte = bytes.next() {
            tokens.append(byte == UInt8(ascii: "*") ? nil : byte == UInt8(ascii: "\\") ? bytes.next() : byte)
        }
        /// A star may also stand for nothing.
        func passStars(_ places: inout [Bool]) {
            for place in tokens.indices where places[place] && tokens[place] == nil { places[place + 1] = true }
        }
        var places = [true] + [Bool](repeating: false, count: tokens.count)
        passStars(&places)
        for byte in text {
            var next = [Bool](repeating: false, count: places.count)
            for place in tokens.indices where places[place] {
                if tokens[place] == nil { next[place] = true }
                if tokens[place] == byte { next[place + 1] = true }
            }
            passStars(&next)
            places = next
        }
        return places[tokens.count]
    }

    private static func cidr(_ block: String, _ text: String) -> Bool {
        let parts = block.split(separator: "/")
        guard let network = address(String(parts[0])), let other = address(text), let length = Int(parts[1]) else {
            return false
        }
        return network.count == other.count && network.prefix(length) == other.prefix(length)
    }

    /// The bits of an address, as the C library reads it.
    private static func address(_ text: String) -> [Bool]? {
        guard !text.utf8.contains(0) else { return nil }
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: count)
            if inet_pton(family, text, &bytes) == 1 {
                return bytes.flatMap { byte in (0..<8).map { byte << $0 & 0x80 != 0 } }
            }
        }
        return nil
    }
}

private func same(_ left: some StringProtocol, _ right: some StringProtocol) -> Bool {
    left.utf8.elementsEqual(right.utf8)
}

private func parts(of name: String) -> [String] {
    // Characters would join a dot with a mark that follows it.
    name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map {
        String(decoding: $0, as: UTF8.self)
    }
}
