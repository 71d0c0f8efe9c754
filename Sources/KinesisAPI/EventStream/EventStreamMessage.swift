import CZlib

/// One message of AWS's event stream encoding (API-F-2): headers and a payload, between lengths and checksums.
package struct EventStreamMessage: Equatable, Sendable {
    /// A header whose value is text. There are other types, which nothing here has a use for.
    package struct Header: Equatable, Sendable {
        package var name: String
        package var value: String

        /// A name has at most 255 bytes, a value at most 65,535, both as UTF-8.
        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package var headers: [Header]
    package var payload: [UInt8]

    package init(headers: [Header], payload: [UInt8] = []) {
        self.headers = headers
        self.payload = payload
    }

    /// The value of a header; nil where there is none.
    package subscript(name: String) -> String? { headers.first { $0.name == name }?.value }

    /// The two lengths and their checksum.
    static let preludeSize = 12
    /// What a message has beside headers and payload.
    static let frameSize = 16
    /// The type of a header's value that is text.
    static let textType: UInt8 = 7

    /// The message's bytes.
    package var encoded: [UInt8] {
        let headersSize = headers.reduce(0) { $0 + 4 + $1.name.utf8.count + $1.value.utf8.count }
        let size = Self.frameSize + headersSize + payload.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        Self.append(UInt32(size), to: &bytes)
        Self.append(UInt32(headersSize), to: &bytes)
        Self.append(Self.checksum(bytes[...]), to: &bytes)
        for header in headers {
            let length = header.value.utf8.count
            precondition(header.name.utf8.count < 256 && length < 65536, "a header of the server's own is short")
            bytes.append(UInt8(header.name.utf8.count))
            bytes.append(contentsOf: header.name.utf8)
            bytes.append(Self.textType)
            bytes.append(UInt8(length >> 8))
            bytes.append(UInt8(length & 0xFF))
            bytes.append(contentsOf: header.value.utf8)
        }
        bytes.append(contentsOf: payload)
        Self.append(Self.checksum(bytes[...]), to: &bytes)
        return bytes
    }

    private static func append(_ number: UInt32, to bytes: inout [UInt8]) {
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(shift))) }
    }

    /// CRC-32 as zlib computes it.
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32(0, $0.baseAddress, UInt32($0.count))) }
    }
}
