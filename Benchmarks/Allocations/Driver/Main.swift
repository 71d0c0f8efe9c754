import Foundation
import Logging
import Shardline

/// Counts the allocations of putting records and of reading them through a mapping: of all threads, the store's writer
/// and flush included. Ends with 1 where one is above its limit, with 2 where nothing could be counted.
///
/// `--plant` allocates once for each record on purpose: then every limit that counts records must be broken.
@main
struct Main {
    static func main() async throws {
        guard let counter = AllocationCounter(), counter.counts else {
            print("nothing is counted: run it by Benchmarks/Allocations/check.sh, which loads the counter")
            exit(2)
        }
        let plants = CommandLine.arguments.contains("--plant")
        let results =
            try await withStore { try await measureCalls(in: $0, counter, plants: plants) }
            + withStore { try await measureLargeCalls(in: $0, counter, plants: plants) }
        print(Result.head)
        for result in results { print(result.line) }
        exit(results.allSatisfy(\.isWithinLimit) ? 0 : 1)
    }

    /// Each has a store of its own, so that no flush counts for what was put before.
    private static func withStore(_ body: (SegmentStore) async throws -> [Result]) async throws -> [Result] {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("shardline-\(UUID().uuidString)")
        let store = try await SegmentStore.open(at: directory.path, logger: logger)
        try await store.createStream("records", shards: 4)
        let results = try await body(store)
        try await store.close()
        try FileManager.default.removeItem(at: directory)
        return results
    }

    private static let logger = {
        var logger = Logger(label: "allocations")
        logger.logLevel = .error
        return logger
    }()

    private static func measureCalls(
        in store: SegmentStore, _ counter: AllocationCounter, plants: Bool
    ) async throws -> [Result] {
        let work = Work(stream: store.stream("records"), callSize: 500, plants: plants)
        // What is made once is not what is measured.
        _ = try await work.put(calls: 20)
        _ = try await work.putSingly(calls: 640)
        var results: [Result] = []

        var before = counter.now
        var records = try await work.put(calls: 400)
        results.append(
            Result(
                name: "put, 500 records a call", records: records, calls: 400, allocations: counter.now - before,
                limit: 0.35))

        before = counter.now
        records = try await work.putSingly(calls: 6400)
        results.append(
            Result(
                name: "put, 1 record a call, 64 callers", records: records, calls: records,
                allocations: counter.now - before, limit: nil))

        for (size, limit) in [(100, 0.8), (1000, 0.2)] {
            let mapping = try await work.mapping(batchSize: size, logger: logger)
            before = counter.now
            try await mapping.run(until: .caughtUp)
            let allocations = counter.now - before
            let statistics = mapping.statistics
            results.append(
                Result(
                    name: "read by a mapping, batches of \(size)", records: statistics.delivered,
                    calls: statistics.invocations, allocations: allocations, limit: limit))
        }
        return results
    }

    /// Nearly all of it is a call's, a commit's or a block's, as it shows where calls have ten times the records.
    private static func measureLargeCalls(
        in store: SegmentStore, _ counter: AllocationCounter, plants: Bool
    ) async throws -> [Result] {
        let work = Work(stream: store.stream("records"), callSize: 5000, plants: plants)
        _ = try await work.put(calls: 2)
        let before = counter.now
        let records = try await work.put(calls: 40)
        return [
            Result(
                name: "put, 5,000 records a call", records: records, calls: 40, allocations: counter.now - before,
                limit: 0.06)
        ]
    }
}
