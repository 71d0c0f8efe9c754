/// A value that is not an object or a list.
enum ScalarValue {
    /// Text in valid UTF-8; so many bytes may be read from its start.
    case string(UnsafeBufferPointer<UInt8>, available: Int)
    case number(DecimalNumber)
    case bool(Bool)
    case null
}

extension FilterTables {
    /// Sets the slots of a field whose questions the value answers with yes.
    @inline(__always)
    func answer(_ node: UnsafePointer<Node>, _ value: ScalarValue, _ values: UnsafeMutablePointer<UInt8>) {
        if values[Int(node.pointee.flags)] & Flags.value == 0 {
            // The field isn't missing.
            values[Int(node.pointee.flags)] |= Flags.value
            for slot in node.pointee.valueSlots { values[Int(slot)] = 0 }
        }
        switch value {
        case .string(let text, let available):
            if !node.pointee.strings.isEmpty {
                let found = find(text, available: available, in: node.pointee.strings)
                if found >= 0 { set(words[found], values) }
            }
            guard !node.pointee.tests.isEmpty else { return }
            runTests(node, values) { accepts($0, text) }
        case .number(let number):
            runTests(node, values) { operand in
                switch operand.pointee.kind {
                case .any: true
                case .number: numbers[Int(operand.pointee.start)] == number
                case .range: ranges[Int(operand.pointee.start)].contains(number)
                default: false
                }
            }
        case .bool(let value):
            let kind: Operand.Kind = value ? .yes : .no
            runTests(node, values) { $0.pointee.kind == .any || $0.pointee.kind == kind }
        // ESM-F7
        case .null: runTests(node, values) { $0.pointee.kind == .any || $0.pointee.kind == .null }
        }
    }

    /// What a string sets that is asked for as it is.
    @inline(__always) private func set(_ word: Word, _ values: UnsafeMutablePointer<UInt8>) {
        for index in word.target..<word.target + word.targetCount { values[Int(slots[Int(index)])] = 1 }
    }

    @inline(__always)
    private func runTests(
        _ node: UnsafePointer<Node>, _ values: UnsafeMutablePointer<UInt8>,
        _ accepts: (UnsafePointer<Operand>) -> Bool
    ) {
        guard let tests = tests.baseAddress, let operands = operands.baseAddress else { return }
        for index in node.pointee.tests {
            let test = tests + Int(index)
            guard values[Int(test.pointee.slot)] == 0 else { continue }
            var operand = operands + Int(test.pointee.operands.lowerBound)
            let end = operands + Int(test.pointee.operands.upperBound)
            while operand < end, !accepts(operand) { operand += 1 }
            if (operand < end) != test.pointee.isNegated { values[Int(test.pointee.slot)] = 1 }
        }
    }

    /// Whether a text is the operand (ESM-F6), begins or ends with it (ESM-F9), or is what else it asks for.
    @inline(__always)
    private func accepts(_ operand: UnsafePointer<Operand>, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let start = Int(operand.pointee.start)
        let count = Int(operand.pointee.count)
        switch operand.pointee.kind {
        case .any: return true
        case .null, .yes, .no, .number, .range: return false
        case .string: return count == text.count && isEqual(start, count, text, 0)
        case .prefix: return count <= text.count && isEqual(start, count, text, 0)
        case .suffix: return count <= text.count && isEqual(start, count, text, text.count - count)
        case .wildcard: return matches(start..<start + count, text)
        case .block: return blocks[start].contains(text)
        case .equalIgnoringCase: return CaseFolding.matches(text, .whole, folded(start, count))
        case .prefixIgnoringCase: return CaseFolding.matches(text, .prefix, folded(start, count))
        case .suffixIgnoringCase: return CaseFolding.matches(text, .suffix, folded(start, count))
        }
    }

    private func folded(_ start: Int, _ count: Int) -> UnsafeBufferPointer<UInt32> {
        UnsafeBufferPointer(rebasing: scalars[start..<start + count])
    }

    @inline(__always)
    private func isEqual(_ start: Int, _ count: Int, _ text: UnsafeBufferPointer<UInt8>, _ offset: Int) -> Bool {
        for index in 0..<count where bytes[start + index] != text[offset + index] { return false }
        return true
    }

    // MARK: Wildcards

    /// Whether the pieces stand in the text in this order, the first at its start and the last at its end.
    private func matches(_ range: Range<Int>, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let pieces = pieces.baseAddress else { return false }
        let first = pieces[range.lowerBound]
        guard first.count <= text.count, isEqual(Int(first.start), Int(first.count), text, 0) else { return false }
        guard range.count > 1 else { return first.count == text.count }
        let last = pieces[range.upperBound - 1]
        var at = Int(first.count)
        // What is before the last piece; the leftmost place of each piece leaves most room for the next one.
        let end = text.count - Int(last.count)
        guard at <= end, isEqual(Int(last.start), Int(last.count), text, end) else { return false }
        for index in range.dropFirst().dropLast() {
            guard let next = endOf(pieces[index], in: text, at..<end) else { return false }
            at = next
        }
        return true
    }

    /// The end of the first place of a piece in a part of the text; nil if it isn't there.
    private func endOf(_ piece: Piece, in text: UnsafeBufferPointer<UInt8>, _ part: Range<Int>) -> Int? {
        let count = Int(piece.count)
        guard part.count >= count, let bytes = bytes.baseAddress.map({ $0 + Int(piece.start) }) else { return nil }
        let first = bytes[0]
        var matched = 0
        var index = part.lowerBound
        while index < part.upperBound {
            if matched == 0 {
                // Most bytes begin nothing.
                index = Self.index(of: first, in: text, index..<part.upperBound)
                guard index < part.upperBound else { return nil }
                index += 1
                matched = 1
            } else {
                let byte = text[index]
                index += 1
                while matched > 0, bytes[matched] != byte {
                    matched = Int(failures[Int(piece.failures) + matched])
                }
                if bytes[matched] == byte { matched += 1 }
            }
            if matched == count { return index }
        }
        return nil
    }

    /// The first place of a byte in a part of the text; the part's end if it isn't there.
    @inline(__always)
    private static func index(of byte: UInt8, in text: UnsafeBufferPointer<UInt8>, _ part: Range<Int>) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = part.lowerBound
        while index + 8 <= part.upperBound, let base = text.baseAddress {
            let word = UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self)
            let others = UInt64(littleEndian: word) ^ (ones &* UInt64(byte))
            // The lowest bit that is set is of the first such byte; higher ones may be wrong.
            let found = (others &- ones) & ~others & (ones &* 0x80)
            if found != 0 { return index + (found.trailingZeroBitCount >> 3) }
            index += 8
        }
        while index < part.upperBound, text[index] != byte { index += 1 }
        return index
    }
}
