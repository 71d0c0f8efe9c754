import StreamModel
import StreamStorage

/// A mapping's function, as it was given.
enum FunctionSource: Sendable {
    case closure(EventFunction)
    case perShard(@Sendable (ShardID) -> sending any BatchFunction)
    case windowed(WindowedFunction)
    case outside(any OutsideFunction)
    /// The function of another mapping, for records that it has parked.
    indirect case redrive(any ParkedRecordFunction)

    /// Throws `invalidArgument` for a function with windows in a mapping without them, and the reverse.
    func validate(_ configuration: EventSourceMapping.Configuration) throws {
        switch self {
        case .windowed: try configuration.requireWindows(true)
        case .closure, .perShard: try configuration.requireWindows(false)
        case .outside, .redrive: break
        }
    }

    /// The keys whose records the function gets; nil: all.
    var onlyKeys: ParkedKeys? { if case .redrive(let function) = self { function.keys } else { nil } }

    /// Says when records may be handed to the function; nil: at once.
    var pace: Pace? { if case .redrive(let function) = self { function.pace } else { nil } }

    /// Refuses settings of an update that the function can't work with (ESM-S41). What this version can't read is left
    /// to the execution, which keeps those before.
    @Sendable func checkSettings(_ json: [UInt8]) throws {
        guard let stored = try? StoredSettings(json: json) else { return }
        try validate(stored.configuration)
    }

    /// The function for one shard.
    func runner(
        for shard: ShardID, names: ResourceNames, configuration: EventSourceMapping.Configuration
    ) -> FunctionRunner {
        switch self {
        case .closure(let function): .closure(function)
        case .perShard(let make): .stateful(StatefulFunction(make(shard)))
        case .windowed(let function): .windowed(function)
        case .outside(let function):
            .outside(
                function, KinesisEvent(names: names, deaggregates: configuration.deaggregates),
                AnswerReading(configuration))
        case .redrive(let function): .redrive(function, function.runner(for: shard, configuration))
        }
    }

    /// The bytes of an event without records, and the most that its context takes (ESM-E12, ESM-E13).
    var envelopeSize: Int {
        var size = KinesisEvent.envelopeSize + (ActiveTracer.current == nil ? 0 : KinesisEvent.traceSize)
        if case .outside(let function) = self, function.tellsInvocation { size += KinesisEvent.invocationSize }
        return size
    }

    /// How the size of an invocation is measured (ESM-B4, ESM-B5).
    func payload(
        names: ResourceNames, configuration: EventSourceMapping.Configuration
    ) -> LaneCore.PayloadMeasure? {
        guard let limit = configuration.payloadLimit else { return nil }
        if case .redrive(let function) = self { return function.payload(configuration) }
        guard case .outside = self else { return .rawBytes(limit: limit) }
        let event = KinesisEvent(names: names, deaggregates: configuration.deaggregates)
        var measure = LaneCore.PayloadMeasure(limit: limit, envelope: envelopeSize, separator: 1) {
            event.size(of: $0)
        }
        measure.windowEnvelope = event.windowSize
        return measure
    }
}

/// What is read of the answers of a function outside Swift.
struct AnswerReading: Sendable {
    /// Whether `batchItemFailures` is read.
    let reportsFailures: Bool
    /// The stream that gets the records that it returns; nil: they are not read.
    let successStream: String?

    init(_ configuration: EventSourceMapping.Configuration) {
        reportsFailures = configuration.reportsBatchItemFailures
        successStream = configuration.successStream
    }
}

/// A function for one shard, which makes at most one call at a time.
enum FunctionRunner: Sendable {
    case closure(EventFunction)
    case stateful(StatefulFunction)
    case windowed(WindowedFunction)
    case outside(any OutsideFunction, KinesisEvent, AnswerReading)
    indirect case redrive(any ParkedRecordFunction, FunctionRunner)

    /// How a call ended, and the state that the function returned for its window; nil: none.
    typealias Answer = (result: LaneCore.InvocationResult, state: [UInt8]?)
    /// The same function with other settings.
    func with(names: ResourceNames, configuration: EventSourceMapping.Configuration) -> FunctionRunner {
        guard case .outside(let function, _, _) = self else { return self }
        return .outside(
            function, KinesisEvent(names: names, deaggregates: configuration.deaggregates),
            AnswerReading(configuration))
    }

    /// Calls the function and returns the result once the function has ended.
    func call(_ invocation: LaneCore.Invocation, context: InvocationContext) async -> Answer {
        let unit = invocation.unit
        switch self {
        case .closure(let function):
            return await Self.plain(invocation) { try await function(unit.records, context) }
        case .stateful(let function):
            return await Self.plain(invocation) { try await function.handle(unit.records, context: context) }
        case .windowed(let function):
            guard let window = invocation.window else { return (.failed(Self.needsWindow), nil) }
            let (error, state) = await function.call(unit.records, window, context)
            return (error.map { unit.result(ofThrown: $0) } ?? .success, state)
        case .outside(let function, let event, let reading):
            let text = event.json(
                of: unit.records, window: invocation.window, shard: context.shard, traceFields: context.traceFields,
                invocation: function.tellsInvocation ? context : nil)
            var context = context
            context.returnsRecords = reading.successStream != nil
            let answer = await function.invoke(unit.records, event: text, context: context)
            let found = answer.result(for: unit, reportsFailures: reading.reportsFailures)
            guard let stream = reading.successStream, found.result.keepsSome,
                let problem = answer.add(to: stream, of: unit, context)
            else { return found }
            return (.failed(problem), nil)
        case .redrive(let function, let runner):
            return (await function.call(invocation, context, runner), nil)
        }
    }

    /// Calls a function without windows. It can get a window only from the settings of an earlier run, whose state it
    /// leaves as it is; the failure destination takes the state when that window ends.
    private static func plain(_ invocation: LaneCore.Invocation, _ body: () async throws -> Void) async -> Answer {
        if invocation.unit.isFinal { return (.permanent(nil, hasNoWindows), nil) }
        do {
            try await body()
            return (.success, invocation.window?.state)
        } catch {
            return (invocation.unit.result(ofThrown: error), invocation.window?.state)
        }
    }

    private static let hasNoWindows = LaneCore.FunctionFailure(
        "the function has no windows, and can't take the state of one that an earlier run began", type: "NoWindows")
    private static let needsWindow = LaneCore.FunctionFailure(
        "the function has windows, and the mapping has none: set 'tumblingWindow'", type: "NoWindows")
}

extension LaneCore.Unit {
    /// What an error thrown by the function means for this unit (ESM-R17, ESM-R20).
    package func result(ofThrown error: any Error) -> LaneCore.InvocationResult {
        switch error {
        case let failure as BatchFailure:
            guard records.index(of: failure.sequenceNumber) != nil else {
                return .failed(Self.foreign(failure.sequenceNumber, failure.cause))
            }
            return .partial(from: failure.sequenceNumber, Self.failure(failure.cause))
        case let failure as PermanentFailure:
            if let named = failure.sequenceNumber, records.index(of: named) == nil {
                return .failed(Self.foreign(named, failure.cause))
            }
            return .permanent(failure.sequenceNumber, Self.failure(failure.cause))
        default:
            return .failed(Self.failure(error))
        }
    }

    private static func failure(_ error: any Error) -> LaneCore.FunctionFailure {
        let type = error is StatedReason ? nil : String(describing: type(of: error))
        return LaneCore.FunctionFailure(FunctionResponse.limited(String(describing: error)), type: type)
    }

    private static func foreign(_ sequenceNumber: SequenceNumber, _ cause: any Error) -> LaneCore.FunctionFailure {
        LaneCore.FunctionFailure(
            FunctionResponse.limited(
                "the function blamed record \(sequenceNumber), which is not of this batch: \(cause)"))
    }
}

/// A function with state. Only the driver of its shard calls it, for one lane.
package actor StatefulFunction {
    private var function: (any BatchFunction)?

    package init(_ function: sending any BatchFunction) { self.function = function }

    package func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
        // A lane never calls twice at the same time, so the function is here.
        guard var function = function.take() else { preconditionFailure("two invocations of one lane overlap") }
        defer { self.function = function }
        try await function.handle(batch, context: context)
    }
}
