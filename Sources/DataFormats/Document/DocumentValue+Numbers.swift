extension Document.Value {
    /// A number, cut to a whole one as API-S-5 says: down. Beyond 64 bits the nearest number of 64 bits; NaN is 0. Nil for other
    /// kinds.
    package var int: Int64? {
        guard kind == .integer || kind == .decimal else { return nil }
        guard document.format == .cbor else {
            return withNumber { number in number.whole(scale: 0, .down) ?? (number.isNegative ? .min : .max) }
        }
        if let whole = cborInteger { return Int64(clamping: whole) }
        guard let float = head?.float, !float.isNaN else { return 0 }
        return Int64(exactly: float.rounded(.down)) ?? (float < 0 ? .min : .max)
    }

    /// A number as the nearest `Double`; nil for other kinds.
    package var double: Double? {
        guard kind == .integer || kind == .decimal else { return nil }
        guard document.format == .cbor else {
            return withNumber { Double(String(decoding: $0.text, as: UTF8.self)) }
        }
        return cborInteger.map { Double($0) } ?? head?.float
    }

    /// A time in milliseconds since 1970 (API-S-3), cut towards zero; nil for other kinds and beyond 64 bits.
    ///
    /// JSON numbers are seconds. CBOR floats are too, and integers below 10^11; others are milliseconds.
    package var milliseconds: Int64? {
        switch kind {
        case .integer, .decimal, .time: break
        default: return nil
        }
        guard document.format == .cbor else { return withNumber { $0.whole(scale: 3, .toZero) } }
        if let whole = cborInteger {
            guard let number = Int64(exactly: whole) else { return nil }
            guard number < 100_000_000_000 else { return number }
            let (product, overflows) = number.multipliedReportingOverflow(by: 1000)
            return overflows ? nil : product
        }
        guard let float = head?.float, float.isFinite else { return nil }
        // Its shortest text has the decimals that were meant; times 1000 it could be just below them.
        var text = float.description
        return text.withUTF8 { DecimalText(text: $0).whole(scale: 3, .toZero) }
    }

    /// Calls `body` with a JSON number.
    private func withNumber<Result>(_ body: (DecimalText) -> Result) -> Result {
        let range = node.range
        return withBody { body(DecimalText(text: UnsafeBufferPointer(rebasing: $0[range]))) }
    }

    private var head: CBORHead? {
        let place = Int(node.place)
        return withBody { CBORHead($0, at: place) }
    }

    /// A CBOR number that is no float; the nearest one of 128 bits where it has more.
    private var cborInteger: Int128? {
        let node = node
        switch node.tag {
        case .bignum, .negativeBignum:
            let magnitude = withBody { body in
                body[node.range].reduce(into: Int128(0)) { number, byte in
                    number = number > Int128(UInt64.max) ? .max : number << 8 | Int128(byte)
                }
            }
            return node.tag == .bignum ? magnitude : -1 - magnitude
        default:
            guard let head else { return nil }
            switch head.major {
            case CBORHead.unsigned: return Int128(head.argument)
            case CBORHead.negative: return -1 - Int128(head.argument)
            default: return nil
            }
        }
    }
}
