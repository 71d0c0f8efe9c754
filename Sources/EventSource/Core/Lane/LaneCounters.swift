extension LaneCore {
    /// What the lanes of a shard have done so far: the figures of the mapping's metrics (ESM-M2 to ESM-M9). A mapping's
    /// figures are the sums of its shards' counters.
    package struct Counters: Hashable, Sendable {
        /// Records read from the source (ESM-M2). A record that is read again after a stop counts again.
        package var polled = 0
        /// Records of the units sent to the function (ESM-M4). A record that is sent again counts again.
        package var invokedRecords = 0
        /// Records of the invocations that failed (ESM-M4), including partial failures.
        package var failedInvokedRecords = 0
        /// Records sent to the function that this lane had sent before.
        package var resentRecords = 0
        /// Calls that reached the function (ESM-M7).
        package var invocations = 0
        /// Calls that failed, including partial failures (ESM-M7).
        package var errors = 0
        /// Calls that did not reach the function (ESM-M7: throttles).
        package var notReached = 0
        /// Invocations of a unit after its first one.
        package var retries = 0
        /// Units that were halved or whose first record was isolated (ESM-X1, ESM-X7).
        package var splits = 0
        /// Invocations that completed a part of their unit (ESM-R10).
        package var partialSuccesses = 0
        /// Records that the function processed successfully.
        package var succeeded = 0
        /// Records that are durably in the parking stream (ESM-N1).
        package var parked = 0
        /// Records whose attempts were used up, or that can never succeed: given up, or parked with their keys (ESM-N4).
        package var exhausted = 0
        /// Units given up, by condition.
        package var givenUpUnits: [GiveUpCondition: Int] = [:]
        /// Records given up, by condition, as far as their number is known.
        package var givenUpRecords: [GiveUpCondition: Int] = [:]
        /// Records given up that no destination took, not counting expired and lost records (ESM-M5).
        package var dropped = 0
        /// Records covered by documents that the destination took (ESM-M6).
        package var destinationDelivered = 0
        /// Deliveries to the destination that failed (ESM-M6).
        package var destinationFailures = 0
        /// Records that expired before they were done, as far as their number is known (ESM-M8).
        package var expired = 0
        /// Closed batches, by cause.
        package var batches = BatchCounts()
        /// Checkpoints that became durable.
        package var checkpoints = 0
        /// Records that were read although their lane had done them before. They are not delivered and not counted as
        /// ``polled`` (ESM-K4).
        package var skipped = 0
        /// Records that arrived before the tumbling window that they joined (ESM-T10).
        package var late = 0
        /// Records that no filter matched (ESM-M3).
        package var filteredOut = 0
        /// Records that were read and released undone when the lane ended; they are read again (ESM-L3).
        package var released = 0
        /// Records that were read, then expired, and that no destination took. This makes the balance of ESM-M9 exact.
        package var expiredUnkept = 0
        /// The part of ``destinationDelivered`` that the lane never read (expired or lost before).
        package var deliveredUnread = 0

        package init() {}

        /// Records given up, for any condition.
        package var givenUp: Int { givenUpRecords.values.reduce(0, +) }

        /// Records in lost ranges that this lane had not read before (ESM-M8, ESM-G4).
        package var lost: Int { givenUpRecords[.recordsLost] ?? 0 }

        /// Records that were read and have left the lane. Equals ``polled`` when the lane holds nothing (ESM-M9).
        package var settled: Int {
            succeeded + parked + filteredOut + dropped + (destinationDelivered - deliveredUnread) + expiredUnkept
                + released
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
            left.parked += right.parked
            left.exhausted += right.exhausted
            left.givenUpUnits.merge(right.givenUpUnits, uniquingKeysWith: +)
            left.givenUpRecords.merge(right.givenUpRecords, uniquingKeysWith: +)
            left.dropped += right.dropped
            left.destinationDelivered += right.destinationDelivered
            left.destinationFailures += right.destinationFailures
            left.expired += right.expired
            left.batches += right.batches
            left.checkpoints += right.checkpoints
            left.skipped += right.skipped
            left.late += right.late
            left.filteredOut += right.filteredOut
            left.released += right.released
            left.expiredUnkept += right.expiredUnkept
            left.deliveredUnread += right.deliveredUnread
        }
    }

    /// The number of closed batches by cause. Stored inline, because a lane's counters are copied with every decision.
    package struct BatchCounts: Hashable, Sendable, ExpressibleByDictionaryLiteral {
        private var counts = SIMD8<Int>()
        /// Those of the last cause, for which ``counts`` has no room.
        private var last = 0

        package init() {}

        package init(dictionaryLiteral elements: (ClosingCause, Int)...) {
            for (cause, count) in elements { self[cause] = count }
        }

        package subscript(cause: ClosingCause) -> Int {
            get { cause.rawValue < counts.scalarCount ? counts[cause.rawValue] : last }
            set {
                if cause.rawValue < counts.scalarCount { counts[cause.rawValue] = newValue } else { last = newValue }
            }
        }

        /// The number of batches with any cause.
        package var total: Int { counts.wrappedSum() + last }

        /// The causes with at least one batch.
        package var found: [(cause: ClosingCause, count: Int)] {
            ClosingCause.allCases.map { ($0, self[$0]) }.filter { $0.count > 0 }
        }

        static func += (left: inout BatchCounts, right: BatchCounts) {
            left.counts &+= right.counts
            left.last += right.last
        }
    }
}
