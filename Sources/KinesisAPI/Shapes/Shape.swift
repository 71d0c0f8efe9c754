/// The type of an input and what it must hold, as botocore's model of Kinesis states it.
package indirect enum Shape: Sendable {
    case text(TextRule)
    /// A whole number of 32 bits.
    case integer(minimum: Int64? = nil, maximum: Int64? = nil)
    case boolean
    /// Bytes, at most this many.
    case blob(maximum: Int)
    case timestamp
    case list(of: Shape, count: ClosedRange<Int>)
    /// A map of texts.
    case map(key: TextRule, value: TextRule, count: ClosedRange<Int>)
    case structure([Member])

    /// A member of a structure.
    package struct Member: Sendable {
        package var name: StaticString
        package var shape: Shape
        package var isRequired: Bool

        package init(_ name: StaticString, _ shape: Shape, isRequired: Bool = false) {
            self.name = name
            self.shape = shape
            self.isRequired = isRequired
        }
    }
}

/// What a text must be.
package struct TextRule: Sendable {
    /// The number of UTF-16 code units (API-S-7).
    package var length: ClosedRange<Int>?
    package var pattern: TextPattern?
    /// The only values, in the order in which errors list them (API-E-26).
    package var values: [String]?

    package init(length: ClosedRange<Int>? = nil, pattern: TextPattern? = nil, values: [String]? = nil) {
        self.length = length
        self.pattern = pattern
        self.values = values
    }
}

/// The patterns of the model (API-N-5), which match the whole text (API-E-25). Each is checked by a few lines: a regular
/// expression would cost more than the rest of a small request.
package enum TextPattern: String, CaseIterable, Sendable {
    case name = "[a-zA-Z0-9_.-]+"
    case streamARN = #"arn:aws.*:kinesis:.*:\d{12}:stream/\S+"#
    case resourceARN = #"arn:aws.*:kinesis:.*:\d{12}:.*(stream|channel|queue)/\S+"#
    case consumerARN =
        #"^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+"#
    case streamID = "[a-z0-9]{20}-[a-z0-9]{3}"
    case sequenceNumber = #"0|([1-9]\d{0,128})"#
    case hashKey = #"0|([1-9]\d{0,38})"#

    /// Whether the whole text is as the pattern says.
    package func matches(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            switch self {
            case .name: !bytes.isEmpty && bytes.allSatisfy(Self.isOfName)
            case .streamID:
                bytes.count == 24 && bytes[20] == UInt8(ascii: "-")
                    && bytes.enumerated().allSatisfy { $0.offset == 20 || Self.isLowercaseOrDigit($0.element) }
            case .sequenceNumber: Self.isNumber(bytes, digits: 129)
            case .hashKey: Self.isNumber(bytes, digits: 39)
            case .streamARN:
                Self.isARN(bytes) { rest in
                    Self.after("stream/", in: rest).map { !$0.isEmpty && Self.hasNoSpace($0) } ?? false
                }
            case .resourceARN:
                Self.isARN(bytes) { rest in
                    ["stream/", "channel/", "queue/"].contains { kind in
                        Self.anywhere(kind, in: rest) { !$0.isEmpty && Self.hasNoSpace($0) }
                    }
                }
            case .consumerARN:
                Self.isARN(bytes) { rest in Self.anywhere("stream/", in: rest) { Self.isConsumer($0) } }
            }
        }
    }

    private typealias Bytes = UnsafeBufferPointer<UInt8>
    private typealias Part = Slice<UnsafeBufferPointer<UInt8>>

    private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
    private static func isLowercaseOrDigit(_ byte: UInt8) -> Bool { isDigit(byte) || byte &- 0x61 < 26 }
    private static func isOfName(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte | 0x20) &- 0x61 < 26 || byte == 0x5F || byte == 0x2E || byte == 0x2D
    }
    private static func isNumber(_ bytes: Bytes, digits: Int) -> Bool {
        (1...digits).contains(bytes.count) && bytes.allSatisfy(isDigit) && (bytes[0] != 0x30 || bytes.count == 1)
    }
    /// `\S`: none of the characters that a regular expression of Java takes for white space.
    private static func hasNoSpace(_ part: Part) -> Bool { !part.contains { $0 == 0x20 || (0x09...0x0D).contains($0) } }
    /// `.`: all but the ends of lines.
    private static func isOneLine(_ part: Part) -> Bool { !part.contains { $0 == 0x0A || $0 == 0x0D } }

    /// What follows `start` at the beginning of `part`; nil where something else is there.
    private static func after(_ start: StaticString, in part: Part) -> Part? {
        part.starts(with: UnsafeBufferPointer(start: start.utf8Start, count: start.utf8CodeUnitCount))
            ? part.dropFirst(start.utf8CodeUnitCount) : nil
    }

    /// Whether `holds` is true of what follows one of the occurrences of `word`.
    private static func anywhere(_ word: StaticString, in part: Part, _ holds: (Part) -> Bool) -> Bool {
        part.indices.contains { index in
            guard part[index] == word.utf8Start[0], isOneLine(part[part.startIndex..<index]) else { return false }
            return after(word, in: part[index...]).map(holds) ?? false
        }
    }

    /// `arn:aws.*:kinesis:.*:\d{12}:`, and then what `rest` accepts.
    private static func isARN(_ bytes: Bytes, rest: (Part) -> Bool) -> Bool {
        guard let afterPartition = after("arn:aws", in: bytes[...]) else { return false }
        return anywhere(":kinesis:", in: afterPartition) { afterService in
            // Each place where a colon and twelve digits with another colon follow.
            anywhere(":", in: afterService) { account in
                let digits = account.prefix(12)
                guard digits.count == 12, digits.allSatisfy(isDigit), let end = after(":", in: account.dropFirst(12))
                else { return false }
                return rest(end)
            }
        }
    }

    /// `[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+`
    private static func isConsumer(_ part: Part) -> Bool {
        let stream = part.prefix(while: isOfName)
        guard !stream.isEmpty, let name = after("/consumer/", in: part[stream.endIndex...]) else { return false }
        let consumer = name.prefix(while: isOfName)
        guard !consumer.isEmpty, let second = after(":", in: name[consumer.endIndex...]) else { return false }
        return !second.isEmpty && second.allSatisfy(isDigit)
    }
}
