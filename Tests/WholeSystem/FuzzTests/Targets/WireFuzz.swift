import StreamModel
import StreamStorage

@testable import OwnerSocket

/// What comes over the owner's socket.
enum WireFuzz {
    static func checkRequest(_ input: [UInt8]) throws {
        guard let request = try? Request(input[...]) else { return }
        try hold(request.encoded == input, "a request encodes again to other bytes")
        try hold(Request.isRead(input[...]) == { if case .read = request { true } else { false } }(), "no read")
        guard case .commit(let changes, _) = request else { return }
        for case .append(let append) in changes {
            for record in append.records { try? record.validate(maximumRecordSize: Limits.largestRecordSize) }
        }
    }

    static func checkReply(_ input: [UInt8]) throws {
        guard let reply = try? Reply(input[...]) else { return }
        try hold(reply.encoded == input, "a reply encodes again to other bytes")
        if case .records(let result) = reply {
            for run in result.batch.runs { try RecordFuzz.checkRun(run) }
        }
    }

    /// The first byte says in what pieces the others arrive.
    static func checkFrames(_ input: [UInt8]) throws {
        guard let first = input.first else { return }
        let bytes = Array(input.dropFirst())
        let whole = try frames(in: bytes, pieces: max(1, bytes.count))
        let pieces = try frames(in: bytes, pieces: Int(first) + 1)
        try hold(whole.frames == pieces.frames, "what frames there are depends on how they arrive")
        try hold(whole.isRefused == pieces.isRefused, "what is refused depends on how it arrives")
        try hold(
            bytes.starts(with: whole.frames.flatMap(\.encoded)), "frames encode again to other bytes")
        if let hello = try? Hello(bytes[...]) { try hold(hello.encoded == bytes, "a greeting changes") }
        if let welcome = try? Welcome(bytes[...]) { try hold(welcome.encoded == bytes, "an answer changes") }
    }

    private static func frames(in bytes: [UInt8], pieces: Int) throws -> (frames: [Frame], isRefused: Bool) {
        var buffer = FrameBuffer(largest: 1 << 16)
        var found: [Frame] = []
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            bytes[start..<min(start + pieces, bytes.count)].withUnsafeBytes { buffer.append($0) }
            do {
                while let frame = try buffer.next() { found.append(frame) }
            } catch is WireError { return (found, true) }
        }
        return (found, false)
    }
}
