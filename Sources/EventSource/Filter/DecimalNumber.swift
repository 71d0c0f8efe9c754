/// A number of JSON by its value, so that 300, 300.0 and 3e2 are one (ESM-F17): 0.d₁d₂d₃… · 10^exponent.
struct DecimalNumber: Hashable, Comparable {
    /// The significant digits that are kept.
    static let keptDigits = 19
    private static let powers: [UInt64] = (0...keptDigits).map { power in
        (0..<power).reduce(1 as UInt64) { value, _ in value &* 10 }
    }

    let isNegative: Bool
    /// Zero has the smallest.
    let exponent: Int
    /// The first 19 significant digits, filled up with zeros; 0 for zero.
    let digits: UInt64
    /// Whether a digit other than 0 follows them.
    let isLonger: Bool

    static let zero = DecimalNumber(isNegative: false, exponent: 0, digits: 0, count: 0, isLonger: false)

    private init(isNegative: Bool, exponent: Int, digits: UInt64, count: Int, isLonger: Bool) {
        self.isNegative = isNegative && digits != 0
        self.exponent = digits == 0 ? Int.min : exponent
        self.digits = digits &* Self.powers[Self.keptDigits - count]
        self.isLonger = isLonger
    }

    /// The value of a number that is valid JSON.
    init(_ text: UnsafeBufferPointer<UInt8>) {
        var isNegative = false
        var exponent = 0
        var digits: UInt64 = 0
        var count = 0
        var isLonger = false
        var isFraction = false
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            switch byte {
            case 0x30...0x39:
                let digit = UInt64(byte - 0x30)
                if count == 0, digit == 0 {
                    if isFraction { exponent -= 1 }
                    continue
                }
                if !isFraction { exponent += 1 }
                if count < Self.keptDigits {
                    digits = digits &* 10 &+ digit
                    count += 1
                } else if digit != 0 {
                    isLonger = true
                }
            case UInt8(ascii: "-"): isNegative = true
            case UInt8(ascii: "."): isFraction = true
            default:
                exponent += Self.power(text, from: index)
                index = text.count
            }
        }
        self.init(isNegative: isNegative, exponent: exponent, digits: digits, count: count, isLonger: isLonger)
    }

    /// The digits after the letter e; numbers beyond a trillion are all the same.
    private static func power(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var power = 0
        for index in start..<text.count where text[index] &- 0x30 < 10 {
            power = min(power * 10 + Int(text[index] - 0x30), 1_000_000_000_000)
        }
        return start < text.count && text[start] == UInt8(ascii: "-") ? -power : power
    }

    /// The value of a text that is valid JSON.
    init(_ text: String) {
        var text = text
        self = text.withUTF8 { DecimalNumber($0) }
    }

    /// A time of milliseconds in seconds, as events have it.
    init(secondsOfMilliseconds milliseconds: Int64) {
        let digits = milliseconds.magnitude
        var count = 0
        while count < Self.keptDigits, Self.powers[count] <= digits { count += 1 }
        self.init(
            isNegative: milliseconds < 0, exponent: count - 3, digits: digits, count: count, isLonger: false)
    }

    static func < (left: DecimalNumber, right: DecimalNumber) -> Bool {
        if left.isNegative != right.isNegative { return left.isNegative }
        return left.isNegative ? right.isNearerToZero(than: left) : left.isNearerToZero(than: right)
    }

    private func isNearerToZero(than other: DecimalNumber) -> Bool {
        if exponent != other.exponent { return exponent < other.exponent }
        return digits != other.digits ? digits < other.digits : !isLonger && other.isLonger
    }

    /// The digits after the decimal point; 0 for whole numbers.
    var fractionDigits: Int {
        guard digits != 0 else { return 0 }
        var significant = Self.keptDigits
        while digits % Self.powers[Self.keptDigits - significant + 1] == 0, significant > 1 { significant -= 1 }
        return max(0, significant - exponent)
    }
}

/// What `numeric` accepts (ESM-F12).
struct NumberRange: Hashable {
    var lower: DecimalNumber?
    var includesLower = false
    var upper: DecimalNumber?
    var includesUpper = false

    @inline(__always) func contains(_ number: DecimalNumber) -> Bool {
        if let lower { guard lower < number || includesLower && lower == number else { return false } }
        if let upper { guard number < upper || includesUpper && upper == number else { return false } }
        return true
    }

    /// Whether no number is in it.
    var isEmpty: Bool {
        guard let lower, let upper else { return false }
        return upper < lower || upper == lower && !(includesLower && includesUpper)
    }
}
