import StreamModel
import Testing

/// Records and batches that are made outside a store.
@Suite struct RecordBuildingTests {
    private static func record(_ number: UInt64, _ text: String, at milliseconds: Int64, hash: HashKey? = nil) -> Record
    {
        Record(
            NewRecord(text, partitionKey: "key \(number)", explicitHashKey: hash), shard: ShardID(3),
            shardCreationSecond: 9, sequenceNumber: SequenceNumber(number),
            approximateArrivalTimestamp: Timestamp(milliseconds: milliseconds))
    }

    @Test func `a batch returns the records that it is made of, with gaps and different arrivals`() {
        let records = [
            Self.record(1, "a", at: 5), Self.record(2, "", at: 5, hash: HashKey(77)), Self.record(3, "c", at: 6),
            Self.record(9, "d", at: 6), Self.record(10, "e", at: 2),
        ]
        let batch = RecordBatch(records)
        #expect(batch.count == 5)
        for (made, found) in zip(records, batch) {
            #expect(found.sequenceNumber == made.sequenceNumber)
            #expect(found.approximateArrivalTimestamp == made.approximateArrivalTimestamp)
            #expect(found.partitionKey == made.partitionKey && found.bytes == made.bytes)
            #expect(found.explicitHashKey == made.explicitHashKey && found.shard == ShardID(3))
            #expect(found.kinesisSequenceNumber == made.kinesisSequenceNumber)
        }
        #expect(RecordBatch([Record]()).isEmpty)
    }
}
