import EventSource
import StreamModel
import StreamStorage

/// Records of parking streams: anybody may have put them there.
enum ParkedRecordFuzz {
    static func check(_ input: [UInt8]) throws {
        var bytes: [UInt8] = []
        RecordEncoding.append(NewRecord(input, partitionKey: "k"), to: &bytes)
        let carrier = RecordRun(
            bytes: bytes, offsets: [0, UInt32(bytes.count)], range: 0..<1, shard: ShardID(0), shardCreationSecond: 0,
            firstSequence: SequenceNumber(1), arrival: Timestamp(milliseconds: 0))
        let parked: ParkedRecord
        do {
            parked = try ParkedRecord(carrier, at: 0)
        } catch let error as ShardlineError {
            try hold(error.code == .corrupt, "another error than that it is no parked record")
            return
        }
        try hold(parked.place.order > 0 && parked.run.count == 1, "a parked record has no place")
        try hold(
            ParkedRecord.bytes(of: parked.run, at: 0, place: parked.place) == input,
            "a parked record is written again as other bytes")
        try RecordFuzz.checkRun(parked.run)
    }
}

/// What a store keeps of a parked key.
enum ParkedKeyFuzz {
    static func check(_ input: [UInt8]) throws {
        func read(_ value: [UInt8]) throws -> ParkedKey? {
            do {
                return try ParkedKey(StoredParkedKey(shard: ShardID(3), partitionKey: "k", value: value))
            } catch let error as ShardlineError {
                try hold(error.code == .corrupt && !error.message.contains("\n"), "another error than that it is wrong")
                return nil
            }
        }
        guard let key = try read(input) else { return }
        try hold(key.recordCount >= 0 && key.failedReleases >= 0, "a count is below 0")
        try hold(try read(key.encoded) == key, "a parked key is read again as another")
        try hold(ParkedKeySelection.all.contains(key), "a parked key is not among all")
        _ = key.since.description
        if let group = key.cause?.group {
            try hold(FailureGroup(group.description) == group, "a group's digits read as another")
        }
    }
}
