#if Server
import DiskAccess
import EventSource
import StreamModel
import Synchronization

/// A function that is an HTTP endpoint: `consume --url` (ESM-R21).
///
/// An invocation is a POST of the event. It ends with the answer, or when the task is cancelled: then the connection is
/// closed. An endpoint is told the deadline, since nothing else ends what it does after that.
package final class HTTPFunction: OutsideFunction {
    /// How often in a row a connection may fail, for each request that runs at once, until the endpoint counts as absent.
    /// With the pauses in between this takes a minute.
    static let mostFailures = 8

    private struct Reach {
        var running = 0
        var widest = 1
        var failures = 0
    }

    private let caller: HTTPCaller
    private let check: AnswerCheck
    private let reach = Mutex(Reach())
    private let absent = OneTimeSignal<String>()

    package init(_ caller: HTTPCaller, check: AnswerCheck = AnswerCheck()) {
        self.caller = caller
        self.check = check
    }

    /// Why the endpoint can't be connected to in spite of several attempts; nil: it can be, or it is not known yet.
    package var absence: String? { absent.value }

    /// Returns when there is an ``absence``, or the task is cancelled.
    package func waitForAbsence() async { _ = try? await absent.wait() }

    package func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
        await answer(to: event, fields: Self.fields(context), returnsRecords: context.returnsRecords)
    }

    /// The endpoint's answer to an event.
    package func answer(
        to event: [UInt8], fields: [(name: String, value: String)], returnsRecords: Bool
    ) async -> OutsideAnswer {
        reach.withLock { reach in
            reach.running += 1
            reach.widest = max(reach.widest, reach.running)
        }
        defer { reach.withLock { $0.running -= 1 } }
        do throws(HTTPFailure) {
            let answer = try await caller.post(event, fields: fields)
            reach.withLock { $0.failures = 0 }
            return answer.meaning(check, returnsRecords: returnsRecords)
        } catch {
            switch error {
            case .notConnected:
                note("\(error)")
                return .notReached("\(error)")
            case .noAnswer:
                // There was a connection.
                reach.withLock { $0.failures = 0 }
                return .failed("\(error)", type: "NoAnswer")
            case .cancelled: return .failed("the invocation was cancelled and its connection closed", type: "Cancelled")
            }
        }
    }

    private func note(_ reason: String) {
        let isAbsent = reach.withLock { reach in
            reach.failures += 1
            return reach.failures >= Self.mostFailures * reach.widest
        }
        if isAbsent { absent.send(reason) }
    }

    /// Closes the connections, after the last invocation.
    package func close() async { await caller.close() }

    /// What an endpoint is told beside the event, under the names of Lambda's runtime.
    static func fields(_ context: InvocationContext) -> [(name: String, value: String)] {
        let trace = context.traceFields.filter { name, value in
            !name.isEmpty
                && name.utf8.allSatisfy { (0x61...0x7A).contains($0 | 0x20) || "-_0123456789".utf8.contains($0) }
                && value.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        }
        return [
            ("Lambda-Runtime-Aws-Request-Id", context.requestID),
            ("Lambda-Runtime-Deadline-Ms", "\(context.deadline.milliseconds)"),
            ("Shardline-Mapping", context.mapping), ("Shardline-Stream", context.stream),
            ("Shardline-Stream-Id", "\(context.streamID)"),
        ] + trace
    }
}
#endif
