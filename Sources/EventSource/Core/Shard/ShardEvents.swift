import StreamModel
import StreamStorage

/// Both clocks at one moment.
package struct Moment: Hashable, Sendable {
    /// Used for windows and back-off.
    package var monotonic: MonotonicTime
    /// Used for ages.
    package var wall: Timestamp

    package init(monotonic: MonotonicTime, wall: Timestamp) {
        self.monotonic = monotonic
        self.wall = wall
    }

    /// The current readings of this source's clocks.
    package init(_ source: any TimeSource) {
        self.init(monotonic: source.monotonicTime, wall: source.wallTime)
    }
}

extension ShardCore {
    /// What a shard's owner tells it.
    package enum Event: Sendable {
        /// Start, or continue after a stop. Only ``goal(_:)`` may come before the first start.
        case start
        /// Process records up to this number only; nil: without a limit. Once everything up to the number is read, a
        /// batch is closed without waiting for its window (ESM-B10). Later records are not taken into a batch.
        case goal(SequenceNumber?)
        /// The read with this number has ended; reads other than the newest one are ignored. There is no event for a
        /// failed read: repeat the read, or end the shard once ``ShardCore/isIdle``.
        case read(Int, ReadResult)
        /// Retention has removed everything up to this number (ESM-G4). Not needed in addition to a read that says so.
        case trimmed(through: SequenceNumber)
        /// The moment of the last ``Action/wait(until:)`` has come.
        case tick
        /// The invocation with this number has ended: the function is no longer running (ESM-R17). `state` is what it
        /// returned for its tumbling window, as JSON; nil: nothing. `added` are the records that it has added (ESM-O1).
        case invocationEnded(Int, LaneCore.InvocationResult, state: [UInt8]? = nil, added: [AddedRecord] = [])
        /// The same for several invocations of one lane, in the order of their calls; not with tumbling windows.
        case invocationsEnded([(number: Int, result: LaneCore.InvocationResult, added: [AddedRecord])])
        /// The function can be reached again. A unit that waits because its function was not reached is invoked now
        /// (ESM-A6).
        case reachable
        /// The destination has stored the records that the lane handed over durably. `checkpointed` says whether the
        /// checkpoint behind them, as the hand-over's progress has it, is durable too.
        case destinationTook(checkpointed: Bool, lane: Int = 0)
        /// The destination failed. The records up to `takenThrough` that it took before are durable, together with
        /// their checkpoint.
        case destinationFailed(String, takenThrough: SequenceNumber?, lane: Int = 0)
        /// The last ``Action/checkpoint(_:)`` is durable.
        case checkpointed
        /// An operator, or the handing back of records, changes parked keys (ESM-N1, ESM-N2). An operator's request has a
        /// number.
        indirect case parkedKeys(ParkedKeyAction, request: UInt64? = nil)
        /// An operator lets paused shards go on (ESM-N3). The request has a number.
        indirect case resume(ResumeOrder, request: UInt64?)
        /// The last ``Action/park(_:)`` is durable. The places are those of the first records of keys that had no place.
        case parkingStored([UTF8Key: ParkedKey.Place])
        /// It is not, for this reason.
        case parkingFailed(String)
        /// The mapping has these settings from the next decision on (ESM-L4).
        indirect case settingsChanged(LaneCore.Settings)
        /// Invoke nothing more, take the result of the invocation in flight, and stop (ESM-L3).
        case stop
        /// The same until the next ``start``: the attempts are kept, in the checkpoint too (ESM-L2).
        case pause
    }

    /// What a shard's owner has to do. Each action is answered by one event, at once or later. At most one read and one
    /// checkpoint are open at a time, and for each lane one invocation or one hand-over.
    package enum Action: Sendable {
        /// Read on, and wait for records at the tip if the order says so; answered by ``Event/read(_:_:)``. It replaces
        /// an earlier read that is open.
        case read(ReadOrder)
        /// Call the function; answered by ``Event/invocationEnded(_:_:)``.
        case invoke(LaneCore.Invocation)
        /// Call the function with each of these units in turn, as long as it succeeds; the results are told as for one.
        /// After one that did not succeed the others are not called, and nothing is told of them.
        case invokeAll([LaneCore.Invocation])
        /// Send an ``Event/tick`` at this moment, instead of the one asked for before. Nil: no tick is needed.
        case wait(until: MonotonicTime?)
        /// Store how far the lanes are (ESM-P6, ESM-K4); answered by ``Event/checkpointed``. Invocations go on while one
        /// checkpoint is open, as far as ESM-P9 allows, so it may join a group commit.
        case checkpoint(ShardProgress)
        /// The same, and append these records in the same commit (ESM-O1).
        indirect case checkpointAdding(ShardProgress, [AddedRecord])
        /// Give the records to the failure destination; answered by ``Event/destinationTook(checkpointed:lane:)`` or
        /// ``Event/destinationFailed(_:takenThrough:lane:)``. Where the settings say that the delivery moves the
        /// checkpoint, it stores the progress, moved past the records, in the same commit (ESM-D9, ESM-D10).
        indirect case handOver(LaneCore.GiveUp, ShardProgress)
        /// Append records to the parking stream and store the values of their keys, in one commit; answered by
        /// ``Event/parkingStored(_:)`` or ``Event/parkingFailed(_:)``. It is repeated only where it was not written (ESM-N1).
        indirect case park(ParkingOrder)
        /// Records of parked keys are released: they are to be handed back (ESM-N2). Answered by
        /// ``Event/parkedKeys(_:)`` for each key.
        case redrive
        /// What these requests have changed is durable.
        case applied([UInt64])
        /// The shard is closed and everything in it is done: store that, and hand these parked keys to its children, in
        /// one commit; answered by ``Event/checkpointed``.
        indirect case endShard(ShardProgress, [ParkedKey])
        /// Everything is done and durable. The shard asks for nothing more until the next ``Event/start``; an open read
        /// can be cancelled.
        case stopped(LaneCore.StopReason)
    }

    /// What the shard wants to read.
    package struct ReadOrder: Hashable, Sendable {
        /// The read's number, from 1.
        package let number: Int
        /// Read the records after this number.
        package let after: SequenceNumber
        /// The maximum number of records.
        package let maximumRecords: Int
        /// Return no further record once this many bytes are reached.
        package let maximumBytes: Int
        /// Whether the read waits for records at the tip. One that doesn't shows what can still arrive (ESM-T5).
        package let waits: Bool
    }

    /// What the shard decided on an event.
    package struct Decisions: Sendable {
        /// What is to be done, in this order.
        package internal(set) var actions: [Action] = []
        /// Why.
        package internal(set) var trace: [LaneCore.TraceEvent] = []

        package init() {}

        /// Removes all actions and trace events and keeps the arrays' memory.
        package mutating func clear() {
            actions.removeAll(keepingCapacity: true)
            trace.removeAll(keepingCapacity: true)
        }
    }
}
