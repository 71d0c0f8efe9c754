/// One message on an owner's socket.
///
///     u32  bytes that follow: 9 to ``largest``
///     u8   kind
///     u64  number of the call that it belongs to, chosen by the client
///     …    the payload, by kind
struct Frame: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        /// From the client, first: ``Hello``.
        case hello = 1
        /// The owner's reply to it: ``Welcome``.
        case welcome = 2
        /// From the client: a ``Request``.
        case request = 3
        /// From the client: cancels the call with this number, which is still answered.
        case cancel = 4
        /// From the owner: a ``Reply``.
        case reply = 5
        /// From the owner: it releases the store. It still answers the calls that have reached it. The client sends
        /// nothing more and closes its sending direction, so that both sides know which calls were received.
        case goodbye = 6
    }

    /// The most bytes after the length. A call of 64 MiB of keys and data fits, with a byte or two around each record.
    static let largest = 160 << 20
    static let headSize = 9

    var kind: Kind
    var call: UInt64
    var payload: ArraySlice<UInt8>

    init(_ kind: Kind, call: UInt64, payload: [UInt8] = []) {
        self.kind = kind
        self.call = call
        self.payload = payload[...]
    }

    var encoded: [UInt8] {
        var writer = WireWriter()
        writer.write(UInt32(Frame.headSize + payload.count))
        writer.write(kind.rawValue)
        writer.write(call)
        return writer.bytes + payload
    }
}

/// Splits the received bytes into messages.
struct FrameBuffer {
    private var bytes: [UInt8] = []
    private var start = 0
    /// The largest message that ``next()`` accepts. Both sides allow only ``Hello/largestFrame`` for the other's
    /// greeting: memory is for peers that have said who they are.
    private var largest: Int
    /// The largest message after the first one.
    private let later: Int

    /// - Parameter first: the largest first message; nil: `largest`.
    init(largest: Int = Frame.largest, first: Int? = nil) {
        self.largest = first ?? largest
        later = largest
    }

    mutating func append(_ arrived: UnsafeRawBufferPointer) {
        // Consumed bytes are removed before the array grows, and only once they are half of it, so a byte moves about
        // once for each time that it is received.
        if start > 0, start >= bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: arrived)
    }

    /// The next complete message; nil until more bytes have arrived.
    mutating func next() throws -> Frame? {
        var reader = WireReader(bytes[start...])
        guard bytes.count - start >= 4 else { return nil }
        let length = Int(try reader.number(UInt32.self))
        guard (Frame.headSize...largest).contains(length) else {
            throw WireError("a frame of \(length) bytes; allowed are \(Frame.headSize) to \(largest)")
        }
        guard bytes.count - start >= 4 + length else { return nil }
        let number = try reader.number(UInt8.self)
        guard let kind = Frame.Kind(rawValue: number) else { throw WireError("a frame of an unknown kind \(number)") }
        let call = try reader.number(UInt64.self)
        let payload = Array(bytes[start + 4 + Frame.headSize..<start + 4 + length])
        start += 4 + length
        largest = later
        return Frame(kind, call: call, payload: payload)
    }
}

/// The first message of a client.
struct Hello: Hashable, Sendable {
    static let magic: UInt32 = 0x534F_4C53  // "SLOS"
    /// Both sides must have the same version; owner and client are normally builds of the same program.
    static let version: UInt16 = 16
    /// The largest greeting that a peer accepts from one that it doesn't know yet.
    static let largestFrame = 64

    var version = Hello.version

    var encoded: [UInt8] {
        var writer = WireWriter()
        writer.write(Hello.magic)
        writer.write(version)
        return writer.bytes
    }

    init(version: UInt16 = Hello.version) { self.version = version }

    init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = WireReader(bytes)
        guard try reader.number(UInt32.self) == Hello.magic else { throw WireError("this is no client of Shardline") }
        version = try reader.number()
        try reader.end()
    }
}

/// The owner's reply to ``Hello``. The connection ends after it where the versions differ.
struct Welcome: Hashable, Sendable {
    var version = Hello.version
    var capabilities: UInt32
    var process: Int32

    var encoded: [UInt8] {
        var writer = WireWriter()
        writer.write(Hello.magic)
        writer.write(version)
        writer.write(capabilities)
        writer.write(process)
        return writer.bytes
    }

    init(capabilities: UInt32, process: Int32) {
        self.capabilities = capabilities
        self.process = process
    }

    init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = WireReader(bytes)
        guard try reader.number(UInt32.self) == Hello.magic else { throw WireError("this is no owner of a store") }
        version = try reader.number()
        capabilities = try reader.number()
        process = try reader.number()
        try reader.end()
    }
}
