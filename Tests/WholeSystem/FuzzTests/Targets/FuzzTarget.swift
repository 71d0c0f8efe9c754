/// A reader of bytes that nobody vouches for, with what must hold whatever they are.
///
/// libFuzzer calls it with millions of inputs (`make fuzz`), the tests with the corpus and with mutations of it.
struct FuzzTarget: Sendable {
    /// As the folder of its corpus is called.
    let name: String
    /// Throws ``FuzzFinding`` where something does not hold; must not crash, hang or eat memory.
    let check: @Sendable ([UInt8]) throws -> Void

    static let all: [FuzzTarget] = [
        FuzzTarget(name: "commit", check: CommitFuzz.check),
        FuzzTarget(name: "journal-file", check: JournalFileFuzz.check),
        FuzzTarget(name: "block", check: BlockFuzz.check),
        FuzzTarget(name: "segment-index", check: SegmentIndexFuzz.check),
        FuzzTarget(name: "aggregate", check: AggregateFuzz.check),
        FuzzTarget(name: "record", check: RecordFuzz.check),
        FuzzTarget(name: "wire-request", check: WireFuzz.checkRequest),
        FuzzTarget(name: "wire-reply", check: WireFuzz.checkReply),
        FuzzTarget(name: "wire-frames", check: WireFuzz.checkFrames),
        FuzzTarget(name: "json", check: JSONFuzz.check),
        FuzzTarget(name: "cbor", check: DocumentFuzz.checkCBOR),
        FuzzTarget(name: "base64", check: Base64Fuzz.check),
        FuzzTarget(name: "document-writer", check: DocumentWriterFuzz.check),
        FuzzTarget(name: "event-stream", check: EventStreamFuzz.check),
        FuzzTarget(name: "kinesis-input", check: KinesisFuzz.check),
        FuzzTarget(name: "failure-record", check: FailureRecordFuzz.check),
        FuzzTarget(name: "parked-record", check: ParkedRecordFuzz.check),
        FuzzTarget(name: "parked-key", check: ParkedKeyFuzz.check),
        FuzzTarget(name: "filter", check: FilterFuzz.check),
        FuzzTarget(name: "rows", check: RowsFuzz.check),
        FuzzTarget(name: "gzip", check: GzipFuzz.check),
        FuzzTarget(name: "signature", check: SignatureFuzz.check),
        FuzzTarget(name: "text", check: TextFuzz.check),
    ]
}

/// What did not hold.
struct FuzzFinding: Error, CustomStringConvertible {
    let description: String
}

/// Throws unless `condition` holds.
func hold(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    guard condition else { throw FuzzFinding(description: what()) }
}
