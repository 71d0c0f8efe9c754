import StreamModel

@testable import EventSource

/// Records without a store.
enum Records {
    static let arrival = Timestamp(milliseconds: 1_545_084_650_987)
    static let creation: UInt64 = 1_545_000_000

    static func batch(
        _ texts: [String], keys: [String] = ["k1"], from first: UInt64 = 1, shard: UInt32 = 6,
        arrival: Timestamp = Records.arrival
    ) -> RecordBatch {
        var bytes: [UInt8] = []
        for (index, text) in texts.enumerated() {
            RecordEncoding.append(NewRecord(text, partitionKey: keys[index % keys.count]), to: &bytes)
        }
        let offsets = RecordEncoding.offsets(of: texts.count, in: bytes.span)!
        return RecordBatch([
            RecordRun(
                bytes: bytes, offsets: offsets, range: 0..<texts.count, shard: ShardID(shard),
                shardCreationSecond: creation, firstSequence: SequenceNumber(first), arrival: arrival)
        ])
    }

    static func unit(_ texts: [String]) -> LaneCore.Unit {
        LaneCore.Unit(id: 1, records: batch(texts), origin: .batch(.size))
    }

    static func giveUp(
        _ records: RecordBatch, condition: GiveUpCondition = .retryAttemptsExhausted, invocations: Int = 2,
        response: LaneCore.GiveUp.Response? = .init(functionError: "Unhandled"),
        failure: LaneCore.FunctionFailure? = .init("boom \"x\"", type: "Oops")
    ) -> LaneCore.GiveUp {
        LaneCore.GiveUp(
            lane: 0, condition: condition, first: records[0].sequenceNumber,
            last: records[records.count - 1].sequenceNumber,
            count: records.count, records: records, invocations: invocations, lastInvocation: 1, response: response,
            failure: failure, unit: 1, takenThrough: nil)
    }

    static let names = ResourceNames(stream: "s", mapping: "m", configuration: .init())
}
