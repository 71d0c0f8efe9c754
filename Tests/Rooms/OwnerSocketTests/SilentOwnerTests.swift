import DiskAccess
import Glibc
import StreamModel
import TestSupport
import Testing

@testable import OwnerSocket

/// An owner that takes no connection, or takes it and says nothing, is waited for as long as it should be, not for ever.
@Suite(.timeLimit(.minutes(1)))
struct SilentOwnerTests {
    private static let patience = OwnerPatience(
        look: .milliseconds(10), stopped: .milliseconds(30), silent: .milliseconds(100))

    @Test func `one that says nothing is named, with what it does`() async throws {
        let directory = TestDirectory()
        // It is there, in the system's queue, as with a process that is stopped.
        let listener = try SocketPath(directory: directory.path).listen()
        do {
            _ = try await OwnerClient.connect(at: directory.path, patience: Self.patience)
            Issue.record("connected")
        } catch let error as ShardlineError {
            #expect(error.code == .storeBusy)
            #expect(
                error.message
                    == "the store in '\(directory.path)' is in use by process \(getpid()), which does not answer: look what it does, or end it"
            )
        }
        listener.shutDown()
    }

    @Test func `a queue that is full is no place to wait for ever`() async throws {
        let directory = TestDirectory()
        let listener = try SocketPath(directory: directory.path).listen()
        var waiting: [UnixSocket] = []
        do {
            for _ in 0..<1_000 {
                waiting.append(try SocketPath(directory: directory.path).connect(patience: .milliseconds(10)))
            }
        } catch {
            #expect(error.isTimeout)
        }
        #expect(waiting.count < 1_000)
        do {
            _ = try await OwnerClient.connect(at: directory.path, patience: Self.patience)
            Issue.record("connected")
        } catch let error as ShardlineError {
            #expect(error.code == .storeBusy && error.message.contains("does not answer"), "\(error)")
        }
        listener.shutDown()
    }
}
