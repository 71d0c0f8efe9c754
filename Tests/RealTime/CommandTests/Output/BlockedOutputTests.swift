import DiskAccess
import Foundation
import TestSupport
import Testing

@testable import ShardlineCLI

/// An output whose other end takes nothing: writes wait, but not beyond the command's end.
@Suite(.timeLimit(.minutes(1))) struct BlockedOutputTests {
    /// Both ends of a pipe.
    final class Pipe {
        let (reader, writer): (Int32, Int32)

        init() throws {
            // As the command does: a thread that is still in a write when the reader is closed gets an error.
            signal(SIGPIPE, SIG_IGN)
            var ends: [Int32] = [-1, -1]
            try #require(Glibc.pipe(&ends) == 0)
            (reader, writer) = (ends[0], ends[1])
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }

        deinit { for end in [reader, writer] { close(end) } }

        /// Bytes that wait to be read.
        var unread: Int {
            var count: Int32 = 0
            return ioctl(reader, UInt(FIONREAD), &count) == 0 ? Int(count) : -1
        }
    }

    @Test func `a write that nobody reads is given up once the command is to end`() async throws {
        let pipe = try Pipe()
        let output = Output(pipe.writer)
        await #expect(throws: Output.Blocked.self) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 { group.addTask { try await output.asyncWrite([UInt8](repeating: 1, count: 100_000)) } }
                await eventually { pipe.unread >= 60_000 }
                output.endBlockedWrites(after: .milliseconds(1))
                while let result = await group.nextResult() {
                    if case .success = result { Issue.record("it was written") }
                }
                throw Output.Blocked()
            }
        }
        #expect(output.isBlocked)
        // What comes later, from tasks or threads, does not wait any more.
        #expect(throws: Output.Blocked.self) { try output.write([1]) }
        output.say("nobody hears this")
    }

    @Test func `a terminal that was stopped is given up too`() async throws {
        let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        defer { close(terminal) }
        // TIOCSPTLCK and TIOCGPTN, macros that Swift does not import: unlocks its other end, and asks for its number.
        var (isLocked, number): (Int32, UInt32) = (0, 0)
        try #require(ioctl(terminal, 0x4004_5431, &isLocked) == 0 && ioctl(terminal, 0x8004_5430, &number) == 0)
        let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        defer { close(slave) }
        // As Ctrl-S does.
        try #require(slave >= 0 && tcflow(slave, TCOOFF) == 0)
        let output = Output(slave)
        output.endBlockedWrites(after: .milliseconds(1))
        #expect(throws: Output.Blocked.self) { try output.write(Array("hello\n".utf8)) }
        tcflow(slave, TCOON)
    }

    @Test func `a reader that reads gets everything whole and in order, also after the command was told to end`()
        async throws
    {
        let pipe = try Pipe()
        let output = Output(pipe.writer)
        output.endBlockedWrites(after: .seconds(60))
        let pieces = (0..<40).map { number in [UInt8](repeating: UInt8(number), count: 1 + number * 5_000) }
        let (reader, total) = (pipe.reader, pieces.reduce(0) { $0 + $1.count })
        let read = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for piece in pieces { try await output.asyncWrite(piece) } }
            let read = try await BlockingThreads.shared.run {
                var bytes: [UInt8] = []
                var room = [UInt8](repeating: 0, count: 3_000)
                while bytes.count < total {
                    let count = Glibc.read(reader, &room, room.count)
                    guard count > 0 else { break }
                    bytes += room[..<count]
                }
                return bytes
            }
            try await group.waitForAll()
            return read
        }
        #expect(read == Array(pieces.joined()))
        #expect(!output.isBlocked)
    }

    @Test func `a reader that has gone away ends the write at once`() async throws {
        let pipe = try Pipe()
        let output = Output(dup(pipe.writer))
        dup2(pipe.writer, pipe.reader)
        #expect(throws: Output.Closed.self) { try output.write([1]) }
        await #expect(throws: Output.Closed.self) { try await output.asyncWrite([1]) }
    }
}
