import Shardline

/// The second process of the page about a first mapping.
func runSecondProcess(in directory: String) async throws {
    let flights = try await SegmentStore.connect(at: directory + "/flights")
    let receipt = try await flights.stream("departures").put("N14228,7", partitionKey: "N14228")
    let request = ReadRequest(stream: "departures", shard: receipt.shard, after: .zero)
    print(try await flights.read(request).batch.count)
    try await flights.close()
}
