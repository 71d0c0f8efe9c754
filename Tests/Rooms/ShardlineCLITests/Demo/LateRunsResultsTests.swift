import LateRuns
import Logging
import Shardline
import ShardlineTesting
import TestSupport
import Testing

/// The example's function counts a record once, and records of another stream of the same name too.
@Suite(.timeLimit(.minutes(1))) struct LateRunsResultsTests {
    @Test func `the departures of a stream that was deleted and created again are followed again`() async throws {
        let folder = TestDirectory()
        let columns = try FlightColumns(header: Array("tailnum,dep_time,dep_delay".utf8))
        let results = try LateRunsResults(path: folder.path + "/results.sqlite")
        let store = InMemoryStore()
        let key = MappingID(stream: "departures", name: "late-runs")
        func follow(_ late: Int) async throws -> [LateRun] {
            try await store.createStreamIfNeeded("departures", shards: 1)
            try await store.stream("departures").put(
                contentsOf: (0..<late).map { NewRecord("N1,\($0),5", partitionKey: "N1") })
            // Everything comes twice, as after a crash before the first checkpoint.
            for _ in 0..<2 {
                let mapping = try await EventSourceMapping(
                    key.name, from: store.stream("departures"),
                    logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
                ) { _ in LateRunsFunction(columns: columns, results: results) }
                try await mapping.run(until: .caughtUp)
                try await store.seekMapping(key, to: .trimHorizon, shard: nil)
            }
            return try await results.allRuns()
        }
        #expect(try await follow(3) == [LateRun(tailnum: "N1", longest: 3)])
        try await store.deleteStream("departures")
        #expect(try await follow(2) == [LateRun(tailnum: "N1", longest: 5)])
        try results.close()
    }
}
