/// The encoding of a record in a chunk of bytes, the same in memory, in the journal and in segments:
///
///     varint  key length · 4 + (2 if an explicit hash key is there) + (1 if an arrival delta is there)
///     varint  data length
///     [varint arrival delta, milliseconds after the run's arrival]
///     [16 B   explicit hash key, big-endian]
///     key (UTF-8) · data
package enum RecordEncoding {
    /// Where the parts of an encoded record are in its chunk.
    package struct Layout: Sendable {
        package var hashKeyStart: Int?
        package var arrivalDelta: UInt64
        package var keyStart: Int
        package var dataStart: Int
        package var end: Int
    }

    /// The bytes that `record` takes in a chunk (without an arrival delta).
    package static func size(of record: NewRecord) -> Int {
        let key = record.partitionKey.utf8.count
        return Varint.size(UInt64(key) << 2) + Varint.size(UInt64(record.data.count))
            + (record.explicitHashKey == nil ? 0 : 16) + key + record.data.count
    }

    /// Appends `record` to `chunk`.
    package static func append(_ record: NewRecord, arrivalDelta: UInt64? = nil, to chunk: inout [UInt8]) {
        let flags: UInt64 = (record.explicitHashKey == nil ? 0 : 2) | (arrivalDelta == nil ? 0 : 1)
        Varint.append(UInt64(record.partitionKey.utf8.count) << 2 | flags, to: &chunk)
        Varint.append(UInt64(record.data.count), to: &chunk)
        if let arrivalDelta { Varint.append(arrivalDelta, to: &chunk) }
        if let hashKey = record.explicitHashKey {
            withUnsafeBytes(of: hashKey.value.bigEndian) { chunk.append(contentsOf: $0) }
        }
        chunk.append(contentsOf: record.partitionKey.utf8)
        chunk.append(contentsOf: record.data)
    }

    /// Reads the record that begins at `start`; nil where the bytes are not a complete record.
    package static func layout(in chunk: Span<UInt8>, at start: Int) -> Layout? {
        var at = start
        guard let head = Varint.read(chunk, &at), let dataLength = Varint.read(chunk, &at) else { return nil }
        var delta: UInt64 = 0
        if head & 1 != 0 {
            guard let value = Varint.read(chunk, &at), value < 1 << 53 else { return nil }
            delta = value
        }
        let left = UInt64(chunk.count - at)
        let hashLength: UInt64 = head & 2 != 0 ? 16 : 0
        let keyLength = head >> 2
        guard keyLength <= left, dataLength <= left, hashLength + keyLength + dataLength <= left else { return nil }
        let keyStart = at + Int(hashLength)
        return Layout(
            hashKeyStart: hashLength > 0 ? at : nil, arrivalDelta: delta, keyStart: keyStart,
            dataStart: keyStart + Int(keyLength), end: keyStart + Int(keyLength) + Int(dataLength))
    }

    /// The start of each of `count` consecutive records from `start` on, and their common end as the last element; nil
    /// where the bytes don't hold the given number of complete records.
    package static func offsets(of count: Int, in chunk: Span<UInt8>, from start: Int = 0) -> [UInt32]? {
        // A record takes at least two bytes, so an impossible count is refused before memory is reserved for it.
        guard count >= 0, count <= (chunk.count - start) / 2 else { return nil }
        var offsets: [UInt32] = []
        offsets.reserveCapacity(count + 1)
        var at = start
        for _ in 0..<count {
            guard let layout = layout(in: chunk, at: at) else { return nil }
            offsets.append(UInt32(at))
            at = layout.end
        }
        offsets.append(UInt32(at))
        return offsets
    }
}

/// Unsigned numbers in groups of 7 bits, the lowest first, with the top bit set in all bytes but the last. Only the
/// shortest form is valid, so that a value has one encoding.
package enum Varint {
    /// The most bytes that a number takes.
    package static let longest = 10

    package static func size(_ value: UInt64) -> Int { value == 0 ? 1 : (70 - value.leadingZeroBitCount) / 7 }

    package static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Writes the number at `place` and returns the place after it.
    static func write(_ value: UInt64, to place: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        var at = place
        var rest = value
        while rest >= 0x80 {
            at.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, as: UInt8.self)
            at += 1
            rest >>= 7
        }
        at.storeBytes(of: UInt8(truncatingIfNeeded: rest), as: UInt8.self)
        return at + 1
    }

    /// Reads the number at `at` and moves `at` after it; nil where it is cut short, over 64 bits or longer than needed.
    @inline(__always)
    package static func read(_ bytes: Span<UInt8>, _ at: inout Int) -> UInt64? {
        // Most numbers have one byte; the loop would cost as much as everything else that is done for a record.
        guard at < bytes.count else { return nil }
        let first = bytes[at]
        guard first >= 0x80 else {
            at += 1
            return UInt64(first)
        }
        return readLong(bytes, &at)
    }

    private static func readLong(_ bytes: Span<UInt8>, _ at: inout Int) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if shift == 63, byte > 1 { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return byte == 0 ? nil : value }
            shift += 7
            if shift > 63 { return nil }
        }
        return nil
    }
}
