import CHash
import StreamModel

/// Appends little-endian numbers, texts and byte strings to a buffer.
package struct ByteWriter {
    var bytes: [UInt8] = []

    var count: Int { bytes.count }

    mutating func put(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    mutating func putVarint(_ value: UInt64) { Varint.append(value, to: &bytes) }
    mutating func putBytes(_ value: some Collection<UInt8>) { bytes.append(contentsOf: value) }
    /// The length as four bytes, then the bytes.
    mutating func putBlob(_ value: some Collection<UInt8>) {
        put(UInt32(value.count))
        bytes.append(contentsOf: value)
    }
    mutating func putText(_ value: String) { putBlob(value.utf8) }
    mutating func putZeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }
    /// Zeros up to the next multiple of `alignment`.
    mutating func align(to alignment: Int) { putZeros((alignment - bytes.count % alignment) % alignment) }
    /// Overwrites the number at `position`.
    mutating func replace(at position: Int, with value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { new in
            bytes.replaceSubrange(position..<position + new.count, with: new)
        }
    }
}

/// Reads what ``ByteWriter`` wrote. Throws where the bytes end too early.
package struct ByteReader {
    let bytes: [UInt8]
    private(set) var position: Int

    init(_ bytes: [UInt8], from position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var left: Int { bytes.count - position }

    mutating func take<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(FormatDamage) -> Number {
        let size = MemoryLayout<Number>.size
        guard size <= left else { throw .damaged("bytes end inside a number") }
        var value: Number = 0
        for index in 0..<size { value |= Number(truncatingIfNeeded: bytes[position + index]) << (8 * index) }
        position += size
        return value
    }

    mutating func takeVarint() throws(FormatDamage) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 64, left > 0 {
            let byte = bytes[position]
            position += 1
            if shift == 63, byte > 1 { break }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 {
                // Only the shortest form is accepted, so that each value has one encoding.
                guard byte > 0 || shift == 0 else { break }
                return value
            }
            shift += 7
        }
        throw .damaged("no variable-length number")
    }

    mutating func takeBytes(_ count: Int) throws(FormatDamage) -> [UInt8] {
        guard count >= 0, count <= left else { throw .damaged("bytes end inside a value") }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    /// A byte that is 0 or 1.
    mutating func takeFlag() throws(FormatDamage) -> Bool {
        let byte: UInt8 = try take()
        guard byte <= 1 else { throw .damaged("a flag is neither 0 nor 1") }
        return byte == 1
    }

    /// Whether all remaining bytes are zero.
    var isZeroFromHere: Bool { bytes[position...].allSatisfy { $0 == 0 } }

    mutating func takeBlob() throws(FormatDamage) -> [UInt8] {
        let count: UInt32 = try take()
        return try takeBytes(Int(count))
    }

    mutating func takeText() throws(FormatDamage) -> String {
        guard let text = String(validating: try takeBlob(), as: UTF8.self) else {
            throw .damaged("a text is not UTF-8")
        }
        return text
    }

    /// The number of elements of a list whose smallest element takes `size` bytes. Throws where the bytes can't hold
    /// them.
    mutating func takeCount(elementsOf size: Int) throws(FormatDamage) -> Int {
        let count: UInt32 = try take()
        guard Int(count) <= left / max(size, 1) else { throw .damaged("a list is longer than its bytes") }
        return Int(count)
    }
}

extension FormatDamage {
    /// The bytes end too early, or hold a value that is not possible.
    package static func damaged(_ what: String) -> FormatDamage { FormatDamage(what) }
    /// The body that holds a checkpoint's long state has a wrong checksum: a torn write, or damage.
    static let tornState = FormatDamage("a state's checksum")
    /// A newer version of Shardline wrote the bytes, or they hold something that this version can't read.
    package static func newer(_ what: String) -> FormatDamage { FormatDamage(what, isNewerVersion: true) }
}

extension Checksum {
    package static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
        shardline_crc32c(seed, bytes.baseAddress, bytes.count)
    }

    package static func of(_ bytes: [UInt8], seed: UInt32) -> UInt32 { bytes.withUnsafeBytes { of($0, seed: seed) } }

    package static func of(_ bytes: ArraySlice<UInt8>, seed: UInt32) -> UInt32 {
        bytes.withUnsafeBytes { of($0, seed: seed) }
    }
}

/// A store's identity: random, so that another store's files are never taken for this store's.
package struct StoreID: Hashable, Sendable {
    /// 16 bytes.
    package let bytes: [UInt8]

    package init(bytes: [UInt8]) {
        precondition(bytes.count == 16)
        self.bytes = bytes
    }

    package init(using generator: inout some RandomNumberGenerator) {
        bytes = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    /// STORE-J5's `s`: the seed of every checksum of the store.
    package var seed: UInt32 { Checksum.of(bytes, seed: 0) }
}
