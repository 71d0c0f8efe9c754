import Foundation

/// What one kind of work allocated.
struct Result {
    var name: String
    var records: Int
    var calls: Int
    var allocations: Int
    /// The most allocations for each record; nil: a record is a call, and calls may allocate.
    var limit: Double?

    var perRecord: Double { Double(allocations) / Double(max(records, 1)) }
    var perCall: Double { Double(allocations) / Double(max(calls, 1)) }
    var isWithinLimit: Bool { limit.map { records > 0 && perRecord <= $0 } ?? true }

    static let head = row("", "records", "calls", "allocations", "a call", "a record", "limit", "")

    var line: String {
        Self.row(
            name, "\(records)", "\(calls)", "\(allocations)", String(format: "%.1f", perCall),
            String(format: "%.3f", perRecord), limit.map { String(format: "%.3f", $0) } ?? "-",
            isWithinLimit ? "ok" : "TOO MANY")
    }

    private static func row(_ name: String, _ cells: String...) -> String {
        name.padding(toLength: 34, withPad: " ", startingAt: 0)
            + cells.dropLast().map { String(repeating: " ", count: max(1, 12 - $0.count)) + $0 }.joined()
            + (cells.last.map { $0.isEmpty ? "" : "  " + $0 } ?? "")
    }
}
