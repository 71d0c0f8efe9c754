import StreamModel

@testable import ShardlineCLI

/// Texts of people and programs: what a terminal may be shown, and numbers and names as they are written.
enum TextFuzz {
    static func check(_ input: [UInt8]) throws {
        let shown = Output.escaped(input)
        for scalar in shown.unicodeScalars {
            let isJoiner = (0x200C...0x200D).contains(scalar.value)
            try hold(isJoiner || isShown(scalar), "a terminal would get \(scalar.value)")
        }
        try hold(shown.utf8.count <= 12 * input.count, "an escaped text is far longer than the text")
        let moment = input.prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        _ = Timestamp(milliseconds: Int64(bitPattern: moment)).description
        let text = String(decoding: input, as: UTF8.self)
        if let number = KinesisSequenceNumber(text) {
            try hold(number.description == text, "a sequence number reads as another")
        }
        if let key = HashKey(text) {
            let zeros = text.utf8.prefix { $0 == UInt8(ascii: "0") }.count
            try hold(
                String(repeating: "0", count: key.value == 0 ? zeros - 1 : zeros) + key.description == text,
                "a hash key reads as another")
        }
        if let name = StreamName(text) {
            try hold(name.description == text && Limits.isName(name.name), "a stream's name reads as another")
        }
        if Limits.isStreamName(text) {
            try hold(
                text != "." && text != ".." && !text.utf8.contains(UInt8(ascii: "/")) && !text.utf8.contains(0)
                    && text.unicodeScalars.allSatisfy(\.isASCII), "a name would leave its folder")
        }
    }

    private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: false
        default: true
        }
    }
}
