/// Compiled patterns: the fields that any of them names as one tree, and for each field what is asked of it.
///
/// While a record is looked at, every question has a byte, its *slot*: 1 once the record has answered it with yes. A
/// pattern is a formula over slots without negations. The slots of a field's children are consecutive, because all of
/// them begin again with each object that is looked into.
///
/// It refers to memory that ``FilterMemory`` owns, so that looking at a record counts no references.
struct FilterTables {
    /// A field's name, or a string that is asked for, as it can be compared quickly.
    struct Word {
        /// The first eight bytes, the first in the lowest bits; zeros where there are fewer.
        let head: UInt64
        let start: Int32
        let count: Int32
        /// A node, or where the slots that the string sets begin in ``Arrays/slots``.
        let target: Int32
        let targetCount: Int32
    }

    /// A field.
    struct Node {
        /// The fields of the objects there: words, sorted.
        var children: Range<Int32> = 0..<0
        /// The slots of all children.
        var childSlots: Range<Int32> = 0..<0
        /// This field's flags (``Flags``); the slots of its values follow, then those of its objects.
        var flags: Int32 = 0
        var valueSlots: Range<Int32> = 0..<0
        var objectSlots: Range<Int32> = 0..<0
        /// Strings that are asked for as they are: words, sorted.
        var strings: Range<Int32> = 0..<0
        var tests: Range<Int32> = 0..<0
        /// The formula of each of the slots of objects.
        var formulas: Range<Int32> = 0..<0
        /// Whether the tests look at the text of strings, and at the value of numbers.
        var looksAtText = false
        var looksAtNumbers = false
        /// Whether a dotted name can lead to a field below a child.
        var hasGrandchildren = false
    }

    /// Operands that set a slot if one of them accepts a value or, negated, if none does.
    struct Test {
        let slot: Int32
        let isNegated: Bool
        let operands: Range<Int32>
    }

    /// What accepts a value.
    struct Operand {
        enum Kind: UInt8 {
            case any, null, yes, no, number, range, block, string, prefix, suffix, wildcard
            case equalIgnoringCase, prefixIgnoringCase, suffixIgnoringCase
        }
        let kind: Kind
        /// Bytes, scalars, or pieces of a wildcard; of a number, range or block its index.
        var start: Int32 = 0
        var count: Int32 = 0
    }

    /// A piece of a wildcard, with the table of a linear search (Knuth, Morris and Pratt).
    struct Piece {
        let start: Int32
        let count: Int32
        /// For each byte but the first, how much of the piece's start ends before it.
        let failures: Int32
    }

    /// All slots must be set, and of each choice one formula at least must hold.
    struct Formula {
        /// In ``Arrays/slots``.
        let slots: Range<Int32>
        /// In ``Arrays/choices``.
        let choices: Range<Int32>
    }

    /// The tables as they grow.
    struct Arrays {
        var nodes: [Node] = []
        var words: [Word] = []
        var tests: [Test] = []
        var operands: [Operand] = []
        var numbers: [DecimalNumber] = []
        var ranges: [NumberRange] = []
        var blocks: [AddressBlock] = []
        var pieces: [Piece] = []
        var failures: [Int32] = []
        var bytes: [UInt8] = []
        var scalars: [UInt32] = []
        var slots: [Int32] = []
        var formulas: [Formula] = []
        /// Each is a range of formulas.
        var choices: [Range<Int32>] = []
        /// The slots before anything of a record was seen: what holds of a field that is missing.
        var initialSlots: [UInt8] = []
        /// Of each pattern the formula.
        var patterns: [Int32] = []
    }

    /// What of a field was seen in the object that is looked at, in the field's first slot.
    enum Flags {
        /// A value.
        static let value: UInt8 = 1
        /// An object that is no element of a list: others of the same path add to it (ESM-F18).
        static let object: UInt8 = 2
        /// An object in the list that is looked at.
        static let element: UInt8 = 4
    }

    /// The tables when they are complete.
    fileprivate struct Buffers {
        let nodes: UnsafeBufferPointer<Node>
        let words: UnsafeBufferPointer<Word>
        let tests: UnsafeBufferPointer<Test>
        let operands: UnsafeBufferPointer<Operand>
        let numbers: UnsafeBufferPointer<DecimalNumber>
        let ranges: UnsafeBufferPointer<NumberRange>
        let blocks: UnsafeBufferPointer<AddressBlock>
        let pieces: UnsafeBufferPointer<Piece>
        let failures: UnsafeBufferPointer<Int32>
        let bytes: UnsafeBufferPointer<UInt8>
        let scalars: UnsafeBufferPointer<UInt32>
        let slots: UnsafeBufferPointer<Int32>
        let formulas: UnsafeBufferPointer<Formula>
        let choices: UnsafeBufferPointer<Range<Int32>>
        let initialSlots: UnsafeMutableBufferPointer<UInt8>
        let patterns: UnsafeBufferPointer<Int32>

        init(_ arrays: Arrays) {
            func copy<Element>(_ array: [Element]) -> UnsafeMutableBufferPointer<Element> {
                let room = UnsafeMutableBufferPointer<Element>.allocate(capacity: array.count)
                _ = room.initialize(from: array)
                return room
            }
            nodes = UnsafeBufferPointer(copy(arrays.nodes))
            words = UnsafeBufferPointer(copy(arrays.words))
            tests = UnsafeBufferPointer(copy(arrays.tests))
            operands = UnsafeBufferPointer(copy(arrays.operands))
            numbers = UnsafeBufferPointer(copy(arrays.numbers))
            ranges = UnsafeBufferPointer(copy(arrays.ranges))
            blocks = UnsafeBufferPointer(copy(arrays.blocks))
            pieces = UnsafeBufferPointer(copy(arrays.pieces))
            failures = UnsafeBufferPointer(copy(arrays.failures))
            bytes = UnsafeBufferPointer(copy(arrays.bytes))
            scalars = UnsafeBufferPointer(copy(arrays.scalars))
            slots = UnsafeBufferPointer(copy(arrays.slots))
            formulas = UnsafeBufferPointer(copy(arrays.formulas))
            choices = UnsafeBufferPointer(copy(arrays.choices))
            initialSlots = copy(arrays.initialSlots)
            patterns = UnsafeBufferPointer(copy(arrays.patterns))
        }

        func deallocate() {
            nodes.deallocate()
            words.deallocate()
            tests.deallocate()
            operands.deallocate()
            numbers.deallocate()
            ranges.deallocate()
            blocks.deallocate()
            pieces.deallocate()
            failures.deallocate()
            bytes.deallocate()
            scalars.deallocate()
            slots.deallocate()
            formulas.deallocate()
            choices.deallocate()
            initialSlots.deallocate()
            patterns.deallocate()
        }
    }

    // One pointer, which is handed around: the buffers themselves would be copied with each call of a method.
    fileprivate let buffers: UnsafePointer<Buffers>

    var nodes: UnsafeBufferPointer<Node> { @inline(__always) get { buffers.pointee.nodes } }
    var words: UnsafeBufferPointer<Word> { @inline(__always) get { buffers.pointee.words } }
    var tests: UnsafeBufferPointer<Test> { @inline(__always) get { buffers.pointee.tests } }
    var operands: UnsafeBufferPointer<Operand> { @inline(__always) get { buffers.pointee.operands } }
    var numbers: UnsafeBufferPointer<DecimalNumber> { @inline(__always) get { buffers.pointee.numbers } }
    var ranges: UnsafeBufferPointer<NumberRange> { @inline(__always) get { buffers.pointee.ranges } }
    var blocks: UnsafeBufferPointer<AddressBlock> { @inline(__always) get { buffers.pointee.blocks } }
    var pieces: UnsafeBufferPointer<Piece> { @inline(__always) get { buffers.pointee.pieces } }
    var failures: UnsafeBufferPointer<Int32> { @inline(__always) get { buffers.pointee.failures } }
    var bytes: UnsafeBufferPointer<UInt8> { @inline(__always) get { buffers.pointee.bytes } }
    var scalars: UnsafeBufferPointer<UInt32> { @inline(__always) get { buffers.pointee.scalars } }
    var slots: UnsafeBufferPointer<Int32> { @inline(__always) get { buffers.pointee.slots } }
    var formulas: UnsafeBufferPointer<Formula> { @inline(__always) get { buffers.pointee.formulas } }
    var choices: UnsafeBufferPointer<Range<Int32>> { @inline(__always) get { buffers.pointee.choices } }
    var initialSlots: UnsafeMutableBufferPointer<UInt8> { @inline(__always) get { buffers.pointee.initialSlots } }
    var patterns: UnsafeBufferPointer<Int32> { @inline(__always) get { buffers.pointee.patterns } }

    // MARK: Finding words

    /// The head of a word. `available` bytes may be read from its start.
    @inline(__always)
    static func head(_ start: UnsafePointer<UInt8>, _ count: Int, available: Int) -> UInt64 {
        if count >= 8 { return UInt64(littleEndian: UnsafeRawPointer(start).loadUnaligned(as: UInt64.self)) }
        if available >= 8 {
            let word = UInt64(littleEndian: UnsafeRawPointer(start).loadUnaligned(as: UInt64.self))
            return word & ~(UInt64.max << UInt64(count * 8))
        }
        var head: UInt64 = 0
        for index in 0..<count { head |= UInt64(start[index]) << UInt64(index * 8) }
        return head
    }

    /// The place of a word among sorted ones; -1 if it isn't there. `available` bytes may be read from its start.
    @inline(__always)
    func find(_ text: UnsafeBufferPointer<UInt8>, available: Int, in range: Range<Int32>) -> Int {
        guard !range.isEmpty else { return -1 }
        guard let start = text.baseAddress else { return find(0, text, in: range) }
        return find(Self.head(start, text.count, available: available), text, in: range)
    }

    @inline(__always)
    private func find(_ head: UInt64, _ text: UnsafeBufferPointer<UInt8>, in range: Range<Int32>) -> Int {
        var index = Int(range.lowerBound)
        var end = Int(range.upperBound)
        // A few are compared one after the other; of many the half that can't hold the word is left out.
        while end - index > 12 {
            let middle = index + (end - index) / 2
            let word = words[middle]
            if word.count < text.count || word.count == text.count && word.head < head {
                index = middle + 1
            } else if word.count > text.count || word.head > head {
                end = middle
            } else {
                break
            }
        }
        while index < end {
            let word = words[index]
            if word.head == head, word.count == text.count, isEqual(word, text) { return index }
            index += 1
        }
        return -1
    }

    @inline(__always) private func isEqual(_ word: Word, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var index = 8
        while index < text.count {
            guard bytes[Int(word.start) + index] == text[index] else { return false }
            index += 1
        }
        return true
    }

    // MARK: Formulas

    /// Whether a formula holds.
    @inline(__always) func holds(_ index: Int, _ values: UnsafeMutablePointer<UInt8>) -> Bool {
        let formula = formulas[index]
        for index in formula.slots where values[Int(slots[Int(index)])] == 0 { return false }
        return formula.choices.isEmpty || choicesHold(formula.choices, values)
    }

    private func choicesHold(_ choices: Range<Int32>, _ values: UnsafeMutablePointer<UInt8>) -> Bool {
        for choice in choices {
            var holds = false
            for index in self.choices[Int(choice)] where self.holdsChoice(Int(index), values) {
                holds = true
                break
            }
            if !holds { return false }
        }
        return true
    }

    private func holdsChoice(_ index: Int, _ values: UnsafeMutablePointer<UInt8>) -> Bool { holds(index, values) }
}

/// Owns the memory of tables. It is written before anybody else sees it, and not changed any more.
final class FilterMemory: @unchecked Sendable {
    let tables: FilterTables

    init(_ arrays: FilterTables.Arrays) {
        let room = UnsafeMutablePointer<FilterTables.Buffers>.allocate(capacity: 1)
        room.initialize(to: FilterTables.Buffers(arrays))
        tables = FilterTables(buffers: UnsafePointer(room))
    }

    deinit {
        tables.buffers.pointee.deallocate()
        tables.buffers.deallocate()
    }
}
