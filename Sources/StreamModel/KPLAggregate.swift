import CHash

/// An aggregate of the Kinesis Producer Library: one record that carries several (API-K-4).
///
///     magic number · message (Protocol Buffers) · 16 bytes MD5 of the message
///
/// Reading takes one pass and keeps places instead of copies. What is no aggregate in every respect is none (API-K-5).
struct KPLAggregate: Sendable {
    /// The places in the data of a user record's parts.
    private struct Part {
        /// Indices into `keys` and `hashKeys`; an index of `.max` means that there is no explicit hash key.
        var key: UInt32
        var hashKey: UInt32
        var data: Place
    }

    /// A range of the data in half the size.
    private struct Place {
        var start: UInt32
        var end: UInt32
        var range: Range<Int> { Int(start)..<Int(end) }

        init(_ range: Range<Int>) {
            start = UInt32(range.lowerBound)
            end = UInt32(range.upperBound)
        }
    }

    /// The bytes that an aggregate begins with.
    static let magic: [UInt8] = [0xF3, 0x89, 0x9A, 0xC2]
    /// The length of the digest at the end.
    static let digestSize = 16

    private var keys: [Place] = []
    private var hashKeys: [Place] = []
    private var parts: [Part] = []

    /// Reads a record's data; nil if it is no aggregate, or one without user records.
    init?(_ data: Span<UInt8>) {
        // Most records are none: they are refused before anything is hashed.
        guard Self.hasMagic(data) else { return nil }
        let end = data.count - Self.digestSize
        guard data.count <= Int(UInt32.max), Self.hasDigest(data, end: end) else { return nil }
        var reader = ProtobufReader(Self.magic.count..<end)
        while let field = reader.next(in: data) {
            switch (field.number, field.value) {
            case (1, .bytes(let range)): keys.append(Place(range))
            case (2, .bytes(let range)): hashKeys.append(Place(range))
            case (3, .bytes(let range)):
                guard let part = Self.part(in: data, range) else { return nil }
                parts.append(part)
            default: break
            }
        }
        guard reader.isWhole, !parts.isEmpty, areTablesText(in: data), areIndicesInRange(in: data) else { return nil }
    }

    /// The number of user records, at least 1.
    var count: Int { parts.count }

    /// The place of a user record's partition key in the data.
    func key(of index: Int) -> Range<Int> { keys[Int(parts[index].key)].range }

    /// The place of a user record's data in that of the aggregate.
    func data(of index: Int) -> Range<Int> { parts[index].data.range }

    /// A user record's explicit hash key, if it has one. `data` is that of the aggregate.
    func hashKey(of index: Int, in data: Span<UInt8>) -> HashKey? {
        let hashKey = parts[index].hashKey
        return hashKey == .max ? nil : Self.number(in: data, hashKeys[Int(hashKey)].range)
    }

    static func hasMagic(_ data: Span<UInt8>) -> Bool {
        guard data.count > magic.count + digestSize else { return false }
        return magic.indices.allSatisfy { data[$0] == magic[$0] }
    }

    private static func hasDigest(_ data: Span<UInt8>, end: Int) -> Bool {
        data.withUnsafeBytes { bytes in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: digestSize) { digest in
                let message = bytes.baseAddress! + magic.count
                shardline_md5(message, end - magic.count, digest.baseAddress!)
                return digest.elementsEqual(bytes[end...])
            }
        }
    }

    /// Reads one user record; nil if it is not whole.
    private static func part(in data: Span<UInt8>, _ range: Range<Int>) -> Part? {
        var reader = ProtobufReader(range)
        var key: UInt64?
        var hashKey: UInt64?
        var content: Range<Int>?
        while let field = reader.next(in: data) {
            switch (field.number, field.value) {
            // Of a repeated field the last one counts.
            case (1, .number(let value)): key = value
            case (2, .number(let value)): hashKey = value
            case (3, .bytes(let range)): content = range
            case (4, .bytes(let range)): guard isTag(in: data, range) else { return nil }
            default: break
            }
        }
        guard reader.isWhole, let key, let content, key < UInt32.max, hashKey ?? 0 < UInt32.max else { return nil }
        return Part(key: UInt32(key), hashKey: hashKey.map { UInt32($0) } ?? .max, data: Place(content))
    }

    /// Whether a tag is whole: it must have a key. Tags mean nothing here.
    private static func isTag(in data: Span<UInt8>, _ range: Range<Int>) -> Bool {
        var reader = ProtobufReader(range)
        var hasKey = false
        while let field = reader.next(in: data) {
            if field.number == 1, case .bytes = field.value { hasKey = true }
        }
        return reader.isWhole && hasKey
    }

    /// Whether the partition keys are text: a key that is none could not be told from another one.
    private func areTablesText(in data: Span<UInt8>) -> Bool {
        data.withUnsafeBytes { bytes in
            keys.allSatisfy {
                String(validating: UnsafeRawBufferPointer(rebasing: bytes[$0.range]), as: UTF8.self) != nil
            }
        }
    }

    private func areIndicesInRange(in data: Span<UInt8>) -> Bool {
        for part in parts {
            guard part.key < keys.count else { return false }
            guard part.hashKey != .max else { continue }
            guard part.hashKey < hashKeys.count, Self.number(in: data, hashKeys[Int(part.hashKey)].range) != nil else {
                return false
            }
        }
        return true
    }

    /// The hash key that these decimal digits are; nil if they are none, or not below 2^128.
    private static func number(in data: Span<UInt8>, _ range: Range<Int>) -> HashKey? {
        guard !range.isEmpty else { return nil }
        var value: UInt128 = 0
        for index in range {
            guard (0x30...0x39).contains(data[index]) else { return nil }
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, carries) = product.addingReportingOverflow(UInt128(data[index] - 0x30))
            guard !overflows, !carries else { return nil }
            value = sum
        }
        return HashKey(value)
    }
}

/// Reads the fields of a message of Protocol Buffers one after the other.
struct ProtobufReader {
    enum Value {
        case number(UInt64)
        /// The place of a string, of bytes, or of a message.
        case bytes(Range<Int>)
        /// A field of another form, which no message here has.
        case other
    }

    /// The most groups within groups.
    private static let deepest = 100

    private var at: Int
    private let end: Int
    private var hasFailed = false

    /// Reads the message at this place of the bytes that each call gets.
    init(_ range: Range<Int>) {
        at = range.lowerBound
        end = range.upperBound
    }

    /// Whether all fields were read, up to the end of the message.
    var isWhole: Bool { !hasFailed && at == end }

    /// The next field; nil at the end, and where the bytes are no field.
    mutating func next(in data: Span<UInt8>) -> (number: UInt32, value: Value)? {
        guard !hasFailed, at < end else { return nil }
        if let tag = tag(in: data) {
            if tag.type == 3 {
                if skipGroup(tag.number, in: data) { return (tag.number, .other) }
            } else if let value = value(of: tag.type, in: data) {
                return (tag.number, value)
            }
        }
        hasFailed = true
        return nil
    }

    private mutating func tag(in data: Span<UInt8>) -> (number: UInt32, type: UInt8)? {
        guard let tag = varint(in: data), tag <= UInt32.max, tag >> 3 > 0 else { return nil }
        return (UInt32(tag >> 3), UInt8(tag & 7))
    }

    private mutating func value(of type: UInt8, in data: Span<UInt8>) -> Value? {
        switch type {
        case 0: return varint(in: data).map { .number($0) }
        case 1: return skip(8) ? .other : nil
        case 2:
            guard let length = varint(in: data), length <= UInt64(end - at) else { return nil }
            defer { at += Int(length) }
            return .bytes(at..<at + Int(length))
        case 5: return skip(4) ? .other : nil
        default: return nil
        }
    }

    /// Passes a group, whose end has the number of its beginning.
    private mutating func skipGroup(_ number: UInt32, in data: Span<UInt8>) -> Bool {
        var open = [number]
        while let group = open.last {
            guard let tag = tag(in: data) else { return false }
            switch tag.type {
            case 3:
                guard open.count < Self.deepest else { return false }
                open.append(tag.number)
            case 4:
                guard tag.number == group else { return false }
                open.removeLast()
            default: guard value(of: tag.type, in: data) != nil else { return false }
            }
        }
        return true
    }

    private mutating func skip(_ count: Int) -> Bool {
        guard count <= end - at else { return false }
        at += count
        return true
    }

    /// A number of at most 64 bits. It may be longer than needed, other than a ``Varint``.
    private mutating func varint(in data: Span<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard at < end else { return nil }
            let byte = data[at]
            at += 1
            if shift == 63, byte > 1 { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
