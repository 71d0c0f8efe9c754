import StreamModel

/// Records as the pieces get them: 100 bytes like JSON, 1,000 keys, 500 records a call.
enum Samples {
    static let callCount = 500
    static let keys = (0..<1000).map { "N\(10_000 + $0)" }
    static let call = records(callCount)

    static func records(_ count: Int) -> [NewRecord] {
        let events = ["page_view", "add_to_cart", "purchase", "search", "login", "logout"]
        let countries = ["DE", "FR", "US", "GB", "JP", "BR", "IN", "SE"]
        var state: UInt64 = 88_172_645_463_325_252
        func random(below limit: UInt64) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % limit)
        }
        return (0..<count).map { index in
            let text =
                #"{"seq":"00000000\#(10_000_000 + index)","user":"user-00\#(1000 + random(below: 9000))","ts":17"#
                + #"\#(10_000_000_000 + random(below: 90_000_000_000)),"event":"\#(events[random(below: 6)])","#
                + #""country":"\#(countries[random(below: 8)])","session_id":"\#(random(below: 1 << 60))"}"#
            return NewRecord(Array(text.utf8.prefix(99)) + [UInt8(ascii: "}")], partitionKey: keys[index % keys.count])
        }
    }

    /// A run of one shard that begins behind `position`; all of them share one chunk.
    static func run(_ count: Int, after position: SequenceNumber = .zero) -> RecordRun {
        RecordRun(
            bytes: chunk.bytes, offsets: chunk.offsets, range: 0..<count, shard: ShardID(0), shardCreationSecond: 0,
            firstSequence: position.advanced(by: 1), arrival: Timestamp(milliseconds: 1))
    }

    private static let chunk = RecordEncoding.chunk(
        of: records(10_000), 0..<10_000, order: nil, sizes: RecordEncoding.sizes(of: records(10_000)))
}
