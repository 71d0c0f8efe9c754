import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline put`
struct PutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Put the lines of files, or of standard input, into a stream.",
        discussion: """
            Each line is a record, without its end. Every LF ends a line. Where the first line of a file ends with CRLF, CRLF \
            is an end as a whole; where it ends with LF alone, a CR before an LF is data. A CR elsewhere is data too, and a \
            file that has CRs but no LF is refused, as its lines may end with CR alone. Records that hold line feeds, or end \
            with CR, can be put with --records.

            Files packed with gzip are unpacked, and a byte-order mark of UTF-8 at the beginning is skipped. Records with the \
            same key stay in order. A record is durable when it is acknowledged; --json prints it then.

            Blank lines are records too, but not with --key-field, --key-column and --records: with these a CR before an LF is \
            never data. Names of members and columns are compared byte by byte, and one that occurs twice is refused. In CSV a \
            field in quotes may hold line ends, and where the header's line ends with CR alone, so may the others.

            Lines that can't be put (no key, too long, not what they should be) are reported as FILE:LINE, the others \
            are put, and the exit code is 65; --strict stops at the first.

            Examples:
              echo hello | shardline put clicks --key me
              shardline put clicks --key-field user clicks.jsonl
              shardline put departures --key-column tailnum flights-2013-01.csv.gz
              tail -F access.log | shardline put access --rate 500
              shardline tail clicks --json | shardline put clicks-copy --records
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Argument(help: "Files to read; - is standard input, which is read when there are none.", completion: .file())
    var files: [String] = []

    @Option(help: "The partition key of all records: 1 to 256 characters. Default: a random one for each record.")
    var key: String?

    @Option(help: ArgumentHelp("Each line is a JSON object, and this member of it is the key.", valueName: "field"))
    var keyField: String?

    @Option(
        help: ArgumentHelp(
            "The files are CSV with a header, and this column is the key. The header itself is not put.",
            valueName: "column"))
    var keyColumn: String?

    @Flag(
        help:
            "Each line is a record as `shardline tail --json` prints it: its key, its explicit hash key and its data are put as they were."
    )
    var records = false

    @Option(
        parsing: .unconditional,
        help: "At most this many records a second, above 0, up to 1,000,000,000. Default: no limit.",
        transform: Amounts.number)
    var rate: Double?

    @Flag(help: "Stop at the first line that can't be put.")
    var strict = false

    @Flag(
        help:
            "Print one line for each record once it is durable, a JSON object: its line in the file, shard, sequence number, key and time."
    )
    var json = false

    @OptionGroup var store: StoreOptions

    func validate() throws {
        guard [key, keyField, keyColumn].count(where: { $0 != nil }) + (records ? 1 : 0) <= 1 else {
            throw ValidationError("give only one of --key, --key-field, --key-column and --records")
        }
        if let rate, !(rate > 0 && rate <= 1e9) {
            throw ValidationError("--rate \(rate) (allowed: above 0, up to 1000000000 records a second)")
        }
        guard files.count(where: { $0 == "-" }) <= 1 else {
            throw ValidationError("standard input can be read only once")
        }
    }

    private var keySource: KeySource {
        if let key { return .fixed(key) }
        if let keyField { return .jsonField(keyField) }
        if let keyColumn { return .csvColumn(keyColumn) }
        if records { return .printedRecord }
        return .random
    }

    func run() async throws {
        // A wrong key fails every record, so it is said once and nothing is read.
        if let key { try NewRecord([], partitionKey: key).validate(maximumRecordSize: 0) }
        let interruption = Interruption.ofProcess
        let pump = try InputPump(paths: files.isEmpty ? ["-"] : files)
        try await withStore(store) { store in
            let stream = try await store.describeStream(name)
            if keySource == .random {
                Output.error.say(
                    "no key is given, so each record gets a random one and they spread over the shards in no order; --key, --key-field or --key-column keep order"
                )
            }
            if pump.isTerminal { Output.error.say("type one record a line; Ctrl-D ends") }
            pump.start(keySource: keySource, maximumRecordSize: stream.maximumRecordSize)
            var run = PutRun(
                stream: store.stream(name), pump: pump, rate: rate, isStrict: strict, printsJSON: json,
                interruption: interruption)
            try await run.run()
        }
    }
}
