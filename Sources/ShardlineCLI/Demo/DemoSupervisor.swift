import DiskAccess
import Foundation
import Glibc
import LateRuns
import StreamModel

/// The demo's parent: runs the worker, kills it in the middle of an invocation, and starts it again.
struct DemoSupervisor {
    /// What became of the kill.
    struct Kill: Codable, Equatable, Sendable {
        /// The shard of the invocation that was running.
        var shardId: String
        /// Invocations that had begun, that one included.
        var invocationsBegun: Int
        /// Lines that the stream held when the worker was started again.
        var linesInStream: Int
        /// Records that the function had got before the kill and got again after it.
        var redelivered: Int
        /// Of these: records that were in the results already, so that they changed nothing.
        var alreadyInResults: Int
    }

    /// What both workers came to, together.
    struct Outcome: Sendable {
        var report: JobReport
        var kill: Kill?
    }

    /// How the worker is started.
    var workerArguments: [String]
    /// The lines that are to be put.
    var lines: Int
    /// Whether to kill it at all.
    var kills: Bool
    /// Told in words what happens.
    var tell: @Sendable (String) -> Void

    /// What one worker has told.
    private struct Observation {
        var stored = 0
        var begun = 0
        var running: [UInt32: InvocationReport] = [:]
        var firstSeen: [UInt32: UInt64] = [:]
        var lastSeen: [UInt32: UInt64] = [:]
        var followedBefore = 0
        var figures = JobFigures()
        var report: JobReport?

        /// Records that the function was called with at least once.
        var recordsSeen: Int { lastSeen.values.reduce(0) { $0 + Int($1) } }

        mutating func take(_ event: JobEvent) {
            switch event {
            case .started(let stored):
                self.stored = stored
            case .invocation(let invocation, let figures):
                self.figures = figures
                if invocation.outcome == .running {
                    begun += 1
                    running[invocation.shard] = invocation
                    firstSeen[invocation.shard] = min(firstSeen[invocation.shard] ?? .max, invocation.first)
                    lastSeen[invocation.shard] = max(lastSeen[invocation.shard] ?? 0, invocation.last)
                } else {
                    running[invocation.shard] = nil
                    followedBefore += invocation.followedBefore
                }
            case .finished(let report):
                self.report = report
            }
        }
    }

    /// Runs to the end; on a thread of its own, which it blocks.
    func run() async throws -> Outcome {
        try await withWaiter { waiter in
            _ = WorkerThread(name: "demo") { waiter.resume(returning: Result { try self.runBlocking() }) }
        }.get()
    }

    private func runBlocking() throws -> Outcome {
        let (first, killed) = try runWorker(kills: kills)
        guard let killed else {
            guard let report = first.report else { throw CommandFailure(.failed, "the worker ended without a result") }
            if kills { tell("the worker was done before it could be killed") }
            return Outcome(report: report, kill: nil)
        }
        tell(
            "killed the worker in the middle of invocation \(Readable.number(first.begun)) "
                + "(\(ShardID(killed.shard)), records \(killed.first) to \(killed.last)); starting it again …")
        let (second, _) = try runWorker(kills: false)
        guard var report = second.report else { throw CommandFailure(.failed, "the worker ended without a result") }
        report.figures = first.figures + report.figures
        var redelivered = 0
        for (shard, last) in first.lastSeen {
            if let again = second.firstSeen[shard], again <= last { redelivered += Int(last - again + 1) }
        }
        return Outcome(
            report: report,
            kill: Kill(
                shardId: ShardID(killed.shard).description, invocationsBegun: first.begun, linesInStream: second.stored,
                redelivered: redelivered, alreadyInResults: second.followedBefore))
    }

    /// Runs one worker to its end; the invocation during which it was killed, if it was.
    private func runWorker(kills: Bool) throws -> (Observation, killedDuring: InvocationReport?) {
        let worker = try DemoWorkerProcess(arguments: workerArguments)
        // Somewhere in the first part of the work, at any place within an invocation.
        let killAfter = kills ? Int.random(in: 1...max(1, lines * 6 / 10)) : .max
        var observation = Observation()
        while let event = try worker.nextEvent() {
            observation.take(event)
            guard observation.recordsSeen >= killAfter, !observation.running.isEmpty else { continue }
            usleep(UInt32.random(in: 0...1500))
            // Standing still it can be looked at: it dies only while an invocation really runs.
            guard worker.suspend() else { break }
            for event in try worker.eventsUntilNow() { observation.take(event) }
            if let running = observation.running.values.min(by: { $0.shard < $1.shard }) {
                worker.kill()
                return (observation, running)
            }
            worker.resume()
        }
        let end = worker.waitUntilEnded()
        guard end == .exited(0) else {
            // The worker has said already what was wrong; its own name for itself is said once.
            let said = String(decoding: worker.errors, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
                .replacing(#/^shardline: /#, with: "")
            let status: ExitStatus =
                if case .exited(let code) = end { ExitStatus(rawValue: code) ?? .failed } else { .failed }
            throw CommandFailure(status, said.isEmpty ? "the demo's worker \(end)" : said)
        }
        return (observation, nil)
    }
}
