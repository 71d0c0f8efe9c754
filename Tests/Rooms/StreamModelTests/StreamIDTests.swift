import StreamModel
import Testing

@Suite struct StreamIDTests {
    private let store = [UInt8](0..<16)
    private let time = Timestamp(milliseconds: 1_700_000_000_123)

    @Test func `the text of an id reads as the id`() throws {
        for id in [StreamID(0), StreamID(1), StreamID(.max), StreamID(store: store, number: 7, createdAt: time)] {
            #expect(id.description.utf8.count == 32)
            #expect(StreamID(id.description) == id)
            #expect(StreamID(id.description.uppercased()) == id)
        }
        for text in [
            "", "7", String(repeating: "0", count: 33), String(repeating: "g", count: 32),
            "+" + String(repeating: "0", count: 31),
        ] {
            #expect(StreamID(text) == nil)
        }
    }

    @Test func `store, number and time of creation each make another id`() {
        var other = store
        other[15] = 99
        let ids = [
            StreamID(store: store, number: 7, createdAt: time), StreamID(store: other, number: 7, createdAt: time),
            StreamID(store: store, number: 8, createdAt: time),
            StreamID(store: store, number: 7, createdAt: time + .milliseconds(1)),
        ]
        #expect(Set(ids).count == ids.count)
        #expect(StreamID(store: store, number: 7, createdAt: time) == ids[0])
    }

    @Test func `a time is found again by its low half and a later bound`() {
        for milliseconds in [0, 5, 1 << 32 - 1, 1 << 32, 1_700_000_000_123, -1, -1 << 40] as [Int64] {
            let time = Timestamp(milliseconds: milliseconds)
            for later in [0, 1, 999, 1 << 32 - 1] as [Int64] {
                let bound = Timestamp(milliseconds: milliseconds + later)
                #expect(Timestamp(low32: time.low32, notAfter: bound) == time)
            }
        }
    }
}
