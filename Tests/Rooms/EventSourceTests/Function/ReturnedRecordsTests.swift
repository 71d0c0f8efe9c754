import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import EventSource

/// The records that a function outside Swift returns for the success stream (ESM-O2).
@Suite(.restingExecutor) struct ReturnedRecordsTests {
    private let records = Records.batch(["a", "b"])

    private func read(_ text: String) throws -> [ReturnedRecords.Item] {
        try ReturnedRecords.read(Array(text.utf8), for: records)
    }

    @Test(arguments: ["", "{}", #"{"records":null}"#, #"{"records":[]}"#, "null", "7"])
    func `ESM-O2 an answer without records adds none`(text: String) throws { #expect(try read(text).isEmpty) }

    @Test func `ESM-O2 records have key, data in base64, and the record that they were made of`() throws {
        let number = records[1].kinesisSequenceNumber
        let items = try read(
            #"{"records":[{"partitionKey":"k","data":"aGk="},{"partitionKey":"é","data":"","sequenceNumber":"\#(number)"}]}"#
        )
        #expect(items.map(\.record.partitionKey) == ["k", "é"] && items[0].record.data == Array("hi".utf8))
        #expect(items.map(\.source) == [nil, records[1].sequenceNumber])
    }

    @Test(arguments: [
        (#"{"records":{}}"#, "records is neither a list nor null"),
        (#"{"records":[7]}"#, "records[0].partitionKey"), (#"{"records":[{"data":""}]}"#, "records[0].partitionKey"),
        (#"{"records":[{"partitionKey":"k"}]}"#, "records[0].data"),
        (#"{"records":[{"partitionKey":"k","data":"a"}]}"#, "records[0].data"),
        (#"{"records":[{"partitionKey":"k","data":"","sequenceNumber":"1"}]}"#, "records[0].sequenceNumber"),
    ])
    func `ESM-O2 what is wrong with records is said with its place`(text: String, problem: String) {
        #expect {
            try read(text)
        } throws: { ($0 as? ReturnedRecords.Problem)?.text.contains(problem) == true }
    }

    /// Answers what it is told.
    private struct Answering: OutsideFunction {
        let answer: @Sendable (RecordBatch) -> String

        func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
            .answered(Array(answer(records).utf8))
        }
    }

    @Test func `ESM-O2 ESM-R10 what was made of the records before the first that failed is kept, each once`()
        async throws
    {
        let bench = try await Bench()
        try await bench.store.createStream("out", shards: 1)
        try await bench.put(1...6)
        var settings = EventSourceMapping.Configuration()
        settings.successStream = "out"
        settings.maximumRetryAttempts = 0
        settings.batchSize = 6
        let function = Answering { batch in
            let made = batch.map { record in
                #"{"partitionKey":"k","data":"\#(Self.base64(record))","sequenceNumber":"\#(record.kinesisSequenceNumber)"}"#
            }.joined(separator: ",")
            let bad = batch.first { $0.bytes.first == UInt8(ascii: "4") }
            let failures = bad.map { #"{"itemIdentifier":"\#($0.kinesisSequenceNumber)"}"# } ?? ""
            return #"{"batchItemFailures":[\#(failures)],"records":[\#(made)]}"#
        }
        let mapping = try await EventSourceMapping(
            "m", from: bench.stream, startingAt: .trimHorizon, configuration: settings, destination: nil,
            logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), source: .outside(function))
        try await mapping.run(until: .caughtUp)
        #expect(try await bench.texts(in: "out") == ["1", "2", "3", "5", "6"])
        #expect(mapping.statistics.givenUp == 1)
    }

    private static func base64(_ record: Record) -> String {
        // Texts of one digit.
        ["1": "MQ==", "2": "Mg==", "3": "Mw==", "4": "NA==", "5": "NQ==", "6": "Ng=="][
            String(decoding: record.bytes, as: UTF8.self)] ?? ""
    }

    @Test func `ESM-O2 ESM-R19b an answer with records is an answer, and no log line`() {
        let answer = JSONValue(Array(#"{"records":[]}"#.utf8))
        #expect(answer?.unknownAnswer(returnsRecords: true) == nil)
        // Where nobody reads them, their loss would be silent.
        #expect(answer?.unknownAnswer(returnsRecords: false) == .members(["records"]))
    }
}
