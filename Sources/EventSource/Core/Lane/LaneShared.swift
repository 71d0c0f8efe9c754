import StreamModel
import StreamStorage

extension LaneCore {
    /// What the lanes of a shard have in common. A lane gets it with each decision.
    struct Shared: Sendable {
        /// What is known of the shard's records beyond those that were read.
        struct Source: Sendable {
            /// Every record up to this number was read and handed to its lane.
            var readPosition: SequenceNumber
            /// Whether the last read reached the tip.
            var isAtTip = false
            /// Whether the shard is closed and its last record was read.
            var hasEnded = false
            /// Whether everything up to the goal was read; false without a goal.
            var hasReadGoal = false
            /// Whether an open batch may still get records from the current read or from one that can start now.
            var canReadMore = false
            /// No record that is read from now on arrived before this moment (ESM-T5).
            var earliestNextArrival = Timestamp(milliseconds: .min)
            /// Whether a lane waits for a read that raises ``earliestNextArrival``.
            var wantsLook = false
        }

        /// The settings in force.
        var settings: Settings {
            get { terms.value }
            set { terms = Boxed(newValue) }
        }
        /// The same, as lanes and invocations share them.
        private(set) var terms: Boxed<Settings>
        let denseNumbers: Bool
        var generator: SplitMix
        var counters = Counters()
        /// The steps of the current decision, and why.
        var steps: [TraceEvent] = []
        /// The calls of the function that were decided. They follow the write of the checkpoint, which they don't wait
        /// for (ESM-P9).
        var invocations: [[Invocation]] = []
        var source: Source
        /// Retention has removed every record up to this number.
        var horizon = SequenceNumber.zero
        var unitCount = 0
        var invocationCount = 0
        /// How many lanes there are: another number than the settings say, until those of before have come to their end.
        var laneCount = 1
        /// The shard that the lanes are of.
        let shard: ShardID
        var adding = Adding()
        /// The keys whose records wait aside, and the records on their way there.
        var parking: Parking
        /// Why the shard delivers nothing until an operator acts; nil: it is not paused.
        @Rare var paused: PausedShard?
        /// The records that paused it, if an operator wants them to be given up.
        @Rare var verdict: Verdict?
        /// The wall clock at this decision.
        var wall = Timestamp(milliseconds: .min)

        init(
            settings: Settings, denseNumbers: Bool, generator: SplitMix, readPosition: SequenceNumber,
            shard: ShardID = ShardID(0), parking: Parking = Parking()
        ) {
            self.shard = shard
            self.parking = parking
            terms = Boxed(settings)
            self.denseNumbers = denseNumbers
            self.generator = generator
            source = Source(readPosition: readPosition)
        }

        /// The pause before the retry with this number, counted from 1.
        mutating func pause(before retry: Int) -> Duration {
            settings.backOff.delay(before: retry, using: &generator)
        }

        /// A key that is parked now.
        mutating func newParkedKey(_ partitionKey: String) -> ParkedKey {
            // The generator begins with the same numbers at each claim, the clock doesn't.
            let episode = UInt64(bitPattern: wall.milliseconds) &* 0x9E37_79B9_7F4A_7C15 ^ generator.next()
            return ParkedKey(partitionKey, shard: shard, since: wall, episode: episode >> 1)
        }

        mutating func newUnit(_ records: RecordBatch, _ origin: Unit.Origin, lane: Int) -> Unit {
            unitCount += 1
            return Unit(id: unitCount, records: records, origin: origin, lane: lane)
        }

        mutating func newFinalUnit(_ last: RecordName, early: Bool, lane: Int) -> Unit {
            unitCount += 1
            return Unit(id: unitCount, endOf: last, early: early, lane: lane)
        }

        mutating func newInvocation(of unit: Unit, lane: Int, window: WindowCall?) -> Invocation {
            invocationCount += 1
            return Invocation(number: invocationCount, lane: lane, unit: unit, window: window, terms: terms)
        }

        mutating func trace(_ event: TraceEvent) { steps.append(event) }
    }
}
