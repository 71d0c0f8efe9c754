import StreamModel

/// Makes the tables of checked patterns.
struct FilterCompiler {
    /// A field that a pattern names, with what all patterns ask of it.
    private final class Field {
        let name: [UInt8]
        private(set) var children: [Field] = []
        private var places: [UTF8Key: Int] = [:]
        /// What is asked of the values; one for each place of a pattern that asks.
        var values: [[PatternAlternative]] = []
        /// What is asked of the objects.
        var objects: [Clause] = []
        var node = FilterTables.Node()

        init(_ name: [UInt8]) { self.name = name }

        func child(_ name: String) -> Field {
            let key = UTF8Key(name)
            if let place = places[key] { return children[place] }
            let child = Field(Array(name.utf8))
            places[key] = children.count
            children.append(child)
            return child
        }
    }

    /// An object of a pattern.
    private final class Clause {
        /// Values and objects of fields, by their place among those of the field.
        var values: [(field: Field, place: Int)] = []
        var objects: [(field: Field, place: Int)] = []
        var choices: [[Clause]] = []
        var formula: Int32 = -1

        /// Whether it holds of an object that has none of the fields.
        lazy var holdsOfNothing: Bool =
            values.allSatisfy { $0.field.values[$0.place].contains(.absent) }
            && objects.allSatisfy { $0.field.objects[$0.place].holdsOfNothing }
            && choices.allSatisfy { $0.contains { $0.holdsOfNothing } }
    }

    private var arrays = FilterTables.Arrays()
    private let root = Field([])

    /// The tables, and the nodes of the record's own fields: those that patterns name.
    static func compile(_ patterns: [PatternFields]) -> (tables: FilterTables.Arrays, fields: [UTF8Key: Int]) {
        var compiler = FilterCompiler()
        let clauses = patterns.map { compiler.clause(of: $0, in: compiler.root) }
        compiler.placeSlots(compiler.root)
        compiler.addNodes()
        compiler.arrays.patterns = clauses.map { compiler.formula(of: $0) }
        let fields = compiler.root.children.enumerated().map {
            (UTF8Key(String(decoding: $1.name, as: UTF8.self)), $0 + 1)
        }
        return (compiler.arrays, Dictionary(uniqueKeysWithValues: fields))
    }

    /// Adds what an object of a pattern asks to the fields of `parent`.
    private func clause(of fields: PatternFields, in parent: Field) -> Clause {
        let clause = Clause()
        for asked in fields.fields {
            let field = parent.child(asked.name)
            if let alternatives = asked.alternatives {
                clause.values.append((field, field.values.count))
                field.values.append(alternatives)
            }
            if let nested = asked.nested {
                let object = self.clause(of: nested, in: field)
                clause.objects.append((field, field.objects.count))
                field.objects.append(object)
            }
        }
        clause.choices = fields.choices.map { $0.map { self.clause(of: $0, in: parent) } }
        return clause
    }

    private mutating func placeSlots(_ parent: Field) {
        let start = Int32(arrays.initialSlots.count)
        for field in parent.children {
            field.node.flags = Int32(arrays.initialSlots.count)
            arrays.initialSlots.append(0)
            let values = Int32(arrays.initialSlots.count)
            arrays.initialSlots += field.values.map { $0.contains(.absent) ? 1 : 0 }
            let objects = Int32(arrays.initialSlots.count)
            arrays.initialSlots += field.objects.map { $0.holdsOfNothing ? 1 : 0 }
            field.node.valueSlots = values..<objects
            field.node.objectSlots = objects..<Int32(arrays.initialSlots.count)
        }
        parent.node.childSlots = start..<Int32(arrays.initialSlots.count)
        for field in parent.children { placeSlots(field) }
    }

    /// Adds all nodes, the children of one node after one another: the root first, then the record's own fields.
    private mutating func addNodes() {
        var queue = [root]
        var next = 0
        var firstChild = 1
        while next < queue.count {
            let field = queue[next]
            next += 1
            field.node.children = addWords(
                field.children.enumerated().map { ($1.name, Int32(firstChild + $0), 1) })
            field.node.hasGrandchildren = field.children.contains { !$0.children.isEmpty }
            firstChild += field.children.count
            queue += field.children
            addTests(of: field)
            let formulas = field.objects.map { formula(of: $0) }
            let start = Int32(arrays.slots.count)
            arrays.slots += formulas
            field.node.formulas = start..<Int32(arrays.slots.count)
            arrays.nodes.append(field.node)
        }
    }

    private mutating func addWords(_ words: [(text: [UInt8], target: Int32, count: Int32)]) -> Range<Int32> {
        let start = Int32(arrays.words.count)
        arrays.words += words.map { text, target, count in
            let place = add(text)
            let head = text.withUnsafeBufferPointer { text in
                text.baseAddress.map { FilterTables.head($0, text.count, available: text.count) } ?? 0
            }
            return FilterTables.Word(
                head: head, start: place, count: Int32(text.count), target: target, targetCount: count)
        }.sorted { ($0.count, $0.head) < ($1.count, $1.head) }
        return start..<Int32(arrays.words.count)
    }

    private mutating func add(_ text: [UInt8]) -> Int32 {
        let start = Int32(arrays.bytes.count)
        arrays.bytes += text
        return start
    }

    // MARK: Values

    private mutating func addTests(of field: Field) {
        let start = Int32(arrays.tests.count)
        var strings: [[UInt8]: [Int32]] = [:]
        for (place, alternatives) in field.values.enumerated() {
            let slot = field.node.valueSlots.lowerBound + Int32(place)
            var accepted: [PatternOperand] = []
            for alternative in alternatives {
                switch alternative {
                case .one(.string(let text)): strings[text, default: []].append(slot)
                case .one(let operand): accepted.append(operand)
                case .none(let operands): addTest(slot, operands, isNegated: true, to: field)
                case .absent: break
                }
            }
            if !accepted.isEmpty { addTest(slot, accepted, isNegated: false, to: field) }
        }
        field.node.tests = start..<Int32(arrays.tests.count)
        field.node.looksAtText = field.node.looksAtText || !strings.isEmpty
        // In the order of their texts, so that equal patterns make equal tables.
        let sorted = strings.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        field.node.strings = addWords(
            sorted.map { text, slots in
                let start = Int32(arrays.slots.count)
                arrays.slots += slots
                return (text, start, Int32(slots.count))
            })
    }

    private mutating func addTest(_ slot: Int32, _ operands: [PatternOperand], isNegated: Bool, to field: Field) {
        let start = Int32(arrays.operands.count)
        for operand in operands {
            let added = add(operand)
            switch added.kind {
            case .any, .null, .yes, .no: break
            case .number, .range: field.node.looksAtNumbers = true
            default: field.node.looksAtText = true
            }
            arrays.operands.append(added)
        }
        arrays.tests.append(
            FilterTables.Test(slot: slot, isNegated: isNegated, operands: start..<Int32(arrays.operands.count)))
    }

    private mutating func add(_ operand: PatternOperand) -> FilterTables.Operand {
        func text(_ kind: FilterTables.Operand.Kind, _ text: [UInt8]) -> FilterTables.Operand {
            FilterTables.Operand(kind: kind, start: add(text), count: Int32(text.count))
        }
        func folded(_ kind: FilterTables.Operand.Kind, _ scalars: [UInt32]) -> FilterTables.Operand {
            arrays.scalars += scalars
            return FilterTables.Operand(
                kind: kind, start: Int32(arrays.scalars.count - scalars.count), count: Int32(scalars.count))
        }
        switch operand {
        case .any: return FilterTables.Operand(kind: .any)
        case .null: return FilterTables.Operand(kind: .null)
        case .bool(let value): return FilterTables.Operand(kind: value ? .yes : .no)
        case .number(let number):
            arrays.numbers.append(number)
            return FilterTables.Operand(kind: .number, start: Int32(arrays.numbers.count - 1))
        case .range(let range):
            arrays.ranges.append(range)
            return FilterTables.Operand(kind: .range, start: Int32(arrays.ranges.count - 1))
        case .block(let block):
            arrays.blocks.append(block)
            return FilterTables.Operand(kind: .block, start: Int32(arrays.blocks.count - 1))
        case .string(let bytes): return text(.string, bytes)
        case .prefix(let bytes): return text(.prefix, bytes)
        case .suffix(let bytes): return text(.suffix, bytes)
        case .wildcard(let wildcard):
            let start = Int32(arrays.pieces.count)
            for piece in wildcard.pieces { add(piece: piece) }
            return FilterTables.Operand(kind: .wildcard, start: start, count: Int32(wildcard.pieces.count))
        case .equalIgnoringCase(let scalars): return folded(.equalIgnoringCase, scalars)
        case .prefixIgnoringCase(let scalars): return folded(.prefixIgnoringCase, scalars)
        case .suffixIgnoringCase(let scalars): return folded(.suffixIgnoringCase, scalars)
        }
    }

    private mutating func add(piece: [UInt8]) {
        let failures = Int32(arrays.failures.count)
        var matched = 0
        for index in piece.indices {
            arrays.failures.append(Int32(matched))
            guard index > 0 else { continue }
            while matched > 0, piece[index] != piece[matched] {
                matched = Int(arrays.failures[Int(failures) + matched])
            }
            if piece[index] == piece[matched] { matched += 1 }
        }
        let start = add(piece)
        arrays.pieces.append(FilterTables.Piece(start: start, count: Int32(piece.count), failures: failures))
    }

    // MARK: Formulas

    /// Adds the formula of an object of a pattern.
    private mutating func formula(of clause: Clause) -> Int32 {
        if clause.formula < 0 {
            let formula = parts(of: clause)
            clause.formula = Int32(arrays.formulas.count)
            arrays.formulas.append(formula)
        }
        return clause.formula
    }

    /// The formula of an object of a pattern; those of its choices are added.
    private mutating func parts(of clause: Clause) -> FilterTables.Formula {
        let choices = clause.choices.map { choice in
            // The formulas of one choice stand side by side.
            let formulas = choice.map { parts(of: $0) }
            let start = Int32(arrays.formulas.count)
            arrays.formulas += formulas
            return start..<Int32(arrays.formulas.count)
        }
        let start = Int32(arrays.slots.count)
        arrays.slots += clause.values.map { $0.field.node.valueSlots.lowerBound + Int32($0.place) }
        arrays.slots += clause.objects.map { $0.field.node.objectSlots.lowerBound + Int32($0.place) }
        let end = Int32(arrays.slots.count)
        let firstChoice = Int32(arrays.choices.count)
        arrays.choices += choices
        return FilterTables.Formula(slots: start..<end, choices: firstChoice..<Int32(arrays.choices.count))
    }
}
