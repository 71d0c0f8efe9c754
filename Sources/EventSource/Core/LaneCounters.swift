extension LaneCore {
    /// What a lane has done so far: the figures of the mapping's metrics (ESM-M2 to ESM-M9). Those of several lanes add
    /// up.
    package struct Counters: Hashable, Sendable {
        /// Records read from the source (ESM-M2). Read again after a stop, they count again.
        package var polled = 0
        /// Records of the units sent to the function; sent again, they count again (ESM-M4).
        package var invokedRecords = 0
        /// The same of invocations that failed (ESM-M4), partial failures included.
        package var failedInvokedRecords = 0
        /// Records sent to the function that this lane had sent before.
        package var resentRecords = 0
        /// Calls that reached the function (ESM-M7).
        package var invocations = 0
        /// Calls that failed, partial failures included (ESM-M7).
        package var errors = 0
        /// Tries that did not reach the function (ESM-M7: throttles).
        package var notReached = 0
        /// Invocations of a unit after its first one.
        package var retries = 0
        /// Units that were halved, or whose first record was isolated (ESM-X1, ESM-X7).
        package var splits = 0
        /// Invocations that did a part of their unit (ESM-R10).
        package var partialSuccesses = 0
        /// Records that the function has done.
        package var succeeded = 0
        /// Units given up, by condition.
        package var givenUpUnits: [GiveUpCondition: Int] = [:]
        /// Records given up, by condition, as far as their number is known.
        package var givenUpRecords: [GiveUpCondition: Int] = [:]
        /// Records given up that no destination took, without expired and lost ones (ESM-M5).
        package var dropped = 0
        /// Records covered by documents that the destination took (ESM-M6).
        package var destinationDelivered = 0
        /// Deliveries to the destination that failed (ESM-M6).
        package var destinationFailures = 0
        /// Records that retention ended before they were done, as far as their number is known (ESM-M8).
        package var expired = 0
        /// Batches closed, by cause.
        package var batches = BatchCounts()
        /// Checkpoints that are durable.
        package var checkpoints = 0
        /// Records that were read and let go when the lane ended, not done; they are read again (ESM-L3).
        package var released = 0
        /// Of what was given up: records that were read and that no destination took because they had expired; with
        /// this the balance of ESM-M9 is exact.
        package var expiredUnkept = 0
        /// Of ``destinationDelivered``: records that the lane had never read (expired or lost before).
        package var deliveredUnread = 0

        package init() {}

        /// Records given up, whatever the condition.
        package var givenUp: Int { givenUpRecords.values.reduce(0, +) }

        /// Records that damage took before this lane came to them, and a repair has given up (ESM-M8, ESM-G4).
        package var lost: Int { givenUpRecords[.recordsLost] ?? 0 }

        /// Records that were read and have left the lane: equals ``polled`` when the lane holds nothing (ESM-M9).
        package var settled: Int {
            succeeded + dropped + (destinationDelivered - deliveredUnread) + expiredUnkept + released
        }

        package static func += (left: inout Counters, right: Counters) {
            left.polled += right.polled
            left.invokedRecords += right.invokedRecords
            left.failedInvokedRecords += right.failedInvokedRecords
            left.resentRecords += right.resentRecords
            left.invocations += right.invocations
            left.errors += right.errors
            left.notReached += right.notReached
            left.retries += right.retries
            left.splits += right.splits
            left.partialSuccesses += right.partialSuccesses
            left.succeeded += right.succeeded
            left.givenUpUnits.merge(right.givenUpUnits, uniquingKeysWith: +)
            left.givenUpRecords.merge(right.givenUpRecords, uniquingKeysWith: +)
            left.dropped += right.dropped
            left.destinationDelivered += right.destinationDelivered
            left.destinationFailures += right.destinationFailures
            left.expired += right.expired
            left.batches += right.batches
            left.checkpoints += right.checkpoints
            left.released += right.released
            left.expiredUnkept += right.expiredUnkept
            left.deliveredUnread += right.deliveredUnread
        }
    }

    /// Batches by why they were closed. Without memory of its own: a lane's counters are copied with every decision.
    package struct BatchCounts: Hashable, Sendable, ExpressibleByDictionaryLiteral {
        private var counts = SIMD8<Int>()

        package init() {}

        package init(dictionaryLiteral elements: (ClosingCause, Int)...) {
            for (cause, count) in elements { self[cause] = count }
        }

        package subscript(cause: ClosingCause) -> Int {
            get { counts[cause.rawValue] }
            set { counts[cause.rawValue] = newValue }
        }

        /// All of them.
        package var total: Int { counts.wrappedSum() }

        /// Those that there were any of.
        package var found: [(cause: ClosingCause, count: Int)] {
            ClosingCause.allCases.map { ($0, self[$0]) }.filter { $0.count > 0 }
        }

        static func += (left: inout BatchCounts, right: BatchCounts) { left.counts &+= right.counts }
    }
}
