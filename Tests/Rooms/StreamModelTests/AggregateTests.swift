import StreamModel
import TestSupport
import Testing

/// Aggregates of the Kinesis Producer Library, and everything that only looks like one.
@Suite struct AggregateTests {
    typealias User = AggregateEncoder.User

    static func record(_ data: [UInt8], number: UInt64 = 7, key: String = "outer") -> Record {
        Record(
            NewRecord(data, partitionKey: key, explicitHashKey: HashKey(3)), shard: ShardID(2), shardCreationSecond: 9,
            sequenceNumber: SequenceNumber(number), approximateArrivalTimestamp: Timestamp(milliseconds: 5))
    }

    static func users(_ data: [UInt8]) -> [User] {
        record(data).deaggregated().map {
            User($0.partitionKey, hashKey: $0.explicitHashKey?.description, Array($0.bytes))
        }
    }

    /// Whether the data is one user record: the record as it is.
    static func isAsItIs(_ data: [UInt8]) -> Bool {
        let users = record(data).deaggregated()
        guard users.count == 1, !users[0].isAggregated else { return false }
        return users[0].partitionKey == "outer" && Array(users[0].bytes) == data && users[0].subSequenceNumber == 0
            && users[0].explicitHashKey == HashKey(3)
    }

    static let sample = [
        User("a", Array("one".utf8)), User("b", hashKey: "340282366920938463463374607431768211455", []),
        User("a", hashKey: "0", [0, 255], tags: [("k", "v"), ("only a key", nil)]), User("ключ", [7]),
    ]

    @Test func `API-K-4 API-V-6 the published vector is two user records`() {
        let hex = "f3899ac20a01610a01621a0708001a036f6e651a0708011a0374776f7896626e4b54750e07fcfeb458e8a37e"
        let vector = stride(from: 0, to: hex.count, by: 2).map { at in
            UInt8(hex.dropFirst(at).prefix(2), radix: 16)!
        }
        let expected = [User("a", Array("one".utf8)), User("b", Array("two".utf8))]
        #expect(vector.count == 44)
        #expect(Self.users(vector) == expected)
        #expect(AggregateEncoder.aggregate(expected) == vector)
    }

    @Test func `API-K-5 user records have the place of their record and a number of their own`() {
        let record = Self.record(AggregateEncoder.aggregate(Self.sample))
        for (index, user) in record.deaggregated().enumerated() {
            #expect(user.isAggregated && user.subSequenceNumber == index)
            #expect(user.sequenceNumber == record.sequenceNumber && user.shard == record.shard)
            #expect(user.approximateArrivalTimestamp == record.approximateArrivalTimestamp)
            #expect(user.kinesisSequenceNumber == record.kinesisSequenceNumber)
            #expect(user.record.bytes == record.bytes)
            #expect(user.data.count == user.bytes.count)
        }
        let hashed = record.deaggregated()
        #expect(hashed[0].hashKey == HashKey(partitionKey: "a") && hashed[1].hashKey == HashKey(.max))
    }

    @Test func `API-K-4 what any producer encodes is read, with tables of any order`() {
        var random = SeededRandom(11)
        for _ in 0..<300 {
            let users = (0..<random.pick(1...40)).map { _ in
                User(
                    random.pick(["", "k", "é", "e\u{301}", String(repeating: "long", count: 64)]),
                    hashKey: random.once(in: 3) ? "\(random.next())" : nil, random.bytes(random.below(300)),
                    tags: random.once(in: 5) ? [("t", random.once(in: 2) ? "v" : nil)] : [])
            }
            #expect(Self.users(AggregateEncoder.aggregate(users)) == users)
        }
    }

    @Test func `API-K-4 the tables may stand after the records`() {
        let message = AggregateEncoder.message([User("a", hashKey: "5", [1])])
        // Key "a" and hash key "5" have three bytes each.
        let turned = Array(message.dropFirst(6)) + message.prefix(6)
        #expect(Self.users(AggregateEncoder.sealed(turned)) == [User("a", hashKey: "5", [1])])
    }

    @Test func `API-K-5 an aggregate that is cut, longer, or has a flipped bit is passed on as it is`() {
        let whole = AggregateEncoder.aggregate(Self.sample)
        for length in 0..<whole.count { #expect(Self.isAsItIs(Array(whole.prefix(length)))) }
        #expect(Self.isAsItIs(whole + [0]))
        for bit in 0..<whole.count * 8 {
            var flipped = whole
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(Self.isAsItIs(flipped), "bit \(bit)")
        }
    }

    @Test func `API-K-5 a message that is cut or goes on is passed on as it is, though its digest is right`() {
        let message = AggregateEncoder.message([User("a", hashKey: "77", [1, 2, 3], tags: [("k", "v")])])
        for length in 0..<message.count {
            #expect(Self.isAsItIs(AggregateEncoder.sealed(Array(message.prefix(length)))), "\(length) bytes")
        }
        for end: [UInt8] in [
            [0], [0x0A], [0x0A, 5, 1], [8], [8, 0x80], [9, 1, 2, 3], [0x0D, 1], [0x0E], [0x0F], [0x1A, 0],
        ] {
            #expect(Self.isAsItIs(AggregateEncoder.sealed(message + end)), "\(end)")
        }
    }

    @Test func `API-K-4 fields that nobody knows are passed over`() {
        typealias Encoder = AggregateEncoder
        let unknown: [[UInt8]] = [
            Encoder.number(9, .max), Encoder.bytes(15, [1, 2, 3]), [0x39] + [UInt8](repeating: 1, count: 8),
            [0x3D] + [UInt8](repeating: 1, count: 4), Encoder.varint(536_870_911 << 3) + [0],
            // A group with fields and a group in it.
            [0x2B] + Encoder.number(1, 5) + [0x33, 0x34] + Encoder.bytes(2, [0x34]) + [0x2C],
            // A known field of another type is unknown.
            Encoder.number(3, 1), [0x0D, 1, 2, 3, 4],
        ]
        for field in unknown {
            let record = field + Encoder.number(1, 0) + Encoder.bytes(3, [8])
            let message = field + Encoder.bytes(1, [0x61]) + Encoder.bytes(3, record) + field
            // In a record, field 3 is its data, and another type of it is unknown as well.
            #expect(Self.users(Encoder.sealed(message)) == [User("a", [8])], "\(field)")
        }
    }

    @Test func `API-K-5 groups that don't end, end as others or are too deep are no aggregate`() {
        let message = AggregateEncoder.message([User("a", [1])])
        for group: [UInt8] in [[0x2B], [0x2B, 0x34], [0x2C], [0x2B, 0x33, 0x2C, 0x34], [0x2B, 0x01, 0x2C]] {
            #expect(Self.isAsItIs(AggregateEncoder.sealed(message + group)), "\(group)")
        }
        func nested(_ depth: Int) -> [UInt8] {
            [UInt8](repeating: 0x2B, count: depth) + [UInt8](repeating: 0x2C, count: depth)
        }
        #expect(Self.users(AggregateEncoder.sealed(message + nested(100))) == [User("a", [1])])
        #expect(Self.isAsItIs(AggregateEncoder.sealed(message + nested(101))))
    }

    @Test func `API-K-5 numbers over 64 bits, tags over 32 and field 0 are no aggregate`() {
        let message = AggregateEncoder.message([User("a", [1])])
        let ones = [UInt8](repeating: 0xFF, count: 9)
        let zeros = [UInt8](repeating: 0x80, count: 9)
        for field in [
            [0x28] + ones + [2], [0x28] + ones + [0x80, 1], [0x28] + ones, [0x00, 1], zeros + [1, 0],
            [0x80, 0x80, 0x80, 0x80, 0x10, 0], [0x2A] + ones + [1],
        ] {
            #expect(Self.isAsItIs(AggregateEncoder.sealed(message + field)), "\(field)")
        }
        // The largest number, and one that is longer than needed.
        for field in [[0x28] + ones + [1], [0x28] + zeros + [0]] {
            #expect(Self.users(AggregateEncoder.sealed(message + field)) == [User("a", [1])], "\(field)")
        }
    }

    @Test func `API-K-5 an index that is missing or out of range is no aggregate`() {
        typealias Encoder = AggregateEncoder
        func aggregate(_ record: [UInt8], hashKey: String = "5") -> [UInt8] {
            Encoder.sealed(Encoder.bytes(1, [0x61]) + Encoder.bytes(2, Array(hashKey.utf8)) + Encoder.bytes(3, record))
        }
        #expect(Self.users(aggregate(Encoder.number(1, 0) + Encoder.bytes(3, []))) == [User("a", [])])
        for record in [
            Encoder.bytes(3, [1]), Encoder.number(1, 0), Encoder.number(1, 1) + Encoder.bytes(3, [1]),
            Encoder.number(1, 1 << 32) + Encoder.bytes(3, [1]), Encoder.number(1, .max) + Encoder.bytes(3, [1]),
            Encoder.number(1, 0) + Encoder.number(2, 1) + Encoder.bytes(3, [1]),
            Encoder.number(1, 0) + Encoder.number(2, UInt64(UInt32.max)) + Encoder.bytes(3, [1]),
            Encoder.number(1, 0) + Encoder.number(2, .max) + Encoder.bytes(3, [1]),
            // Packed, which no field here may be.
            Encoder.bytes(1, [0]) + Encoder.bytes(3, [1]),
            // A tag without its key, and one that is cut.
            Encoder.number(1, 0) + Encoder.bytes(3, [1]) + Encoder.bytes(4, Encoder.bytes(2, [0x61])),
            Encoder.number(1, 0) + Encoder.bytes(3, [1]) + Encoder.bytes(4, [0x0A, 5]),
        ] { #expect(Self.isAsItIs(aggregate(record)), "\(record)") }
        let hashed = Encoder.number(1, 0) + Encoder.number(2, 0) + Encoder.bytes(3, [1])
        #expect(Self.users(aggregate(hashed)) == [User("a", hashKey: "5", [1])])
        for text in [
            "", "-1", "+1", "5 ", "x", "340282366920938463463374607431768211456", String(repeating: "9", count: 60),
        ] {
            #expect(Self.isAsItIs(aggregate(hashed, hashKey: text)), "\(text)")
            // Nobody needs this one.
            #expect(!Self.isAsItIs(aggregate(Encoder.number(1, 0) + Encoder.bytes(3, [1]), hashKey: text)))
        }
        // Of a repeated field the last one counts.
        #expect(
            Self.users(
                aggregate(Encoder.number(1, 9) + Encoder.bytes(3, [1]) + Encoder.number(1, 0) + Encoder.bytes(3, [2])))
                == [User("a", [2])])
    }

    @Test func `API-K-5 a partition key that is no text is no aggregate`() {
        let message = AggregateEncoder.bytes(1, [0xC3, 0x28]) + AggregateEncoder.bytes(3, [8, 0, 0x1A, 0])
        #expect(Self.isAsItIs(AggregateEncoder.sealed(message)))
    }

    @Test func `API-K-5 an aggregate without user records is passed on as it is, so no record is left out`() {
        #expect(Self.isAsItIs(AggregateEncoder.sealed([])))
        #expect(Self.isAsItIs(AggregateEncoder.sealed(AggregateEncoder.bytes(1, [0x61]))))
        #expect(Self.isAsItIs([]))
    }

    @Test func `API-K-5 a batch gives its user records in order, plain records among them`() {
        let pair = AggregateEncoder.aggregate([User("x", [1]), User("y", [2])])
        let batch = RecordBatch([
            Self.record([9], number: 1), Self.record(pair, number: 2), Self.record(pair, number: 5),
            Self.record([8], number: 6),
        ])
        let found = batch.deaggregated().map { "\($0.sequenceNumber).\($0.subSequenceNumber) \($0.partitionKey)" }
        #expect(found == ["1.0 outer", "2.0 x", "2.1 y", "5.0 x", "5.1 y", "6.0 outer"])
        #expect(Array(RecordBatch().deaggregated()).isEmpty)
    }

    @Test func `a user record that is kept does not depend on its batch`() {
        var kept: [UserRecord] = []
        do {
            let batch = RecordBatch([Self.record(AggregateEncoder.aggregate(Self.sample))])
            kept = Array(batch.deaggregated())
        }
        #expect(kept.map { Array($0.bytes) } == Self.sample.map(\.data))
    }
}
