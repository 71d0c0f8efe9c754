/// One message on an owner's socket.
///
///     u32  bytes that follow: 9 to ``largest``
///     u8   kind
///     u64  number of the call that it belongs to, chosen by the client
///     …    what the kind holds
struct Frame: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        /// From the client, first: ``Hello``.
        case hello = 1
        /// The owner's answer to it: ``Welcome``.
        case welcome = 2
        /// From the client: a ``Request``.
        case request = 3
        /// From the client: the call with this number isn't waited for any more; it is answered all the same.
        case cancel = 4
        /// From the owner: a ``Reply``.
        case reply = 5
        /// From the owner: it gives the store up. What has reached it is answered still; the client sends nothing more
        /// and closes its direction, so that both know which calls were received.
        case goodbye = 6
    }

    /// The most bytes behind the length. A call of 64 MiB of keys and data fits, with a byte or two around each record.
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

/// Cuts the bytes that arrive into frames.
struct FrameBuffer {
    private var bytes: [UInt8] = []
    private var start = 0
    /// What `next` accepts; smaller until the other side has said who it is.
    var largest: Int

    init(largest: Int = Frame.largest) { self.largest = largest }

    mutating func append(_ arrived: UnsafeRawBufferPointer) {
        // What is read already makes room before the array grows; each byte moves at most once for each time read.
        if start > 0, start >= bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: arrived)
    }

    /// The next whole frame; nil until more has arrived.
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
        return Frame(kind, call: call, payload: payload)
    }
}

/// What a client says first.
struct Hello: Hashable, Sendable {
    static let magic: UInt32 = 0x534F_4C53  // "SLOS"
    /// Both sides must speak the same one: owner and client are builds of one program as a rule.
    static let version: UInt16 = 5
    /// Room for these two frames is all that a stranger gets.
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

/// What the owner answers to ``Hello``; the connection ends behind it where the versions differ.
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
