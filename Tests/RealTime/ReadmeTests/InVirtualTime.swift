import ShardlineTesting
import Testing

/// The test of the page about testing mappings.
@Suite struct InVirtualTime {
    @Test func `a batch waits for its window, no longer`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.batchWindow = .seconds(2)
        var driver = try MappingTestDriver(configuration: settings) { _, _ in }
        try await driver.put("a", partitionKey: "k")
        #expect(driver.invocations.isEmpty)
        try await driver.advance(by: .seconds(2))
        #expect(driver.invocations.map(\.batch.count) == [1])
    }
}
