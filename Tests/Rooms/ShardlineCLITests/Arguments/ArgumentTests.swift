import ArgumentParser
import StreamModel
import StreamStorage
import Testing

@testable import ShardlineCLI

@Suite struct ArgumentTests {
    @Test(
        arguments: [
            ("90", 90_000), ("500ms", 500), ("1.5h", 5_400_000), ("24h", 86_400_000), ("7d", 604_800_000),
            ("2w", 1_209_600_000), ("0", 0), ("5m", 300_000),
            // Too long for anything, which the command that takes it says.
            ("99999999999999999999d", 1 << 52),
        ])
    func `times are read`(text: String, milliseconds: Int64) throws {
        #expect(try Amounts.duration(text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "h", "-5s", "5 s", "5y", "1e3s", ".5h", "nan"])
    func `what is no time is refused with what is allowed`(text: String) {
        let error = #expect(throws: ArgumentProblem.self) { try Amounts.duration(text) }
        #expect(error?.description.contains("such as 500ms") == true)
    }

    @Test(arguments: [("65536", 65_536), ("256KiB", 262_144), ("2MiB", 2_097_152), ("1MB", 1_000_000), ("1.5k", 1536)])
    func `sizes are read`(text: String, bytes: Int) throws { #expect(try Amounts.bytes(text) == bytes) }

    @Test(
        arguments: [
            ("2019-11-14T00:38:04.835Z", 1_573_691_884_835), ("1970-01-01", 0), ("2000-02-29T12:00", 951_825_600_000),
            ("2019-11-14T01:38:04.8+01:00", 1_573_691_884_800), ("2019-11-13T22:08:04-0230", 1_573_691_884_000),
            ("1969-12-31T23:59:59.999Z", -1), ("2100-03-01 00:00:00", 4_107_542_400_000),
        ])
    func `moments are read, and written as they were read`(text: String, milliseconds: Int64) throws {
        let moment = try #require(Timestamp(iso8601: text))
        #expect(moment.milliseconds == milliseconds)
        #expect(Timestamp(iso8601: moment.description) == moment)
    }

    @Test(
        arguments: [
            "", "2019", "2019-13-01", "2019-02-29", "2100-02-29", "2019-11-14T24:00", "2019-11-14T",
            "2019-11-14T00:38:",
            "2019-11-14T00:38:04.", "2019-11-14T00:38:04ZZ", "2019-11-14T00:38+1", "19-11-14",
        ])
    func `what is no moment is refused`(text: String) { #expect(Timestamp(iso8601: text) == nil) }

    @Test func `positions are read`() throws {
        let number = KinesisSequenceNumber(
            shard: ShardID(3), shardCreationSecond: 1_700_000_000, sequenceNumber: SequenceNumber(17),
            arrivalSecond: 1_700_000_100)
        let now = Timestamp(milliseconds: 1_000_000)
        #expect(try Position("trim-horizon") == .trimHorizon)
        #expect(try Position("TRIM_HORIZON").starting(now: now) == .trimHorizon)
        #expect(try Position("latest").starting(now: now) == .latest)
        #expect(try Position("15m").starting(now: now) == .atTimestamp(Timestamp(milliseconds: 100_000)))
        #expect(try Position("1970-01-01T00:00:01Z").starting(now: now) == .atTimestamp(Timestamp(milliseconds: 1000)))
        #expect(try Position("\(number)").starting(now: now) == .at(number))
        #expect(try Position("\(number)").shard == ShardID(3))
        #expect(try Position("17") == .number(SequenceNumber(17)))
        #expect(try Position("17").starting(now: now) == .atSequenceNumber(SequenceNumber(17)))
        for text in ["", "newest", "+17", "9223372036854775808", "495900000000000000000000", "yesterday", "2019-13-01"]
        {
            #expect(throws: ArgumentProblem.self) { try Position(text) }
        }
    }

    @Test(
        arguments: [
            ("1769848200.000", 1_769_848_200_000), ("1769848200.123", 1_769_848_200_123),
            ("1769848200.1", 1_769_848_200_100),
            ("1769848200.0459", 1_769_848_200_045), ("0.0", 0), ("0001.5", 1_500),
            ("4503599627370.4", 4_503_599_627_370_400),
        ])
    func `seconds since 1970 have a point`(text: String, milliseconds: Int64) throws {
        #expect(try Position(text) == .at(Timestamp(milliseconds: milliseconds)))
    }

    @Test(
        arguments: [
            ("-5m", 300), ("5m", 300), ("-90s", 90), ("-2h", 7_200), ("-1d", 86_400), ("-1.5h", 5_400), ("1.5h", 5_400),
            ("-0s", 0),
        ])
    func `an age may have a sign`(text: String, seconds: Int) throws {
        #expect(try Position(text) == .ago(.seconds(seconds)))
    }

    @Test(
        arguments: [
            "-5", "--5m", "+5m", "- 5m", "-", "1769848200.", ".5", "1.2.3", "-1769848200.0", "1769848200,5", "1e9",
            "1.5e3",
            "99999999999999999999.0", "4503599627370497.0", "١٧.٠", "-5m ", "0x10.0",
        ])
    func `what is neither a time nor a number is refused with what is allowed`(text: String) {
        let error = #expect(throws: ArgumentProblem.self) { try Position(text) }
        #expect(error?.description.contains("1769848200.000") == true && error?.description.contains("-15m") == true)
    }

    @Test func `a place in one shard says which, a plain number needs it named`() throws {
        let three = KinesisSequenceNumber(
            shard: ShardID(3), shardCreationSecond: 1, sequenceNumber: SequenceNumber(17), arrivalSecond: 2)
        #expect(try Position("\(three)").onlyShard(given: nil) == ShardID(3))
        #expect(try Position("17").onlyShard(given: ShardID(2)) == ShardID(2))
        #expect(throws: CommandFailure.self) { try Position("17").onlyShard(given: nil) }
        #expect(throws: CommandFailure.self) { try Position("\(three)").onlyShard(given: ShardID(2)) }
        #expect(try Position("latest").onlyShard(given: nil) == nil)
    }

    @Test func `a time that is still to come is refused with what is allowed`() throws {
        let now = Timestamp(milliseconds: 1_000_000)
        #expect(try Position("1970-01-01T00:16:40Z").starting(now: now) == .atTimestamp(now))
        let error = #expect(throws: CommandFailure.self) { try Position("1970-01-01T00:16:41Z").starting(now: now) }
        #expect(error?.status == .usage && error?.message?.contains("a time that has passed, or latest") == true)
    }

    @Test func `examples in the help fit in a line of 80 characters`() {
        func check(_ command: any ParsableCommand.Type) {
            for line in command.configuration.discussion.split(separator: "\n") where line.hasPrefix("  ") {
                #expect(line.count <= 80, "\(line)")
            }
            for below in command.configuration.subcommands { check(below) }
        }
        check(ShardlineCommand.self)
    }
}
