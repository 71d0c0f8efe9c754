import Shardline
import ShardlineTesting
import Testing

/// The code of the page "Filter records".
@Suite struct FilteringRecords {
    @Test func `the page's settings keep what the page says`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.filters = [
            #"{"data": {"type": ["order"], "amount": [{"numeric": [">=", 1000]}]}}"#,
            #"{"partitionKey": [{"prefix": "vip-"}]}"#,
        ]

        var driver = try MappingTestDriver(configuration: settings) { _, _ in }
        try await driver.put(contentsOf: [
            NewRecord(#"{"type": "order", "amount": 1000}"#, partitionKey: "a"),
            NewRecord(#"{"type": "order", "amount": 999}"#, partitionKey: "b"),
            NewRecord("no JSON", partitionKey: "vip-c"), NewRecord("no JSON", partitionKey: "d"),
        ])
        #expect(driver.invocations.map { $0.batch.map(\.partitionKey) } == [["a", "vip-c"]])
        #expect(driver.checkpoint == SequenceNumber(4))
    }
}
