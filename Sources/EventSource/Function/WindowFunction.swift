import FoundationEssentials
public import StreamModel
import Synchronization

/// One of the consecutive windows of equal length into which a mapping with
/// ``EventSourceMapping/Configuration/tumblingWindow`` divides the records of each shard by their arrival times.
public struct TumblingWindow: Hashable, Sendable {
    /// The first moment of the window: a multiple of its length since 1970 in UTC, unless the length was changed.
    public let start: Timestamp
    /// The first moment after the window.
    public let end: Timestamp
    /// Whether this is the window's final invocation, which has no records.
    public let isFinal: Bool
    /// Whether the window ends before its time: its state is larger than 1 MiB, or the mapping has a
    /// ``EventSourceMapping/Configuration/parallelizationFactor`` above 1 since. Later records of the same window begin
    /// with a fresh state, if there are windows still.
    public let isTerminatedEarly: Bool

    init(_ call: LaneCore.WindowCall) {
        start = call.start
        end = call.end
        isFinal = call.isFinal
        isTerminatedEarly = call.isTerminatedEarly
    }
}

/// Takes a batch of a tumbling window's records into the window's state.
///
/// Returning means that all records are done, and that the state covers them: both become durable in one commit.
/// Throwing a ``BatchFailure`` or a ``PermanentFailure`` that names a record means that the records before it are done,
/// and that the state covers exactly those. After any other error the state stays as it was, and the same records are
/// delivered again with it.
public typealias WindowFunction<State> =
    @concurrent @Sendable (RecordBatch, inout State, InvocationContext) async throws -> Void

/// Gets the state of a window that has ended, once all its records are done. After an error it is called again; the
/// state is dropped when it returns.
public typealias WindowEndFunction<State> =
    @concurrent @Sendable (State, TumblingWindow, InvocationContext) async throws -> Void

/// A function over windows whose state is JSON to everything around it.
package struct WindowedFunction: Sendable {
    /// What a call of it gives: the error that it threw, and the state that covers what is done.
    package typealias Outcome = (error: (any Error)?, state: [UInt8]?)

    package let call: @Sendable (RecordBatch, LaneCore.WindowCall, InvocationContext) async -> Outcome

    package init<State: Codable & Sendable>(
        initial: State, each: @escaping WindowFunction<State>, end: @escaping WindowEndFunction<State>
    ) {
        call = { batch, window, context in
            do {
                var state = try Self.state(of: window, initial: initial)
                if window.isFinal {
                    try await end(state, TumblingWindow(window), context)
                    return (nil, nil)
                }
                var thrown: (any Error)?
                do { try await each(batch, &state, context) } catch { thrown = error }
                return (thrown, [UInt8](try Self.encoder.encode(state)))
            } catch {
                return (error, nil)
            }
        }
    }

    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return encoder
    }()

    private static func state<State: Decodable>(of window: LaneCore.WindowCall, initial: State) throws -> State {
        guard !window.state.isEmpty else { return initial }
        do {
            return try JSONDecoder().decode(State.self, from: Data(window.state))
        } catch {
            throw StatedReason("the window's stored state can't be decoded as \(State.self): \(error)")
        }
    }
}
