import DataFormats

/// Goes once through the JSON of a record's data and answers what patterns ask of its fields.
///
/// The whole document is validated. Only values that a pattern names are looked at. `"a.b"` as a name is the same as
/// `b` in `a`, and of several values of one path the last counts (ESM-F18).
struct DocumentMatcher {
    typealias Node = UnsafePointer<FilterTables.Node>

    private var scanner: JSONScanner
    // The caller keeps both valid.
    private let tables: FilterTables
    private let values: UnsafeMutablePointer<UInt8>

    init(
        _ data: UnsafeBufferPointer<UInt8>, _ tables: FilterTables,
        _ values: UnsafeMutablePointer<UInt8>
    ) {
        scanner = JSONScanner(data)
        self.tables = tables
        self.values = values
    }

    /// Answers the questions of the node; false if the data are no JSON object (ESM-F20).
    mutating func answer(_ node: Int) -> Bool {
        scanner.skipSpace()
        guard scanner.next == UInt8(ascii: "{"), object(self.node(node), depth: 0) else { return false }
        scanner.skipSpace()
        return scanner.isAtEnd
    }

    @inline(__always) private func node(_ index: Int) -> Node { tables.nodes.baseAddress! + index }

    // MARK: Objects

    /// Takes an object of a field, which is no element of a list.
    private mutating func object(_ node: Node, depth: Int) -> Bool {
        begin(node)
        guard members(node, depth: depth) else { return false }
        end(node)
        return true
    }

    /// From here on names are those of the field's object. Several objects of one path are one.
    @inline(__always) private func begin(_ node: Node) {
        let flags = values + Int(node.pointee.flags)
        guard flags.pointee & FilterTables.Flags.object == 0 else { return }
        flags.pointee = flags.pointee & FilterTables.Flags.value | FilterTables.Flags.object
        reset(node.pointee.childSlots)
    }

    @inline(__always) private func end(_ node: Node) {
        for index in 0..<Int32(node.pointee.objectSlots.count) {
            values[Int(node.pointee.objectSlots.lowerBound + index)] = formulaHolds(node, index) ? 1 : 0
        }
    }

    @inline(__always) private func formulaHolds(_ node: Node, _ index: Int32) -> Bool {
        let formula = tables.slots[Int(node.pointee.formulas.lowerBound + index)]
        return tables.holds(Int(formula), values)
    }

    /// As before anything was seen.
    @inline(__always) private func reset(_ slots: Range<Int32>) {
        guard !slots.isEmpty else { return }
        let start = Int(slots.lowerBound)
        (values + start).update(from: tables.initialSlots.baseAddress! + start, count: slots.count)
    }

    /// Takes an object, whose braces are next, and the values in it that are asked for.
    private mutating func members(_ node: Node, depth: Int) -> Bool {
        scanner.at += 1
        scanner.skipSpace()
        if scanner.take(UInt8(ascii: "}")) { return true }
        while true {
            scanner.skipSpace()
            guard scanner.next == UInt8(ascii: "\""), let name = scanner.string() else { return false }
            scanner.skipSpace()
            guard scanner.take(UInt8(ascii: ":")) else { return false }
            scanner.skipSpace()
            guard member(name, of: node, depth: depth + 1) else { return false }
            scanner.skipSpace()
            if scanner.take(UInt8(ascii: "}")) { return true }
            guard scanner.take(UInt8(ascii: ",")) else { return false }
        }
    }

    @inline(__always)
    private mutating func member(_ name: JSONScanner.Text, of node: Node, depth: Int) -> Bool {
        guard !name.isEscaped else { return escapedMember(name, of: node, depth: depth) }
        let text = scanner.slice(name.range)
        let found = find(text, available: scanner.end - name.range.lowerBound, in: node)
        if found >= 0 { return value(self.node(found), depth: depth) }
        guard node.pointee.hasGrandchildren, text.contains(UInt8(ascii: ".")) else {
            return scanner.skipValue(depth: depth)
        }
        return dotted(text, from: 0, of: node, depth: depth)
    }

    private mutating func escapedMember(_ name: JSONScanner.Text, of node: Node, depth: Int) -> Bool {
        let scanner = scanner
        return scanner.withText(name) { text in
            let found = find(text, available: text.count, in: node)
            return found >= 0
                ? value(self.node(found), depth: depth) : dotted(text, from: 0, of: node, depth: depth)
        }
    }

    /// The node of a name in an object; -1 if no pattern asks for it.
    @inline(__always)
    private func find(_ name: UnsafeBufferPointer<UInt8>, available: Int, in node: Node) -> Int {
        let place = tables.find(name, available: available, in: node.pointee.children)
        return place < 0 ? -1 : Int(tables.words[place].target)
    }

    /// Takes the value of a dotted name as if each part were a member of an object of its own.
    private mutating func dotted(
        _ name: UnsafeBufferPointer<UInt8>, from start: Int, of node: Node, depth: Int
    ) -> Bool {
        var end = start
        while end < name.count, name[end] != UInt8(ascii: ".") { end += 1 }
        let part = UnsafeBufferPointer(rebasing: name[start..<end])
        let found = find(part, available: part.count, in: node)
        guard found >= 0 else { return scanner.skipValue(depth: depth) }
        let child = self.node(found)
        guard end < name.count else { return value(child, depth: depth) }
        guard !child.pointee.children.isEmpty else { return scanner.skipValue(depth: depth) }
        begin(child)
        guard dotted(name, from: end + 1, of: child, depth: depth) else { return false }
        self.end(child)
        return true
    }

    // MARK: Values

    /// Takes the value of a field.
    private mutating func value(_ node: Node, depth: Int) -> Bool {
        guard depth < JSONScanner.maximumDepth else { return false }
        switch scanner.next {
        case UInt8(ascii: "{"):
            return node.pointee.children.isEmpty ? scanner.skipValue(depth: depth) : object(node, depth: depth)
        case UInt8(ascii: "["):
            forgetValues(node)
            values[Int(node.pointee.flags)] &= ~FilterTables.Flags.element
            return list(node, depth: depth)
        default:
            forgetValues(node)
            return scalar(node)
        }
    }

    /// As if no value of the field had been seen: seldom there was one.
    @inline(__always) private func forgetValues(_ node: Node) {
        let flags = values + Int(node.pointee.flags)
        guard flags.pointee & FilterTables.Flags.value != 0 else { return }
        flags.pointee &= ~FilterTables.Flags.value
        reset(node.pointee.valueSlots)
    }

    /// Takes a list, whose brackets are next: the field has each of its elements, those of lists in it included.
    private mutating func list(_ node: Node, depth: Int) -> Bool {
        guard depth < JSONScanner.maximumDepth else { return false }
        scanner.at += 1
        scanner.skipSpace()
        if scanner.take(UInt8(ascii: "]")) { return true }
        while true {
            scanner.skipSpace()
            let isTaken =
                switch scanner.next {
                case UInt8(ascii: "{"): element(node, depth: depth + 1)
                case UInt8(ascii: "["): list(node, depth: depth + 1)
                default: depth + 1 < JSONScanner.maximumDepth && scalar(node)
                }
            guard isTaken else { return false }
            scanner.skipSpace()
            if scanner.take(UInt8(ascii: "]")) { return true }
            guard scanner.take(UInt8(ascii: ",")) else { return false }
        }
    }

    /// Takes an object in a list: one that has all that a pattern asks of objects there is enough (ESM-F16).
    private mutating func element(_ node: Node, depth: Int) -> Bool {
        guard depth < JSONScanner.maximumDepth else { return false }
        guard !node.pointee.children.isEmpty else { return scanner.skipValue(depth: depth) }
        let flags = values + Int(node.pointee.flags)
        if flags.pointee & FilterTables.Flags.element == 0 {
            flags.pointee = flags.pointee & FilterTables.Flags.value | FilterTables.Flags.element
            for slot in node.pointee.objectSlots { values[Int(slot)] = 0 }
        }
        reset(node.pointee.childSlots)
        guard members(node, depth: depth) else { return false }
        for index in 0..<Int32(node.pointee.objectSlots.count) {
            let slot = Int(node.pointee.objectSlots.lowerBound + index)
            if values[slot] == 0, formulaHolds(node, index) { values[slot] = 1 }
        }
        return true
    }

    /// Takes a string, number, true, false or null.
    @inline(__always) private mutating func scalar(_ node: Node) -> Bool {
        switch scanner.next {
        case UInt8(ascii: "\""):
            guard let text = scanner.string() else { return false }
            if text.isEscaped, node.pointee.looksAtText {
                scanner.withText(text) { answer(node, .string($0, available: $0.count)) }
            } else {
                let available = scanner.end - text.range.lowerBound
                answer(node, .string(scanner.slice(text.range), available: available))
            }
        case UInt8(ascii: "t"):
            guard scanner.take("true") else { return false }
            answer(node, .bool(true))
        case UInt8(ascii: "f"):
            guard scanner.take("false") else { return false }
            answer(node, .bool(false))
        case UInt8(ascii: "n"):
            guard scanner.take("null") else { return false }
            answer(node, .null)
        default:
            guard let range = scanner.number() else { return false }
            answer(node, .number(node.pointee.looksAtNumbers ? DecimalNumber(scanner.slice(range)) : .zero))
        }
        return true
    }

    @inline(__always) private func answer(_ node: Node, _ value: ScalarValue) {
        tables.answer(node, value, values)
    }
}
