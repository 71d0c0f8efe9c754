import DataFormats

/// Bytes that only this store's servers can make: base64 of the bytes and a code over them (API-T-1). Iterators and the
/// tokens of lists are made of it.
struct SealedText: Sendable {
    /// The key, of the store's metadata.
    let key: [UInt8]
    let authenticationCode: @Sendable (_ message: [UInt8], _ key: [UInt8]) -> [UInt8]
    private static let codeLength = 16

    /// The text of these bytes.
    func seal(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        let whole = bytes + authenticationCode(bytes, key).prefix(Self.codeLength)
        Base64.append(whole.span, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of a text; nil where it was not made with this key.
    func open(_ text: String) -> [UInt8]? {
        guard let whole = Base64.bytes(of: text), whole.count > Self.codeLength else { return nil }
        let bytes = Array(whole.dropLast(Self.codeLength))
        let expected = authenticationCode(bytes, key).prefix(Self.codeLength)
        // Every byte is looked at, so that the time tells nothing.
        let difference = zip(expected, whole.suffix(Self.codeLength)).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
        return difference == 0 && expected.count == Self.codeLength ? bytes : nil
    }
}

/// Writes the parts of a sealed text one after the other.
struct SealedWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ value: some FixedWidthInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func put(_ text: String) {
        put(UInt16(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }
}

/// Reads them again; nil where something is missing.
struct SealedReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func take<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value? {
        let count = Value.bitWidth / 8
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count).reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }

    mutating func text() -> String? {
        guard let count = take(UInt16.self), rest.count >= Int(count) else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        return String(decoding: rest.prefix(Int(count)), as: UTF8.self)
    }

    var isAtEnd: Bool { rest.isEmpty }
}
