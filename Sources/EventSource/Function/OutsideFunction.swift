import StreamModel

/// A function that is not Swift code of this process: a child process, or an HTTP endpoint.
///
/// It is called once for each unit, for several shards at the same time. When the calling task is cancelled (a
/// time-out, or the end of the grace time), it must end the invocation before it returns, so that two invocations of
/// one shard never overlap (ESM-R17).
package protocol OutsideFunction: Sendable {
    /// Sends one event and returns the answer.
    ///
    /// - Parameters:
    ///   - records: the records of the event, for observers such as bench.
    ///     None in the final invocation of a tumbling window.
    ///   - event: one line of JSON without its newline (``KinesisEvent``).
    ///   - context: the invocation. The caller enforces its deadline by cancelling the task.
    func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer

    /// Whether events tell of their invocation (ESM-E13).
    var tellsInvocation: Bool { get }
}

extension OutsideFunction {
    package var tellsInvocation: Bool { false }
}

/// How an invocation of an ``OutsideFunction`` ended.
package enum OutsideAnswer: Sendable {
    /// The function answered with this line, given without its newline (ESM-R19).
    case answered([UInt8])
    /// The function could not be reached: it can't be started, or nothing listens. No attempt is counted (ESM-A6).
    case notReached(String)
    /// The function ended without an answer (ESM-R9).
    case failed(String, type: String?)
}

extension OutsideAnswer {
    /// What the answer means for the unit that was sent.
    func result(for unit: LaneCore.Unit, reportsFailures: Bool) -> FunctionRunner.Answer {
        switch self {
        case .answered(let line):
            var state: [UInt8]?
            let response = FunctionResponse.parse(line, reportsFailures: reportsFailures, state: &state)
            return (response.result(for: unit), state)
        case .notReached(let reason):
            return (.notReached(LaneCore.FunctionFailure(FunctionResponse.limited(reason), type: "NotReached")), nil)
        case .failed(let reason, let type):
            return (.failed(LaneCore.FunctionFailure(FunctionResponse.limited(reason), type: type)), nil)
        }
    }

    /// Adds the records that the function returns to the unit's commit (ESM-O2). Returns what is wrong with them.
    func add(to stream: String, of unit: LaneCore.Unit, _ context: InvocationContext) -> LaneCore.FunctionFailure? {
        guard case .answered(let line) = self else { return nil }
        do {
            for item in try ReturnedRecords.read(line, for: unit.records) {
                try context.added.add(AddedRecord(item.record, to: stream, from: item.source))
            }
            return nil
        } catch let problem as ReturnedRecords.Problem {
            return LaneCore.FunctionFailure(problem.text, type: "InvalidResponse")
        } catch {
            return LaneCore.FunctionFailure(String(describing: error), type: "InvalidResponse")
        }
    }

    /// How many of the first records this answer completes, and why the next one failed, by the mapping's own rules.
    /// For observers such as bench. `records` must not be empty.
    package func done(
        of records: RecordBatch, reportsFailures: Bool
    ) -> (count: Int, failure: LaneCore.FunctionFailure?) {
        let unit = LaneCore.Unit(id: 0, records: records, origin: .batch(.size))
        return switch result(for: unit, reportsFailures: reportsFailures).result {
        case .success: (records.count, nil)
        case .partial(let number, let failure): (records.index(of: number) ?? 0, failure)
        case .permanent(let number?, let failure): (records.index(of: number) ?? 0, failure)
        case .permanent(nil, let failure), .failed(let failure), .badReport(let failure), .notReached(let failure):
            (0, failure)
        case .expired, .cancelled, .notCalled: (0, nil)
        }
    }
}
