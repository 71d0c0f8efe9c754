import CZlib
import KinesisAPI

/// The bytes of an event stream, in two pieces, and the same behind lengths and checksums that are right: what is read is
/// written as it was, but for headers of other types.
enum EventStreamFuzz {
    static func check(_ input: [UInt8]) throws {
        try checkStream(input)
        guard input.count >= 2 else { return }
        let headers = Int(input[0]) % (input.count - 1)
        let content = input[2...]
        try checkStream(framed(headers: min(headers, content.count), content: content))
    }

    private static func checkStream(_ input: [UInt8]) throws {
        var decoder = EventStreamDecoder()
        let half = Int(input.first ?? 0) % (input.count + 1)
        var read = 0
        do {
            for piece in [input[..<half], input[half...]] {
                decoder.append(piece)
                while let message = try decoder.next() {
                    read += 1
                    let encoded = message.encoded
                    try hold(encoded.count <= input.count, "a message grew")
                    var again = EventStreamDecoder()
                    again.append(encoded[...])
                    try hold(try again.next() == message && again.pendingCount == 0, "a message reads differently")
                }
            }
        } catch is EventStreamDecoder.Problem {
            return
        }
        try hold(read * 16 + decoder.pendingCount <= input.count, "more was read than there is")
    }

    private static func framed(headers: Int, content: ArraySlice<UInt8>) -> [UInt8] {
        func number(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
        func checksum(_ bytes: [UInt8]) -> UInt32 { UInt32(truncatingIfNeeded: crc32(0, bytes, UInt32(bytes.count))) }
        var bytes = number(UInt32(16 + content.count)) + number(UInt32(headers))
        bytes += number(checksum(bytes))
        bytes += content
        return bytes + number(checksum(bytes))
    }
}
