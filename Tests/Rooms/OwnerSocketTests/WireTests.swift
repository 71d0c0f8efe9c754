import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OwnerSocket

/// What goes over the socket, and what must not pass.
struct WireTests {
    private static let everything: [(bytes: [UInt8], decode: @Sendable (ArraySlice<UInt8>) throws -> [UInt8])] =
        Samples.requests.map { ($0.encoded, { try Request($0).encoded }) }
        + Samples.replies.map { ($0.encoded, { try Reply($0).encoded }) }

    @Test func `every request and reply comes out as it went in`() throws {
        for (bytes, decode) in Self.everything { #expect(try decode(bytes[...]) == bytes) }
        guard case .mapping(let mapping) = try Reply(Reply.mapping(Samples.mapping).encoded[...]),
            case .stream(let stream) = try Reply(Reply.stream(Samples.stream).encoded[...])
        else {
            Issue.record("the kind changed")
            return
        }
        #expect(mapping == Samples.mapping)
        #expect(stream == Samples.stream)
    }

    @Test func `every kind of error keeps its code and message`() throws {
        #expect(Set(WireCode.all).count == WireCode.all.count)
        for code in WireCode.all {
            guard case .failed(let error) = try Reply(Reply.failed(ShardlineError(code, "why")).encoded[...]) else {
                Issue.record("the kind changed")
                return
            }
            #expect(error.code == code)
            #expect(error.message == "why")
        }
    }

    @Test func `whatever is cut short or goes on too long is refused`() {
        for (bytes, decode) in Self.everything {
            for length in 0..<bytes.count {
                #expect(throws: WireError.self) { try decode(bytes[..<length]) }
            }
            #expect(throws: WireError.self) { try decode((bytes + [0])[...]) }
        }
    }

    @Test func `garbled bytes are refused or mean something, and never end the process`() {
        var random = SeededRandom(7)
        var refused = 0
        for (bytes, decode) in Self.everything {
            for _ in 0..<300 {
                var garbled = bytes
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let index = Int.random(in: 0..<garbled.count, using: &random)
                    garbled[index] = Bool.random(using: &random) ? .random(in: 0...255, using: &random) : 0xFF
                }
                do {
                    // What is understood is understood the same way again.
                    let meant = try decode(garbled[...])
                    #expect((try? decode(meant[...])) == meant)
                } catch { refused += 1 }
            }
        }
        #expect(refused > 1000)
    }

    @Test func `random bytes are refused or mean something`() {
        var random = SeededRandom(11)
        for _ in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if !bytes.isEmpty { bytes[0] = .random(in: 0...16, using: &random) }
            if let request = try? Request(bytes[...]) { _ = request.encoded }
            if let reply = try? Reply(bytes[...]) { _ = reply.encoded }
        }
    }

    @Test func `a count that can't be true makes no room`() {
        for kind: UInt8 in [3, 8] {
            #expect(throws: WireError.self) { try Reply(([kind] + [255, 255, 255, 255, 0])[...]) }
        }
        var commit = WireWriter()
        commit.write(5 as UInt8)
        commit.write(false)
        commit.write(1 as UInt32)
        commit.write(0 as UInt8)
        commit.write("s")
        commit.write(false)
        commit.write(false)
        commit.write(0 as UInt64)
        commit.write(UInt32.max)
        commit.write([0, 0] as [UInt8])
        #expect(throws: WireError.self) { try Request(commit.bytes[...]) }
    }
}

struct FrameTests {
    private static let frames = [
        Frame(.hello, call: 0, payload: Hello().encoded),
        Frame(.request, call: 1, payload: Request.listStreams.encoded),
        Frame(.cancel, call: .max), Frame(.reply, call: 7, payload: [UInt8](repeating: 3, count: 5000)),
    ]

    private static func frames(in bytes: [UInt8], pieces: Int) throws -> [Frame] {
        var buffer = FrameBuffer()
        var found: [Frame] = []
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            bytes[start..<min(start + pieces, bytes.count)].withUnsafeBytes { buffer.append($0) }
            while let frame = try buffer.next() { found.append(frame) }
        }
        return found
    }

    @Test(arguments: [1, 2, 3, 7, 13, 64, 1000, 100_000]) func `frames arrive in pieces of any size`(
        size: Int
    ) throws {
        let bytes = Self.frames.flatMap(\.encoded)
        #expect(try Self.frames(in: bytes, pieces: size) == Self.frames)
        #expect(try Self.frames(in: Array(bytes.dropLast()), pieces: size) == Self.frames.dropLast())
    }

    @Test func `lengths and kinds that can't be are refused`() {
        func head(_ length: UInt32, kind: UInt8 = 3) -> [UInt8] {
            var writer = WireWriter()
            writer.write(length)
            writer.write(kind)
            writer.write(0 as UInt64)
            return writer.bytes
        }
        for bytes in [
            head(0), head(8), head(UInt32(Frame.largest) + 1), head(.max), head(9, kind: 0), head(9, kind: 7),
        ] { #expect(throws: WireError.self) { try Self.frames(in: bytes, pieces: 100) } }
        #expect((try? Self.frames(in: head(9), pieces: 100))?.count == 1)
    }

    @Test func `random bytes never end the process`() {
        var random = SeededRandom(3)
        for _ in 0..<3000 {
            var bytes = Self.frames.prefix(3).flatMap(\.encoded)
            for _ in 0..<3 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            _ = try? Self.frames(in: bytes, pieces: .random(in: 1...50, using: &random))
        }
    }

    @Test func `before its greeting a peer is given room for a greeting, then for everything`() throws {
        func frames(_ frames: [Frame]) throws -> Int {
            var buffer = FrameBuffer(first: Hello.largestFrame)
            frames.flatMap(\.encoded).withUnsafeBytes { buffer.append($0) }
            var count = 0
            while try buffer.next() != nil { count += 1 }
            return count
        }
        let hello = Frame(.hello, call: 0, payload: Hello().encoded)
        let large = Frame(.request, call: 1, payload: [UInt8](repeating: 0, count: 100_000))
        #expect(try frames([hello, large, large]) == 3)
        #expect(throws: WireError.self) { try frames([large, hello]) }
        // The length alone is refused: nothing is waited for.
        var buffer = FrameBuffer(first: Hello.largestFrame)
        withUnsafeBytes(of: UInt32(Hello.largestFrame + 1).littleEndian) { buffer.append($0) }
        #expect(throws: WireError.self) { try buffer.next() }
    }

    @Test func `greetings say who they are from`() throws {
        #expect(try Hello(Hello().encoded[...]) == Hello())
        let welcome = Welcome(capabilities: 3, process: 77)
        #expect(try Welcome(welcome.encoded[...]) == welcome)
        #expect(throws: WireError.self) { try Hello(welcome.encoded[...]) }
        #expect(throws: WireError.self) { try Welcome(Hello().encoded[...]) }
        #expect(throws: WireError.self) { try Hello(Array("GET / HTTP/1.1\r\n".utf8)[...]) }
        #expect(Frame(.welcome, call: 0, payload: welcome.encoded).encoded.count <= Hello.largestFrame)
    }
}
