import ArgumentParser
import DataFormats
import Foundation
import SegmentStorage
import StreamModel
import ThroughputBench

/// `shardline bench`
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure ordered throughput on this machine, and prove that nothing was lost.",
        discussion: """
            Producers put records into a new store while a mapping consumes them, with its checkpoints in the store. \
            Every record carries a number that its producer wrote into it; order and completeness are judged by these \
            numbers, and by holding every receipt against what came. A record that is lost, comes twice, out of order \
            or in the wrong shard is named, and the exit code is 1.

            With --exec a record counts as consumed when the command says that it is done. What fails is tried again, \
            five times after short pauses, and then given up. The exit code is 1 where records were given up, and where \
            the command does nothing but fail, which ends the run.

            --floor measures beside it what the disk allows: a small write that is synced, and large ones. Where that \
            itself changed by more than a factor of 2 during the run, the run is void and says so.

            --endpoint measures a server of the Kinesis API in the same way, Shardline's (`shardline serve`) or another: in a \
            stream that it makes there, and deletes. Records are put by PutRecords, and one reader a shard takes them by \
            GetRecords. Requests are signed where AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set.

            Examples:
              shardline bench
              shardline bench --size 100 --shards 1,4,64,1024 --floor
              shardline bench --size 100 --rate 10000 --records 100000
              shardline bench --records 20000 --call-time 5ms --parallelization-factor 10
              shardline bench --input orders.jsonl --key-field customer --exec ./totals.py
              shardline bench --endpoint http://127.0.0.1:4567 --size 100 --server-pid 1234
              shardline bench --endpoint http://127.0.0.1:4567 --subscribe --rate 1000
            """)

    @Option(
        parsing: .unconditional,
        help: "How many records are put: 1 to 1,000,000,000,000. Default: 1,000,000, or each of the input's once.",
        transform: Amounts.wholeNumber)
    var records: Int?

    @Option(
        parsing: .unconditional, help: "Bytes of one record: 24 to 1 MiB. Default: 1024.",
        transform: Amounts.givenBytes)
    var size: Given<Int>?

    @Option(
        help: ArgumentHelp(
            "Put the lines of this file (- is standard input) instead of generated records.", valueName: "file"),
        completion: .file())
    var input: String?

    @Option(
        help: ArgumentHelp(
            "The input's lines are JSON objects, and this member is the key. Default: a random key for each record.",
            valueName: "field"))
    var keyField: String?

    @Option(help: ArgumentHelp("The input is CSV with a header, and this column is the key.", valueName: "column"))
    var keyColumn: String?

    @Flag(help: "Generate records that don't compress.")
    var random = false

    @Option(
        help: ArgumentHelp(
            "Shards of the stream, 1 to 10,000; several numbers make several runs. Default: 4.", valueName: "n,n,…"),
        transform: BenchCommand.numbers)
    var shards = [4]

    @Option(
        parsing: .unconditional, help: "Mappings that consume, each on its own: 1 to 100. Default: 1.",
        transform: Amounts.wholeNumber)
    var mappings: Int?

    @Option(
        parsing: .unconditional, help: "Producers at work at once: 1 to 255. Default: 4.",
        transform: Amounts.wholeNumber)
    var producers = 4

    @Option(
        parsing: .unconditional, help: "Records in one call of a producer: 1 to 100,000. Default: 500.",
        transform: Amounts.wholeNumber)
    var batch = 500

    @Option(
        parsing: .unconditional, help: "The mapping's batch size: 1 to 10,000. Default: 100, as consume's.",
        transform: Amounts.wholeNumber)
    var consumerBatch: Int?

    @Option(
        parsing: .unconditional,
        help:
            "The batches of a shard that are with the function at the same time: 1 to 10. Not with --exec. Default: 1.",
        transform: Amounts.wholeNumber)
    var parallelizationFactor: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How long each call of the function waits, up to 60s, as one that asks another system does. Not with --exec. Default: 0.",
            valueName: "time"),
        transform: Amounts.duration)
    var callTime: Duration?

    @Option(
        help: ArgumentHelp(
            "When a record is acknowledged: synced (it is on the disk), or interval:TIME, above 0, up to 60s (it will be by then). Default: synced.",
            valueName: "durability"),
        transform: BenchCommand.durability)
    var durability: SegmentStore.Durability?

    @Option(
        parsing: .unconditional,
        help:
            "Put this many records a second, 1 to 100,000,000, each when it is due, and measure from that moment. Default: as many as possible.",
        transform: Amounts.number)
    var rate: Double?

    @Option(
        help: ArgumentHelp(
            "Let this command consume, as `shardline consume --exec` does. Default: a function in Swift.",
            valueName: "cmd"))
    var exec: String?

    @Flag(help: "With --exec: take any JSON as an answer for success, as consume's option does.")
    var acceptAnyJson = false

    @Flag(help: "Begin to consume when half of the records are put.")
    var consumeFromHalf = false

    @Flag(help: "Measure what the disk allows, before and after.")
    var floor = false

    @Option(
        help: ArgumentHelp(
            "Where the store is made, and removed again; SHARDLINE_DATA is not used. Default: among the system's temporary files, which may be memory.",
            valueName: "dir"), completion: .directory)
    var data: String?

    @OptionGroup var server: EndpointOptions

    @Flag(help: "Print one line for each run, a JSON object.")
    var json = false

    @Flag(name: .shortAndLong, help: "Say on standard error what happens inside.")
    var verbose = false

    func validate() throws {
        guard input == nil || (size == nil && !random) else {
            throw ValidationError("--input has its own sizes; leave out --size and --random")
        }
        guard input != nil || (keyField == nil && keyColumn == nil) else {
            throw ValidationError("--key-field and --key-column say where the keys of --input FILE are")
        }
        guard exec == nil || (parallelizationFactor ?? 1 == 1 && callTime ?? .zero == .zero) else {
            throw ValidationError(
                "--parallelization-factor and --call-time are for the bench's own function; leave out --exec")
        }
        guard keyField == nil || keyColumn == nil else {
            throw ValidationError("give only one of --key-field and --key-column")
        }
        try server.validate(beside: optionsOfStore)
    }

    /// The given options that say something about the bench's own store and mappings.
    private var optionsOfStore: [String] {
        [
            ("--mappings", mappings != nil), ("--consumer-batch", consumerBatch != nil),
            ("--parallelization-factor", parallelizationFactor != nil), ("--call-time", callTime != nil),
            ("--durability", durability != nil), ("--exec", exec != nil), ("--accept-any-json", acceptAnyJson),
            ("--floor", floor), ("--data", data != nil), ("--verbose", verbose),
        ].filter(\.1).map(\.0)
    }

    func run() async throws {
        var settings = try await settings()
        // All that can be wrong is said before the first run.
        for count in shards {
            settings.shards = count
            try settings.validate(size: size?.text)
            try server.validate(settings)
        }
        if let exec { try await CommandCheck.check(exec) }
        var reports: [BenchReport] = []
        for count in shards {
            settings.shards = count
            let report = try await report(settings)
            reports.append(report)
            if json { try Output.standard.write(json: Array((Self.json(report) + "\n").utf8)) }
        }
        if !json { try BenchTable(reports: reports).print(to: Output.standard) }
        for report in reports where report.isVoid {
            Output.error.say(
                "the run with \(Readable.count(report.shards, "shard")) is void: the disk itself varied by a factor of \(BenchTable.decimal(report.floor?.variation ?? 0, 1)) meanwhile; run it again on a quiet machine"
            )
        }
        if let wrong = reports.first(where: { !$0.isProved }) {
            throw CommandFailure(
                .failed,
                "with \(Readable.count(wrong.shards, "shard")) the log was not in order: \(wrong.violations.first ?? "records are missing")"
            )
        }
        if let failed = reports.first(where: { !$0.isDone }) {
            throw CommandFailure(.failed, BenchTable.failure(of: failed))
        }
    }

    private func settings() async throws -> BenchSettings {
        var settings = BenchSettings()
        if let input {
            settings.data = .given(try await BenchInput(path: input, keySource: keySource).read())
        } else {
            let size = size?.value ?? 1024
            settings.data = random ? .random(size: size) : .json(size: size)
        }
        if let records {
            settings.records = records
        } else if case .given(let given) = settings.data {
            settings.records = given.count
        }
        settings.mappings = mappings ?? 1
        settings.producers = producers
        settings.batch = batch
        settings.consumerBatch = consumerBatch
        settings.parallelizationFactor = parallelizationFactor ?? 1
        settings.callTime = callTime ?? .zero
        settings.durability = durability ?? .synced
        settings.rate = rate
        settings.consumesFromHalf = consumeFromHalf
        settings.measuresFloor = floor
        return settings
    }

    private func report(_ settings: BenchSettings) async throws -> BenchReport {
        if server.endpoint != nil { return try await server.report(settings) }
        return try await BenchRunner(
            settings: settings, command: exec, acceptsAnyJSON: acceptAnyJson, parent: data, verbose: verbose
        ).run()
    }

    private var keySource: KeySource {
        if let keyField { return .jsonField(keyField) }
        if let keyColumn { return .csvColumn(keyColumn) }
        return .random
    }

    private static func json(_ report: BenchReport) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(report), as: UTF8.self)
    }

    private static func numbers(_ text: String) throws -> [Int] {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        guard !numbers.isEmpty, numbers.allSatisfy({ $0 != nil }) else {
            throw ArgumentProblem(description: "numbers with commas between them, such as 1,4,64")
        }
        return numbers.compactMap { $0 }
    }

    private static func durability(_ text: String) throws -> SegmentStore.Durability {
        if text == "synced" { return .synced }
        guard text.hasPrefix("interval:") else {
            throw ArgumentProblem(description: "a durability is synced, or interval and a time, such as interval:1s")
        }
        let given = String(text.dropFirst("interval:".count))
        let interval = try Amounts.duration(given)
        guard interval > .zero, interval <= .seconds(60) else {
            throw ArgumentProblem(description: "interval:\(given) (allowed: above 0, up to 60s)")
        }
        return .interval(interval)
    }
}
