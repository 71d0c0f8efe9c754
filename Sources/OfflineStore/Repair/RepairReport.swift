import SegmentStorage

/// What ``SegmentStore/repair(at:dryRun:timeSource:logger:)`` did, or would do.
public struct RepairReport: Hashable, Sendable {
    /// What was found before anything was done.
    public var found: StoreReport
    /// The steps, in order, one line each; empty where nothing is damaged.
    public var steps: [String] = []
    /// The lost ranges: readers get them as lost, and mappings send a document for them.
    public var lost: [StoreReport.RecordRange] = []
    /// What can't be known, and what is assumed instead.
    public var unknown: [String] = []
    /// Whether the steps were done; false for a dry run.
    public var isApplied = false

    /// A report on these findings, without steps.
    public init(found: StoreReport) { self.found = found }

    /// Whether there is anything to repair.
    public var isNeeded: Bool { found.verdict == .damaged }
}
