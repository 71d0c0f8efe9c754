import StreamModel
import TestSupport
import Testing

@testable import EventSource

/// The table of a shard's parked keys finds what is in it, and nothing else (ESM-N1).
@Suite struct ParkedKeysTests {
    private static func key(_ text: String, appended: UInt64) -> ParkedKey {
        var key = ParkedKey(text, shard: ShardID(0), since: Timestamp(milliseconds: 1))
        key.appended = appended
        return key
    }

    private static func run(_ keys: [String]) -> RecordRun {
        var bytes: [UInt8] = []
        var offsets: [UInt32] = []
        for key in keys {
            offsets.append(UInt32(bytes.count))
            RecordEncoding.append(NewRecord("data", partitionKey: key), to: &bytes)
        }
        offsets.append(UInt32(bytes.count))
        return RecordRun(
            bytes: bytes, offsets: offsets, range: 0..<keys.count, shard: ShardID(0), shardCreationSecond: 1,
            firstSequence: SequenceNumber(1), arrival: Timestamp(milliseconds: 1))
    }

    @Test(arguments: [4, 40, 400]) func `ESM-N1 keys that come and go are found by their text and by records`(
        count: Int
    ) {
        var random = SeededRandom(UInt64(count))
        let texts = (0..<count).map { $0 % 3 == 0 ? "é-\($0)" : "key-\($0)" }
        let run = Self.run(texts)
        var keys = ParkedKeys()
        var model: [UTF8Key: UInt64] = [:]
        for step in 0..<20 * count {
            let index = random.below(count)
            let text = texts[index]
            switch random.below(4) {
            case 0:
                keys[text] = nil
                model[UTF8Key(text)] = nil
            case 1:
                keys.update(text) { $0.appended += 1 }
                model[UTF8Key(text)]? += 1
            default:
                keys[text] = Self.key(text, appended: UInt64(step))
                model[UTF8Key(text)] = UInt64(step)
            }
            #expect(keys.slot(of: run, at: index).map { keys[$0].appended } == model[UTF8Key(text)])
        }
        #expect(keys.count == model.count && keys.waiting == Int(model.values.reduce(0, +)))
        #expect(keys.all.map { UTF8Key($0.partitionKey) } == model.keys.sorted())
        for (index, text) in texts.enumerated() {
            #expect(keys[text]?.appended == model[UTF8Key(text)])
            #expect(keys.contains(run, at: index) == (model[UTF8Key(text)] != nil))
        }
    }

    @Test func `ESM-N1 a batch is of parked keys, of others, or of both`() {
        var keys = ParkedKeys()
        keys["a"] = Self.key("a", appended: 1)
        keys["b"] = Self.key("b", appended: 1)
        let (parked, others, both) = (
            RecordBatch([Self.run(["a", "b"])]), RecordBatch([Self.run(["c", "aa"])]),
            RecordBatch([Self.run(["a", "a"]), Self.run(["c"])])
        )
        #expect(keys.holds(parked, all: true) && !keys.holds(parked, all: false))
        #expect(keys.holds(others, all: false) && !keys.holds(others, all: true))
        #expect(!keys.holds(both, all: true) && !keys.holds(both, all: false))
        #expect(keys.divide(both).parked.count == 2 && keys.divide(both).others.count == 1)
    }

    @Test func `ESM-N2 a stored value tells whether records are handed back, without being read as a whole`() {
        for (done, released) in [(0, 0), (0, 7), (7, 7), (6, 10_000)] as [(UInt64, UInt64)] {
            var key = Self.key("a", appended: 10_000)
            key.episode = UInt64(Int64.max)
            (key.done, key.released) = (done, released)
            #expect(ParkedKey.isReleased(key.encoded) == (released > done))
        }
        for text in ["", "{}", #"{"since":1}"#, #"{"since":1,"episode":1,"appended":1,"done":1,"released":2"#] {
            #expect(ParkedKey.isReleased(Array(text.utf8)) == nil)
        }
        let other = #"{ "since": 1, "episode": 1, "appended": 1, "done": 0, "released": 1, "releasing": true }"#
        #expect(ParkedKey.isReleased(Array(other.utf8)) == nil)
    }
}
