import Foundation
import Glibc
import LateRuns

/// The demo's worker: this program again, as a child process that tells what it does line by line.
///
/// All calls block, and are made on one thread.
final class DemoWorkerProcess {
    private let child: ChildProcess
    private var pending: [UInt8] = []
    private let decoder = JSONDecoder()
    /// What it wrote to standard error so far.
    private(set) var errors: [UInt8] = []

    init(arguments: [String]) throws {
        // The program that runs now, also when its file was replaced meanwhile.
        let command = (["exec", "/proc/\(getpid())/exe"] + arguments.map(Self.quoted)).joined(separator: " ")
        do {
            child = try ChildProcess(command: command, environment: [])
        } catch {
            throw CommandFailure(.failed, "the demo's worker could not be started: \(error.reason)")
        }
        child.closeInput()
    }

    /// The next thing that it tells; nil when it has ended.
    func nextEvent() throws -> JobEvent? {
        while true {
            if let event = try takeEvent() { return event }
            var ends = [
                pollfd(fd: child.output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: child.errors, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ends, 2, -1) >= 0 || errno == EINTR else {
                throw CommandFailure(.failed, "the demo's worker can't be heard: \(systemMessage())")
            }
            if ends[1].revents != 0 { _ = Self.readAll(from: child.errors, into: &errors) }
            if ends[0].revents != 0, Self.readAll(from: child.output, into: &pending) == .ended {
                return try takeEvent()
            }
        }
    }

    /// Everything that it has told and that was not taken yet, without waiting.
    func eventsUntilNow() throws -> [JobEvent] {
        _ = Self.readAll(from: child.output, into: &pending)
        var events: [JobEvent] = []
        while let event = try takeEvent() { events.append(event) }
        return events
    }

    /// Makes it stand still where it is, all of its threads; returns when it does. False: it has ended already.
    func suspend() -> Bool { child.suspend() }

    /// Lets it go on.
    func resume() { child.resume() }

    /// Ends it at once, by SIGKILL; returns when it is gone.
    func kill() { _ = child.kill() }

    /// Waits for its end, which it has announced by closing its output.
    func waitUntilEnded() -> ChildProcess.End {
        let end = child.waitForEnd()
        _ = Self.readAll(from: child.errors, into: &errors)
        return end
    }

    private func takeEvent() throws -> JobEvent? {
        guard let end = pending.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = Data(pending[..<end])
        pending.removeSubrange(...end)
        do {
            return try decoder.decode(JobEvent.self, from: line)
        } catch {
            throw CommandFailure(
                .failed,
                "the demo's worker said what can't be understood: \(String(decoding: line.prefix(200), as: UTF8.self))")
        }
    }

    private enum Reading { case waiting, ended }

    private static func readAll(from descriptor: Int32, into bytes: inout [UInt8]) -> Reading {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count > 0 {
                bytes += chunk.prefix(count)
            } else if count == 0 {
                return .ended
            } else if errno != EINTR {
                return errno == EAGAIN ? .waiting : .ended
            }
        }
    }

    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
