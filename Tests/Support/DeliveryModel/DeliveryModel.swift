/// What must be delivered, in what order, how many times, and what must reach the destination: told without the event
/// source, as its judge. A batch is a range of places; ``deliver(_:to:)`` says in plain recursion what becomes of it
/// (ESM-A1 to ESM-A3, ESM-R10, ESM-R14 to ESM-R16, ESM-R20, ESM-X1 to ESM-X3, ESM-X5 to ESM-X8).
package struct DeliveryModel {
    /// What the function answers for a range of records.
    package enum Answer: Hashable, Sendable {
        case success
        /// An error about the batch as a whole.
        case fails
        /// A report that can't be used.
        case reportsBadly
        /// A report that the record at this place is the first that failed.
        case reports(Int)
        /// The record at this place can never be handled; nil: some record is.
        case permanent(Int?)
    }

    /// What one failure document must say.
    package struct Document: Hashable, Sendable {
        package let records: Range<Int>
        package let condition: String
        package let invocations: Int
        package let functionError: String?

        package init(records: Range<Int>, condition: String, invocations: Int, functionError: String?) {
            self.records = records
            self.condition = condition
            self.invocations = invocations
            self.functionError = functionError
        }
    }

    package let retries: Int
    package let bisects: Bool
    package let reports: Bool
    /// What the function is called with, in order.
    package private(set) var calls: [Range<Int>] = []
    /// What the destination must get, in order.
    package private(set) var documents: [Document] = []
    /// The records that the function did, in order.
    package private(set) var succeeded: [Int] = []
    /// Where the checkpoint may stand, in order: after each of these places everything is done.
    package private(set) var done: [Int] = []

    package init(retries: Int, bisects: Bool, reports: Bool) {
        self.retries = retries
        self.bisects = bisects
        self.reports = reports
    }

    /// Everything that must happen to the records from one batch.
    package mutating func deliver(_ unit: Range<Int>, to function: (Range<Int>) -> Answer) {
        guard !unit.isEmpty else { return }
        let (first, last) = (unit.lowerBound, unit.upperBound)
        for attempt in 1...1 + retries {
            calls.append(unit)
            let answer = function(unit)
            switch answer {
            case .success:
                return succeed(unit)
            case .permanent(let bad?):
                succeed(first..<bad)
                giveUp(bad..<bad + 1, "PermanentFailure", attempt, answer)
                return deliver(bad + 1..<last, to: function)
            case .permanent(nil) where unit.count == 1:
                return giveUp(unit, "PermanentFailure", attempt, answer)
            case .reports(let bad) where reports && bad > first:
                succeed(first..<bad)
                return deliver(bad..<last, to: function)
            case .reports where reports && bisects && unit.count > 1:
                deliver(first..<first + 1, to: function)
                return deliver(first + 1..<last, to: function)
            case .permanent,
                .fails where bisects && unit.count > 1, .reportsBadly where bisects && unit.count > 1,
                .reports where bisects && unit.count > 1:
                let middle = first + (unit.count + 1) / 2
                deliver(first..<middle, to: function)
                return deliver(middle..<last, to: function)
            case .fails, .reportsBadly, .reports:
                if attempt > retries { giveUp(unit, "RetryAttemptsExhausted", attempt, answer) }
            }
        }
    }

    private mutating func succeed(_ records: Range<Int>) {
        guard !records.isEmpty else { return }
        succeeded += records
        done.append(records.upperBound)
    }

    private mutating func giveUp(_ records: Range<Int>, _ condition: String, _ attempts: Int, _ last: Answer) {
        let wasReported: Bool
        if case .reports = last { wasReported = reports } else { wasReported = last == .reportsBadly }
        documents.append(
            Document(
                records: records, condition: condition, invocations: attempts,
                functionError: wasReported ? nil : "Unhandled"))
        done.append(records.upperBound)
    }
}
