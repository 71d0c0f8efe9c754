/// Where records go that are given up: a type of your own.
///
/// A stream of the same store and a file need none of this: ``EventSourceMapping/Configuration/Destination``.
public protocol FailureDestination: Sendable {
    /// Takes one document, and returns when it is durable: then the checkpoint moves past its records.
    ///
    /// To throw means that it was not taken: the delivery is repeated with growing pauses, the shard waits, and the
    /// function is not invoked again (ESM-D9). After a crash a document may come twice, with the same
    /// ``FailureDocument/id``.
    func deliver(_ document: FailureDocument) async throws
}
