import DataFormats
import EventSource
import StreamModel

/// JSON objects, one a line.
struct JSONLines {
    private(set) var bytes: [UInt8] = []

    mutating func line(_ body: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        writer.object(body)
        bytes += writer.bytes
        bytes.append(UInt8(ascii: "\n"))
    }

    /// A record, its parts named as Kinesis' GetRecords names them; ``PrintedRecord`` reads it. An explicit hash key, which
    /// Kinesis does not tell, is there where the record has one.
    ///
    /// A user record of an aggregate has the members that the libraries which take aggregates apart give it.
    mutating func line(_ record: UserRecord) {
        line { line in
            line.member("shardId", record.shard.description)
            line.member("sequenceNumber", record.kinesisSequenceNumber.description)
            if record.isAggregated {
                line.member("subSequenceNumber", record.subSequenceNumber)
                line.member("aggregated", true)
            }
            line.member("partitionKey", record.partitionKey)
            if let hashKey = record.explicitHashKey { line.member("explicitHashKey", hashKey.description) }
            line.name("approximateArrivalTimestamp")
            line.seconds(ofMilliseconds: record.approximateArrivalTimestamp.milliseconds)
            line.name("data")
            line.base64(record.bytes)
        }
    }
}
