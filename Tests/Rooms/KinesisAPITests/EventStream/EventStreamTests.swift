import DataFormats
import KinesisAPI
import TestSupport
import Testing

/// Messages of event streams (API-F-2 to API-F-5).
@Suite struct EventStreamTests {
    private static let sample = EventStreamMessage(
        headers: [.init(":message-type", "event"), .init("é", ""), .init("", "value")], payload: [1, 2, 3])

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    private static func decode(_ bytes: [UInt8]) throws -> [EventStreamMessage] {
        var decoder = EventStreamDecoder()
        decoder.append(bytes[...])
        var messages: [EventStreamMessage] = []
        while let message = try decoder.next() { messages.append(message) }
        #expect(decoder.pendingCount == 0)
        return messages
    }

    /// A message with these bytes as headers, its lengths and checksums right.
    private static func message(headers: [UInt8], payload: [UInt8] = []) -> [UInt8] {
        framed(size: 16 + headers.count + payload.count, headers: headers.count, content: headers + payload)
    }

    private static func framed(size: Int, headers: Int, content: [UInt8]) -> [UInt8] {
        func number(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
        var bytes = number(UInt32(size)) + number(UInt32(headers))
        bytes += number(CRC32.of(bytes))
        bytes += content
        return bytes + number(CRC32.of(bytes))
    }

    /// CRC-32 bit by bit, as the judge of zlib's.
    private enum CRC32 {
        static func of(_ bytes: [UInt8]) -> UInt32 {
            ~bytes.reduce(~0) { sum, byte in
                (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
            }
        }
    }

    /// API-V-5, API-F-3
    @Test func `API-V-5 the initial response`() throws {
        let vector = Self.bytes(
            "0000007200000060ab820d9e0b3a6576656e742d74797065070010696e697469616c2d726573706f6e73650d3a636f6e74656e742d747970"
                + "6507001a6170706c69636174696f6e2f782d616d7a2d6a736f6e2d312e310d3a6d6573736167652d747970650700056576656e747b7dac"
                + "ae6b7d")
        #expect(vector.count == 114)
        #expect(EventStreamMessage.initialResponse(.json).encoded == vector)
        #expect(try Self.decode(vector) == [.initialResponse(.json)])
    }

    @Test func `API-F-3 the initial response is an empty map in the format of the request`() throws {
        for (format, payload, type) in [
            (DocumentFormat.json, Array("{}".utf8), "application/x-amz-json-1.1"),
            (.cbor, [0xA0], "application/x-amz-cbor-1.1"),
        ] {
            let message = try #require(try Self.decode(EventStreamMessage.initialResponse(format).encoded).first)
            #expect(message[":event-type"] == "initial-response")
            #expect(message[":message-type"] == "event")
            #expect(message[":content-type"] == type)
            #expect(message.payload == payload)
        }
    }

    @Test func `API-F-4 an event carries its document`() throws {
        let message = EventStreamMessage.subscribeToShardEvent(payload: [7, 8], .cbor)
        #expect(message[":event-type"] == "SubscribeToShardEvent")
        #expect(message[":message-type"] == "event")
        #expect(message[":content-type"] == "application/x-amz-cbor-1.1")
        #expect(message.payload == [7, 8])
        #expect(message[":nothing"] == nil)
        #expect(try Self.decode(message.encoded) == [message])
    }

    @Test func `API-F-5 errors in a stream`() throws {
        let message = EventStreamMessage.exception("ResourceNotFoundException", message: "no \"s\"", .json)
        #expect(message[":exception-type"] == "ResourceNotFoundException")
        #expect(message[":message-type"] == "exception")
        #expect(message[":content-type"] == "application/x-amz-json-1.1")
        #expect(String(decoding: message.payload, as: UTF8.self) == #"{"message":"no \"s\""}"#)
        #expect(try Self.decode(message.encoded) == [message])
        let silent = EventStreamMessage.exception("InternalFailureException", message: nil, .cbor)
        #expect(silent.payload == [0xA0])
        #expect(silent[":content-type"] == "application/x-amz-cbor-1.1")
        let text = EventStreamMessage.exception("A", message: "b", .cbor)
        #expect(try Document(cbor: text.payload).root["message"]?.text == "b")
        let error = EventStreamMessage.error("InternalFailure", message: String(repeating: "é", count: 100_000))
        #expect(error[":message-type"] == "error")
        #expect(error[":error-code"] == "InternalFailure")
        #expect(error[":error-message"]?.utf8.count == 1024)
        #expect(error.payload == [])
        #expect(try Self.decode(error.encoded) == [error])
    }

    @Test func `API-F-2 a message is lengths, headers, payload and checksums`() throws {
        let headers: [UInt8] = [1, 0x61, 7, 0, 2, 0x62, 0x63]
        let message = EventStreamMessage(headers: [.init("a", "bc")], payload: [9])
        #expect(message.encoded == Self.message(headers: headers, payload: [9]))
        #expect(EventStreamMessage(headers: []).encoded == Self.message(headers: []))
        #expect(try Self.decode(Self.sample.encoded) == [Self.sample])
    }

    @Test func `API-F-2 headers of other types are skipped`() throws {
        var headers: [UInt8] = []
        for (type, size) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
            headers += [1, 0x78, UInt8(type)] + [UInt8](repeating: 0xFF, count: size)
        }
        headers += [1, 0x62, 6, 0, 2, 0xFF, 0xFE] + [1, 0x61, 7, 0, 1, 0x62] + [0xFF]
        let name = [UInt8](repeating: 0x6E, count: 255)
        let bytes = Self.message(headers: headers + name + [7, 0, 0], payload: [5])
        #expect(
            try Self.decode(bytes) == [
                EventStreamMessage(
                    headers: [.init("a", "b"), .init(String(repeating: "n", count: 255), "")], payload: [5])
            ])
    }

    @Test(
        arguments: [
            [1], [1, 0x61], [2, 0x61, 7], [1, 0x61, 7], [1, 0x61, 7, 0], [1, 0x61, 7, 0, 1], [1, 0x61, 10],
            [1, 0x61, 255], [1, 0x61, 5, 0],
            [1, 0x61, 9, 0], [1, 0xFF, 7, 0, 0], [1, 0x61, 7, 0, 1, 0xFF], [1, 0x61, 6, 0xFF, 0xFF, 0],
        ] as [[UInt8]])
    func `headers that are cut off or no text are refused`(headers: [UInt8]) {
        #expect(throws: EventStreamDecoder.Problem.header) {
            try Self.decode(Self.message(headers: headers, payload: [1]))
        }
    }

    @Test func `lengths that contradict each other or are too large are refused before they are waited for`() {
        for (size, headers) in [(15, 0), (0, 0), (16, 1), (20, 5), (20, 1 << 31), (24 << 20 + 1, 0), (1 << 32 - 1, 0)] {
            let bytes = Self.framed(size: size, headers: headers, content: [])
            #expect(throws: EventStreamDecoder.Problem.length) { try Self.decode(bytes) }
        }
    }

    @Test func `a byte that was changed is found, wherever it is`() {
        let bytes = Self.sample.encoded
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            #expect(throws: EventStreamDecoder.Problem.checksum) { try Self.decode(changed) }
        }
    }

    @Test func `messages come in pieces of any size`() throws {
        var random = SeededRandom(3)
        var messages: [EventStreamMessage] = []
        for index in 0..<200 {
            messages.append(
                .subscribeToShardEvent(payload: random.bytes(random.below(300)), index % 2 == 0 ? .json : .cbor))
        }
        let bytes = messages.flatMap(\.encoded)
        for most in [1, 7, 100, 5000] {
            var decoder = EventStreamDecoder()
            var read: [EventStreamMessage] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(random.pick(1...most))
                rest = rest.dropFirst(piece.count)
                decoder.append(piece)
                while let message = try decoder.next() { read.append(message) }
            }
            #expect(read == messages)
            #expect(decoder.pendingCount == 0)
        }
        var decoder = EventStreamDecoder()
        decoder.append(bytes.dropLast())
        while try decoder.next() != nil {}
        #expect(decoder.pendingCount == messages[199].encoded.count - 1)
        #expect(try decoder.next() == nil)
    }
}
