/// Takes messages out of the bytes of an event stream as they arrive, for a client (API-F-2).
package struct EventStreamDecoder: Sendable {
    /// Why bytes are no event stream. Nothing after them can be read.
    package enum Problem: Error, Equatable {
        /// A checksum is wrong.
        case checksum
        /// The lengths contradict each other, or the message is larger than ``maximumSize``.
        case length
        /// The headers are cut off, or of a type that doesn't exist, or text is no UTF-8.
        case header
    }

    /// The largest message: a record of 10 MiB in base64, and room for all that is around it.
    package static let maximumSize = 24 << 20

    private var buffer: [UInt8] = []
    private var start = 0

    package init() {}

    /// The bytes that no message was made of yet.
    package var pendingCount: Int { buffer.count - start }

    /// Takes what has arrived.
    package mutating func append(_ bytes: ArraySlice<UInt8>) {
        // What was read is removed when it is half of all, so every byte is moved at most once or so.
        if start > buffer.count / 2 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next message; nil while its end has not arrived.
    package mutating func next() throws(Problem) -> EventStreamMessage? {
        let prelude = EventStreamMessage.preludeSize
        guard pendingCount >= prelude else { return nil }
        let size = number(at: start)
        let headersSize = number(at: start + 4)
        // A wrong length could ask for bytes that never come, so it is checked before they are waited for.
        guard EventStreamMessage.checksum(buffer[start..<start + 8]) == UInt32(number(at: start + 8)) else {
            throw .checksum
        }
        guard size <= Self.maximumSize, size >= EventStreamMessage.frameSize,
            headersSize <= size - EventStreamMessage.frameSize
        else { throw .length }
        guard pendingCount >= size else { return nil }
        let end = start + size - 4
        guard EventStreamMessage.checksum(buffer[start..<end]) == UInt32(number(at: end)) else { throw .checksum }
        let payload = start + prelude + headersSize
        let headers = try Self.headers(buffer[start + prelude..<payload])
        let message = EventStreamMessage(headers: headers, payload: Array(buffer[payload..<end]))
        start += size
        return message
    }

    private func number(at index: Int) -> Int {
        buffer[index..<index + 4].reduce(0) { $0 << 8 | Int($1) }
    }

    private static func headers(_ bytes: ArraySlice<UInt8>) throws(Problem) -> [EventStreamMessage.Header] {
        var rest = bytes
        var headers: [EventStreamMessage.Header] = []
        while let length = rest.popFirst() {
            let name = try take(Int(length), of: &rest)
            guard let type = rest.popFirst() else { throw .header }
            switch type {
            case 0, 1: break
            case 2...5: _ = try take(1 << Int(type - 2), of: &rest)
            case 6, EventStreamMessage.textType:
                let size = try take(2, of: &rest).reduce(0) { $0 << 8 | Int($1) }
                let value = try take(size, of: &rest)
                guard type == EventStreamMessage.textType else { continue }
                guard let name = String(validating: name, as: UTF8.self),
                    let value = String(validating: value, as: UTF8.self)
                else { throw .header }
                headers.append(EventStreamMessage.Header(name, value))
            case 8: _ = try take(8, of: &rest)
            case 9: _ = try take(16, of: &rest)
            default: throw .header
            }
        }
        return headers
    }

    private static func take(_ count: Int, of bytes: inout ArraySlice<UInt8>) throws(Problem) -> ArraySlice<UInt8> {
        guard count <= bytes.count else { throw .header }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count)
    }
}
