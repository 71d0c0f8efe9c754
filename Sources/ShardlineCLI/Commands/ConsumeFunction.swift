import DiskAccess
import EventSource
import HTTPEndpoint
import StreamModel
import StreamStorage
import Synchronization

/// Where `consume` sends events: a command or an endpoint.
enum ConsumeFunction: Sendable, Hashable {
    /// The argument of `sh -c`.
    case command(String)
    case url(HTTPAddress)

    /// Throws a usage error where it can be told that there is no such function.
    func check() async throws {
        switch self {
        case .command(let command): try await CommandCheck.check(command)
        case .url(let address): try HTTPSupport.require(for: "--url \(address.text)")
        }
    }

    /// The option that gives it, for messages.
    var option: String {
        switch self {
        case .command: "--exec"
        case .url: "--url"
        }
    }
}

/// A function of `consume` that runs.
protocol RunningFunction: OutsideFunction {
    /// Why the function can't be reached in spite of several attempts; nil: it can be, or it is not known yet.
    var absence: String? { get }
    /// Returns when there is an ``absence``, or the task is cancelled.
    func waitForAbsence() async
    /// Ends what belongs to the function, after the last invocation.
    func end() async
}

extension ProcessFunction: RunningFunction {
    var absence: String? { pool.startFailure.map { "can't be started, also after several tries: \($0)" } }
    func waitForAbsence() async { await pool.waitForStartFailure() }
    func end() async { await pool.stop(grace: .seconds(1)) }
}

#if Server
/// An endpoint as a function of `consume`.
struct EndpointFunction: RunningFunction {
    let function: HTTPFunction

    var absence: String? { function.absence.map { "can't be reached, also after several tries: \($0)" } }
    func waitForAbsence() async { await function.waitForAbsence() }
    func end() async { await function.close() }

    func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
        await function.invoke(records, event: event, context: context)
    }
}
#endif

/// What this build has of HTTP.
enum HTTPSupport {
    /// Throws a usage error where nothing of this build speaks HTTP.
    static func require(for option: String) throws {
        #if !Server
        throw CommandFailure(
            .usage,
            "\(option): this shardline was built without what speaks HTTP; in its source folder, `make install` builds and installs one that has it"
        )
        #endif
    }
}

extension OnFailure {
    /// Throws a usage error where it can be told that there is no such destination.
    func check() async throws {
        switch self {
        case .setting: return
        case .url(let address): try HTTPSupport.require(for: "--on-failure url:\(address.text)")
        case .command(let command): try await CommandCheck.check(command, option: "--on-failure exec:")
        }
    }
}

/// A failure destination that `consume` brings.
struct RunningDestination: Sendable {
    let destination: any FailureDestination
    /// Ends what belongs to it, after the last delivery.
    let end: @Sendable () async -> Void
}

extension ConsumeRun {
    /// The failure destination that is none of the library's; nil: it is one.
    func makeDestination() throws -> RunningDestination? {
        switch onFailure {
        case .setting?, nil: return nil
        case .command(let command)?:
            let pool = ProcessPool { [self] number in
                ProcessWorker.Settings(
                    command: command,
                    environment: [("SHARDLINE_STREAM", stream.name), ("SHARDLINE_MAPPING", mapping)],
                    owner: functions,
                    passOn: { [errors, mapping] line in errors.passOn(line, from: "\(mapping).failed[\(number)]") },
                    warn: { [errors] in errors.say($0) })
            }
            let destination = ProcessDestination(pool: pool, description: onFailure?.words ?? "")
            return RunningDestination(destination: timed(destination)) { await destination.end() }
        case .url(let address)?:
            #if Server
            let destination = HTTPDestination(HTTPCaller(address, connections: Limits.mostConnections))
            return RunningDestination(destination: timed(destination)) { await destination.close() }
            #else
            try HTTPSupport.require(for: "--on-failure url:\(address.text)")
            return nil
            #endif
        }
    }

    /// A delivery that takes longer than a call of the function may has failed, and is repeated.
    private func timed(_ destination: any FailureDestination) -> any FailureDestination {
        TimedDestination(destination, limit: settings.functionTimeout, timeSource: SystemTimeSource())
    }

    /// The function, which starts with its first event.
    func makeFunction(of identity: StreamIdentity) throws -> any RunningFunction {
        let warn: @Sendable (String) -> Void = { [errors] in errors.say("warning: " + $0) }
        switch function {
        case .command(let command):
            let pool = ProcessPool { [self] number in
                ProcessWorker.Settings(
                    command: command,
                    environment: [
                        ("SHARDLINE_STREAM", stream.name), ("SHARDLINE_MAPPING", mapping),
                        ("SHARDLINE_STREAM_ID", identity.text),
                    ],
                    owner: functions,
                    passOn: { [errors, mapping] line in errors.passOn(line, from: "\(mapping)[\(number)]") },
                    warn: { [errors] in errors.say($0) })
            }
            return ProcessFunction(
                pool: pool, acceptsAnyJSON: acceptsAnyJSON, tellsInvocation: tellsInvocation, warn: warn)
        case .url(let address):
            #if Server
            // A connection that can't be made is no attempt of the records, so it is given up before their time is over.
            let caller = HTTPCaller(
                address, connections: Limits.mostConnections,
                connectTimeout: min(.seconds(10), settings.functionTimeout / 2))
            return EndpointFunction(
                function: HTTPFunction(caller, check: AnswerCheck(acceptsAnyJSON: acceptsAnyJSON, warn: warn)))
            #else
            try HTTPSupport.require(for: "--url \(address.text)")
            throw CancellationError()
            #endif
        }
    }

    private enum Limits {
        /// The mapping's `concurrency` decides how many requests run at once, also after an update.
        static let mostConnections = 10_000
    }
}

/// Which stream the function works on: known when the mapping is there, asked for when a process starts.
final class StreamIdentity: Sendable {
    private let id = Mutex("")
    var text: String { id.withLock { $0 } }
    func set(_ id: StreamID) { self.id.withLock { $0 = id.description } }
}
