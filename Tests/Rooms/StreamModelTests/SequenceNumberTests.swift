import StreamModel
import TestSupport
import Testing

@Suite struct SequenceNumberTests {
    /// API-Q-1, API-V-2 and API-V-3
    @Test(
        arguments: [
            (0, 1_700_000_000, 0, 1_700_000_000, "49646437577108476416916876405825929425585429676275269634"),
            (0, 1_700_000_000, 1, 1_700_000_100, "49646437577108476416916876405827138351405051177397649410"),
            (
                0, 1_700_000_000, UInt64(Int64.max), 1_700_000_200,
                "49646437577119626789516141717395488358902152971748900866"
            ),
            (17, 1_700_000_000, 1, 1_700_000_100, "49646437577130777162115407028968674069677699538903630098"),
            (1, 1_700_000_201, 0, 1_700_000_201, "49646437648849973720589891052146335108695222453629091858"),
        ] as [(UInt32, UInt64, UInt64, UInt64, String)])
    func `a sequence number is written and read as Kinesis does`(
        shard: UInt32, created: UInt64, counter: UInt64, arrival: UInt64, text: String
    ) {
        let number = KinesisSequenceNumber(
            shard: ShardID(shard), shardCreationSecond: created, sequenceNumber: SequenceNumber(counter),
            arrivalSecond: arrival)
        #expect(number.description == text)
        #expect(KinesisSequenceNumber(text) == number)
    }

    /// API-Q-1: the number is 2 · creation second · low nibble of the shard · counter · 00 · arrival second · shard · 2 in
    /// hexadecimal digits.
    @Test func `the digits are those of the number, whatever it is`() {
        func hexadecimal(_ value: UInt64, _ count: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: count - digits.count) + digits
        }
        var random = SeededRandom(7)
        for round in 0..<2_000 {
            // Small ones, too, and such with many zeros and nines.
            let width = round % 63 + 1
            let number = KinesisSequenceNumber(
                shard: ShardID(UInt32(random.next() & 0x7FFF_FFFF)),
                shardCreationSecond: random.next() % 16_025_175_000,
                sequenceNumber: SequenceNumber(random.next() & (1 << width - 1)),
                arrivalSecond: random.next() & 0xF_FFFF_FFFF)
            let shard = UInt64(number.shard.number)
            let text =
                "2" + hexadecimal(number.shardCreationSecond, 9) + hexadecimal(shard & 15, 1)
                + hexadecimal(number.sequenceNumber.rawValue, 16) + "00" + hexadecimal(number.arrivalSecond, 9)
                + hexadecimal(shard, 8) + "2"
            var decimal = [0]
            for digit in text {
                var carry = digit.hexDigitValue!
                for place in decimal.indices {
                    carry += decimal[place] * 16
                    decimal[place] = carry % 10
                    carry /= 10
                }
                while carry > 0 {
                    decimal.append(carry % 10)
                    carry /= 10
                }
            }
            #expect(number.description == decimal.reversed().map(String.init).joined())
            #expect(KinesisSequenceNumber(number.description) == number)
        }
    }

    /// API-Q-6
    @Test(arguments: [
        "", "0", "5", "TRIM_HORIZON", "49646437577108476416916876405825929425585429676275269635",
        "99646437577108476416916876405825929425585429676275269634",
        "4964643757710847641691687640582592942558542967627526963",
        "496464375771084764169168764058259294255854296762752696344",
        "-9646437577108476416916876405825929425585429676275269634",
    ])
    func `text that is no sequence number is refused`(text: String) {
        #expect(KinesisSequenceNumber(text) == nil)
    }

    @Test(arguments: [0, 1, 999, 951_782_400_000, 1_573_691_884_835, 4_102_444_799_999] as [Int64])
    func `a timestamp reads as ISO 8601`(milliseconds: Int64) {
        let expected: [Int64: String] = [
            0: "1970-01-01T00:00:00.000Z", 1: "1970-01-01T00:00:00.001Z", 999: "1970-01-01T00:00:00.999Z",
            951_782_400_000: "2000-02-29T00:00:00.000Z", 1_573_691_884_835: "2019-11-14T00:38:04.835Z",
            4_102_444_799_999: "2099-12-31T23:59:59.999Z",
        ]
        #expect(Timestamp(milliseconds: milliseconds).description == expected[milliseconds])
    }
}
