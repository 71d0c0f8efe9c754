import Shardline

/// The second process of the page about a first mapping.
func runSecondProcess(in directory: String) async throws {
    let flights = try await SegmentStore.connect(at: directory + "/flights")
    let receipt = try await flights.stream("departures").put("N14228,7", partitionKey: "N14228")
    for try await record in flights.stream("departures").records(in: receipt.shard, follow: false) {
        print(record.sequenceNumber, String(decoding: record.bytes, as: UTF8.self))
    }
    try await flights.close()
}
