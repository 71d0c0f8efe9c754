import SegmentStorage

/// What ``SegmentStore/repair(at:dryRun:timeSource:logger:)`` did, or would do.
public struct RepairReport: Hashable, Sendable {
    /// What was found before anything was done.
    public var found: StoreReport
    /// What is done, in order, one line each; empty where nothing is damaged.
    public var steps: [String] = []
    /// The records that are given up: readers are told of the gap, mappings send a document for it.
    public var lost: [StoreReport.RecordRange] = []
    /// What can't be known, and what was taken for it.
    public var unknown: [String] = []
    /// Whether it was done.
    public var isApplied = false

    /// A report on what was found, without anything to do yet.
    public init(found: StoreReport) { self.found = found }

    /// Whether there is anything to repair.
    public var isNeeded: Bool { found.verdict == .damaged }
}
