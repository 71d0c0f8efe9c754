import DataFormats
import EventSource
import StreamModel

/// Records of dead-letter streams and lines of failure files: anybody may have put them there.
enum FailureRecordFuzz {
    static func check(_ input: [UInt8]) throws {
        let read: FailureRecord
        do {
            read = try FailureRecord(json: input)
        } catch let error as ShardlineError {
            try hold(error.code == .invalidArgument, "another error than that it is no failure document")
            try hold(error.message.utf8.count < 400 && !error.message.contains("\n"), "a reason is not one short line")
            return
        }
        try hold(JSONValue(input) != nil, "what is no JSON is a failure document")
        try hold(read.startSequenceNumber.shard == read.shard, "a document begins in another shard")
        try hold(read.startSequenceNumber.sequenceNumber <= read.endSequenceNumber.sequenceNumber, "it ends before")
        try hold(read.attempts >= 0 && read.recordCount ?? 0 >= 0, "a count is below 0")
        try hold(!read.stream.isEmpty && !read.mapping.isEmpty, "a name is empty")
        try hold(read.records.reduce(0) { $0 + $1.data.count } <= input.count, "there are more data than were read")
        for entry in read.records {
            // What was read is written and read again as the same.
            var writer = JSONWriter()
            writer.base64(entry.data[...])
            let text = JSONValue(writer.bytes)?.text
            try hold(text.flatMap(Base64.bytes) == entry.data, "data read differently when they are written again")
            try hold(
                KinesisSequenceNumber(entry.sequenceNumber.description) == entry.sequenceNumber,
                "a number reads as another")
            let new = entry.newRecord
            try hold(
                new.data == entry.data && new.explicitHashKey == entry.explicitHashKey
                    && Array(new.partitionKey.utf8) == Array(entry.partitionKey.utf8), "a record is put back as another"
            )
        }
    }
}
