import StreamModel
import StreamStorage

/// The decisions for one shard of an event source mapping: a value without I/O, clocks or concurrency.
///
/// It is told what happens (``Event``) and when, by ``handle(_:at:)``, and answers what is to be done (``Action``) and
/// why (``TraceEvent``). All of batching and failure handling is here; a driver carries out the actions.
package struct LaneCore: Sendable {
    /// Where a lane begins.
    package struct Beginning: Sendable {
        /// Everything up to here is done.
        package var position: SequenceNumber
        /// The tries of the first unit behind ``position`` that a process began and never ended, where the one before
        /// ended uncleanly; nil after an orderly end (ESM-A9).
        package var note: AttemptNote?
        /// Whether the process before ended uncleanly: then the tries of the first batch are noted (ESM-A9).
        package var notesAttempts: Bool

        package init(position: SequenceNumber, note: AttemptNote? = nil, notesAttempts: Bool = false) {
            self.position = position
            self.note = note
            self.notesAttempts = notesAttempts
        }
    }

    /// The settings in force.
    package private(set) var settings: Settings
    /// What the lane has done so far.
    package internal(set) var counters = Counters()
    /// Everything up to here is done.
    package internal(set) var donePosition: SequenceNumber
    /// Everything up to here is done, and the checkpoint that says so is durable.
    package internal(set) var persistedPosition: SequenceNumber
    var generator: SplitMix

    /// A lane that begins there. `jitterSeed` decides the random part of its pauses; `denseNumbers`: the shard's
    /// numbers have no gaps, so that records that were never seen can be counted.
    package init(_ beginning: Beginning, settings: Settings, denseNumbers: Bool, jitterSeed: UInt64) {
        self.settings = settings
        donePosition = beginning.position
        persistedPosition = beginning.position
        generator = SplitMix(seed: jitterSeed)
    }
}
