import StreamModel

/// Calls a mapping's function with records of its parking stream, as they were when they were parked (ESM-N2).
protocol ParkedRecordFunction: Sendable {
    /// The keys whose records are handed back.
    var keys: ParkedKeys { get }
    /// Says when records may be handed back; nil: at once.
    var pace: Pace? { get }
    /// The mapping's function, as it would be called for records of its stream.
    func runner(for shard: ShardID, _ configuration: EventSourceMapping.Configuration) -> FunctionRunner
    /// How the size of an invocation is measured on what the parking stream has of a record.
    func payload(_ configuration: EventSourceMapping.Configuration) -> LaneCore.PayloadMeasure?
    /// Calls the function with what is released of a unit of the parking stream's records.
    func call(
        _ invocation: LaneCore.Invocation, _ context: InvocationContext, _ runner: FunctionRunner
    ) async -> LaneCore.InvocationResult
}
