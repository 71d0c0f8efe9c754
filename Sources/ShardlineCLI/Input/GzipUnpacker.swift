import CZlib

/// Unpacks gzip data that comes in pieces: one member or several, one after the other, as `cat a.gz b.gz` makes them.
struct GzipUnpacker: ~Copyable {
    /// What gzip data begins with (RFC 1952).
    static let magic: (UInt8, UInt8) = (0x1F, 0x8B)

    /// What is wrong with the data.
    struct Damage: Error, CustomStringConvertible {
        var description: String
    }

    // zlib keeps a pointer to the stream, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private var isWithinMember = false
    private var isBehindMember = false

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 15: the largest window; +16: gzip, not zlib.
        inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Appends what `packed` unpacks to, up to the damage where it throws.
    mutating func unpack(_ packed: ArraySlice<UInt8>, into bytes: inout [UInt8]) throws(Damage) {
        var input = Array(packed)
        var offset = 0
        var room = [UInt8](repeating: 0, count: 256 << 10)
        // zlib may hold more than the room took, also when it has all of the input.
        var isRoomFull = false
        while offset < input.count || isRoomFull {
            if isBehindMember {
                // Tapes and some tools pad with zeros, which gzip skips too.
                if input[offset] == 0 {
                    offset += 1
                    continue
                }
                inflateReset(stream)
                isBehindMember = false
            }
            isWithinMember = true
            let available = input.count - offset
            let (code, left, made) = input.withUnsafeMutableBufferPointer { source in
                room.withUnsafeMutableBufferPointer { target in
                    stream.pointee.next_in = source.baseAddress! + offset
                    stream.pointee.avail_in = UInt32(available)
                    stream.pointee.next_out = target.baseAddress!
                    stream.pointee.avail_out = UInt32(target.count)
                    let code = inflate(stream, Z_NO_FLUSH)
                    return (code, Int(stream.pointee.avail_in), target.count - Int(stream.pointee.avail_out))
                }
            }
            bytes += room[..<made]
            isRoomFull = made == room.count
            offset = input.count - left
            switch code {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END:
                isBehindMember = true
                isWithinMember = false
                isRoomFull = false
            default:
                let reason = stream.pointee.msg.map { String(cString: $0) } ?? "zlib's error \(code)"
                // Said at the end of all of it, so any byte may be the wrong one.
                let isOfAll = ["incorrect data check", "incorrect length check"].contains(reason)
                throw Damage(description: reason + (isOfAll ? ", so any of its lines may be wrong" : ""))
            }
        }
    }

    /// Throws where the data ended within a member.
    func finish() throws(Damage) {
        if isWithinMember { throw Damage(description: "it ends too early") }
    }
}
