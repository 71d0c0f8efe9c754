import EventSource
import ShardlineTesting
import StreamModel
import Testing

/// Retention in a mapping's virtual time (ESM-G4, ESM-A5).
struct ExpiryDriverTests {
    private struct Boom: Error {}

    @Test func `a record that is tried without end is given up when its retention ends`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = nil
        var driver = try MappingTestDriver(configuration: settings, retention: .seconds(60)) { batch, _ in
            if batch.firstSequence == SequenceNumber(1) { throw Boom() }
        }
        try await driver.put("a", partitionKey: "k")
        let begin = driver.now
        try await driver.advance(by: .milliseconds(59_999))
        #expect(driver.documents.isEmpty)
        try await driver.put("b", partitionKey: "k")
        try await driver.advance(by: .milliseconds(1))
        #expect(driver.documents.map(\.condition) == [.recordsExpired])
        #expect(driver.documents[0].records.map(\.partitionKey) == ["k"])
        #expect(driver.invocations.allSatisfy { $0.time < begin + .seconds(60) || $0.error == nil })
        #expect(driver.checkpoint == SequenceNumber(2))
        #expect(driver.explanation.contains { $0.hasPrefix("ESM-G4 ") })
    }

    @Test func `a window does not outlast the retention`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.batchWindow = .seconds(300)
        var driver = try MappingTestDriver(configuration: settings, retention: .seconds(30)) { _, _ in }
        try await driver.put("a", partitionKey: "k")
        try await driver.advance(by: .seconds(3_600))
        #expect(driver.invocations.isEmpty)
        #expect(driver.documents.map(\.condition) == [.recordsExpired])
    }

    @Test func `a retention outside its limits is refused`() {
        #expect(throws: ShardlineError.self) { try MappingTestDriver(retention: .zero) { _, _ in } }
    }
}
