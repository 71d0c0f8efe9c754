import CHash
import StreamModel

/// The message of an aggregate, behind a digest that is right, and the bytes as a record's data: what is taken apart
/// lies within the record, and what is not is the record itself.
enum AggregateFuzz {
    static func check(_ input: [UInt8]) throws {
        var digest = [UInt8](repeating: 0, count: 16)
        input.withUnsafeBytes { shardline_md5($0.baseAddress, $0.count, &digest) }
        try checkData([0xF3, 0x89, 0x9A, 0xC2] + input + digest)
        try checkData(input)
    }

    private static func checkData(_ data: [UInt8]) throws {
        let record = Record(
            NewRecord(data, partitionKey: "k"), shard: ShardID(0), shardCreationSecond: 0,
            sequenceNumber: SequenceNumber(1), approximateArrivalTimestamp: Timestamp(milliseconds: 0))
        let users = record.deaggregated()
        try hold(!users.isEmpty, "a record has gone")
        var bytes = 0
        for (index, user) in users.enumerated() {
            try hold(user.subSequenceNumber == index, "a subsequence number is not the place")
            try hold(user.isAggregated || users.count == 1, "a plain record among user records")
            if !user.isAggregated { try hold(user.bytes == record.bytes, "a plain record has other data") }
            _ = user.hashKey
            bytes += user.bytes.count
        }
        // Two user records never share a byte.
        try hold(bytes <= data.count, "more data came out than went in")
    }
}
