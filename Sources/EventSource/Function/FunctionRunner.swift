import StreamModel

/// A mapping's function, as it was given.
enum FunctionSource: Sendable {
    case closure(EventFunction)
    case perShard(@Sendable (ShardID) -> sending any BatchFunction)
    case outside(any OutsideFunction)

    /// The function for one shard.
    func runner(
        for shard: ShardID, names: ResourceNames, configuration: EventSourceMapping.Configuration
    ) -> FunctionRunner {
        switch self {
        case .closure(let function): .closure(function)
        case .perShard(let make): .stateful(StatefulFunction(make(shard)))
        case .outside(let function):
            .outside(
                function, KinesisEvent(names: names, deaggregates: configuration.deaggregates),
                reportsFailures: configuration.reportsBatchItemFailures)
        }
    }

    /// How the size of an invocation is measured (ESM-B4, ESM-B5).
    func payload(
        names: ResourceNames, configuration: EventSourceMapping.Configuration
    ) -> LaneCore.PayloadMeasure? {
        guard let limit = configuration.payloadLimit else { return nil }
        guard case .outside = self else { return .rawBytes(limit: limit) }
        let event = KinesisEvent(names: names, deaggregates: configuration.deaggregates)
        return LaneCore.PayloadMeasure(limit: limit, envelope: KinesisEvent.envelopeSize, separator: 1) {
            event.size(of: $0)
        }
    }
}

/// A function for one shard, which makes at most one call at a time.
enum FunctionRunner: Sendable {
    case closure(EventFunction)
    case stateful(StatefulFunction)
    case outside(any OutsideFunction, KinesisEvent, reportsFailures: Bool)

    /// The same function with other settings.
    func with(names: ResourceNames, configuration: EventSourceMapping.Configuration) -> FunctionRunner {
        guard case .outside(let function, _, _) = self else { return self }
        return .outside(
            function, KinesisEvent(names: names, deaggregates: configuration.deaggregates),
            reportsFailures: configuration.reportsBatchItemFailures)
    }

    /// Calls the function and returns the result once the function has ended.
    func call(_ unit: LaneCore.Unit, context: InvocationContext) async -> LaneCore.InvocationResult {
        switch self {
        case .closure(let function):
            do {
                try await function(unit.records, context)
                return .success
            } catch {
                return unit.result(ofThrown: error)
            }
        case .stateful(let function):
            do {
                try await function.handle(unit.records, context: context)
                return .success
            } catch {
                return unit.result(ofThrown: error)
            }
        case .outside(let function, let event, let reportsFailures):
            return await function.invoke(unit.records, event: event.json(of: unit.records), context: context)
                .result(for: unit, reportsFailures: reportsFailures)
        }
    }
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
