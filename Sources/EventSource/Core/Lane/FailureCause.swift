import StreamModel

/// Why records could not be processed, as it is kept of a parked key and of a paused shard.
public struct FailureCause: Hashable, Sendable {
    /// Why the records would have been given up.
    public var condition: GiveUpCondition
    /// The type of the last error, at most 256 bytes; nil if it is not known.
    public var errorType: String?
    /// The text of the last error, at most 512 bytes; nil if no call failed.
    public var errorText: String?
    /// The number of calls with the records.
    public var attempts: Int
    /// What failures of the same kind have in common: ``FailureGroup``.
    public var group: FailureGroup

    package init(
        condition: GiveUpCondition, errorType: String? = nil, errorText: String? = nil, attempts: Int
    ) {
        self.condition = condition
        self.errorType = errorType
        self.errorText = errorText
        self.attempts = attempts
        group = FailureGroup(condition: condition, errorType: errorType, errorText: errorText)
    }

    /// The cause that is kept of a failure, of which the texts are cut.
    static func kept(
        _ condition: GiveUpCondition, type: String?, text: String?, attempts: Int
    ) -> FailureCause {
        FailureCause(
            condition: condition,
            errorType: type.map { LaneCore.FunctionFailure.limited($0, to: LaneCore.FunctionFailure.typeLimit) },
            errorText: text.map { LaneCore.FunctionFailure.limited($0, to: textLimit) },
            attempts: attempts)
    }

    /// The most bytes of an error's text that are kept.
    static let textLimit = 512
}

/// Tells failures of one kind from others: made of the condition, the error's type and the first line of its text,
/// without the numbers and identifiers in it (ESM-N14).
public struct FailureGroup: Hashable, Sendable, CustomStringConvertible {
    /// 16 hexadecimal digits.
    public let description: String

    /// The group of a failure.
    public init(condition: GiveUpCondition, errorType: String?, errorText: String?) {
        var hash = FNV1a()
        func mix(_ text: some StringProtocol) {
            for byte in text.utf8 { hash.add(byte) }
            hash.add(0xFF)
        }
        mix(condition.rawValue)
        mix(errorType ?? "")
        let line = (errorText ?? "").split(whereSeparator: \.isNewline).first ?? ""
        mix(Self.stable(line))
        description = hash.value.hexadecimal
    }

    /// A group by its digits; nil for other text.
    public init?(_ text: String) {
        guard text.utf8.count == 16, text.utf8.allSatisfy({ Self.isHexadecimal($0) }) else { return nil }
        description = text.lowercased()
    }

    /// A line without what differs from failure to failure: words that have a digit become one mark.
    static func stable(_ line: Substring) -> String {
        var result: [UInt8] = []
        var word: [UInt8] = []
        func isPart(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), 0x80...:
                true
            default: false
            }
        }
        func end() {
            let hasDigit = word.contains { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            result += hasDigit ? [UInt8(ascii: "#")] : word
            word = []
        }
        for byte in line.utf8 {
            if isPart(byte) {
                word.append(byte)
            } else {
                end()
                result.append(byte)
            }
        }
        end()
        return String(decoding: result, as: UTF8.self)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}
