import EventSource
import StreamModel
import StreamStorage
import Testing

@testable import ShardlineCLI

@Suite struct StreamDeleteTests {
    private let stream = StreamDescription(
        name: "s", id: StreamID(1), createdAt: Timestamp(milliseconds: 0), retention: .seconds(60),
        maximumRecordSize: 10, isFailureStream: false, initialSettings: StreamSettings(),
        shards: [
            ShardDescription(
                id: ShardID(0), hashKeyRange: HashKeyRange.even(1)[0], parents: [], creationSecond: 0,
                openedAt: Timestamp(milliseconds: 0), closedAt: nil, trimHorizon: SequenceNumber(2),
                tip: SequenceNumber(3), recordCount: 1)
        ])

    private func mapping(_ name: String, _ destination: EventSourceMapping.Configuration.Destination)
        -> MappingDescription
    {
        var settings = EventSourceMapping.Configuration()
        settings.failureDestination = destination
        return MappingDescription(
            key: MappingID(stream: "s", name: name), id: 1, startingPosition: .latest,
            createdAt: Timestamp(milliseconds: 0), configuration: settings.json, epoch: 1, isClaimed: false,
            checkpoints: [])
    }

    @Test func `what went and what stays is said`() {
        #expect(
            StreamDeleteCommand.report(of: stream, [], others: ["s.m.failed"])
                == "deleted the stream 's' with 1 record; it had no mappings")
        let mappings = [
            mapping("m", .deadLetterStream), mapping("n", .stream(named: "bad")), mapping("o", .none),
            mapping("p", .deadLetterStream),
        ]
        #expect(
            StreamDeleteCommand.report(of: stream, mappings, others: ["s.m.failed", "bad", "other"])
                == "deleted the stream 's' with 1 record and the mappings 'm', 'n', 'o', 'p'; what was given up stays in 'bad', 's.m.failed'"
        )
    }
}
