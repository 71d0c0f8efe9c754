/// A failure destination of your own type: it takes the records that a mapping gives up.
///
/// For a stream of the same store or a file, use ``EventSourceMapping/Configuration/Destination`` instead. Shards call
/// it at the same time.
public protocol FailureDestination: Sendable {
    /// Takes one document and returns when it is durable. The checkpoint then moves past its records.
    ///
    /// An error means that the document was not taken: the delivery is retried with growing pauses, the shard waits,
    /// and the function is not invoked again for these records (ESM-D9). After a crash a document may be delivered
    /// twice, with the same ``FailureDocument/id``.
    func deliver(_ document: FailureDocument) async throws
}
