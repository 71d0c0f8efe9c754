import StreamModel
import StreamStorage

/// Both clocks at one moment.
package struct Moment: Hashable, Sendable {
    /// For windows and back-off.
    package var monotonic: MonotonicTime
    /// For ages.
    package var wall: Timestamp

    package init(monotonic: MonotonicTime, wall: Timestamp) {
        self.monotonic = monotonic
        self.wall = wall
    }

    /// What this source's clocks show.
    package init(_ source: any TimeSource) {
        self.init(monotonic: source.monotonicTime, wall: source.wallTime)
    }
}

extension LaneCore {
    /// What happens to a lane.
    package enum Event: Sendable {
        /// Begin, or go on after a stop. The first event of a lane, but for ``goal(_:)``.
        case start
        /// Nothing after this number is wanted; nil: everything is. As soon as everything up to the number is read, a
        /// batch is closed without waiting for its window (ESM-B10); what comes after it is not taken into a batch.
        case goal(SequenceNumber?)
        /// The read with this number has ended; others than the newest one are ignored. A read that failed is not
        /// told: repeat it, or end the lane once ``LaneCore/isIdle``.
        case read(Int, ReadResult)
        /// Retention has removed everything up to this number (ESM-G4). Need not be told with a read that says so.
        case trimmed(through: SequenceNumber)
        /// Time has passed: the moment of the last ``Action/wait(until:)`` has come.
        case tick
        /// The invocation with this number has ended, really (ESM-R17).
        case invocationEnded(Int, InvocationResult)
        /// The function can be reached again: a unit that waits only because it could not be goes now (ESM-A6).
        case reachable
        /// The destination has the records of the last ``Action/handOver(_:)`` durably; `checkpointed` tells whether the
        /// checkpoint at the give-up's last number is durable too.
        case destinationTook(checkpointed: Bool)
        /// The destination failed. What it took of the records before is durable together with its checkpoint.
        case destinationFailed(String, takenThrough: SequenceNumber?)
        /// The last ``Action/checkpoint(_:isShardEnd:)`` is durable.
        case checkpointed
        /// The last ``Action/noteAttempt(_:)`` is durable.
        case attemptNoted
        /// The mapping's settings are others from the next decision on (ESM-L4).
        case settingsChanged(Settings)
        /// Invoke nothing more; take the result of what is in flight and stop (ESM-L3).
        case stop
    }

    /// What a lane's owner has to do. Each action is answered by one event, at once or later; of each kind at most one
    /// is open at a time.
    package enum Action: Sendable {
        /// Read on and wait at the tip; answered by ``Event/read(_:_:)``.
        case read(ReadOrder)
        /// Call the function; answered by ``Event/invocationEnded(_:_:)``.
        case invoke(Invocation)
        /// Send a ``Event/tick`` at this moment; takes the place of the one before. Nil: none is needed.
        case wait(until: MonotonicTime?)
        /// Move the checkpoint (ESM-P6); answered by ``Event/checkpointed``. Further invocations do not wait for
        /// one move, but for two (ESM-P9), so it may ride with other commits.
        case checkpoint(SequenceNumber, isShardEnd: Bool)
        /// Write this down durably before the unit is invoked (ESM-A9); answered by ``Event/attemptNoted``.
        case noteAttempt(AttemptNote)
        /// Give the records to the failure destination and move the checkpoint to their last number, in one commit
        /// where that can be, else the checkpoint after the destination (ESM-D9, ESM-D10); answered by
        /// ``Event/destinationTook(checkpointed:)`` or ``Event/destinationFailed(_:takenThrough:)``.
        case handOver(GiveUp)
        /// Everything is settled and durable; nothing more will be asked until the next ``Event/start``. An open read
        /// can be cancelled.
        case stopped(StopReason)
    }

    /// What to read.
    package struct ReadOrder: Hashable, Sendable {
        /// The read's number, from 1.
        package let number: Int
        /// Read what is behind this number.
        package let after: SequenceNumber
        /// The most records.
        package let maximumRecords: Int
        /// Return no further record once this many bytes are reached.
        package let maximumBytes: Int
    }

    /// Why a lane stopped.
    package enum StopReason: Hashable, Sendable {
        /// It was told to.
        case asked
        /// The shard is closed and everything in it is done; the checkpoint says so (ESM-H4).
        case shardEnd
    }

    /// What the lane decided on an event.
    package struct Decisions: Sendable {
        /// To be done, in this order.
        package internal(set) var actions: [Action] = []
        /// Why.
        package internal(set) var trace: [TraceEvent] = []

        package init() {}

        /// Forgets them and keeps their memory.
        package mutating func clear() {
            actions.removeAll(keepingCapacity: true)
            trace.removeAll(keepingCapacity: true)
        }
    }
}
