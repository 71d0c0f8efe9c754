import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline stream create`
struct StreamCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a stream, and the store if there is none yet.",
        discussion: """
            Examples:
              shardline stream create clicks --data ./data
              shardline stream create clicks --shards 4 --retention 7d
              shardline stream create clicks --shards 4 --if-not-exists
            """)

    @Argument(
        help:
            "The stream's name: 1 to 128 characters of a-z A-Z 0-9 _ . -, or ACCOUNT:REGION:NAME, such as 123456789012:us-east-1:clicks."
    )
    var name: String

    // Here and below: a number below 0 must not be taken for an option, but be told what is allowed.
    @Option(
        parsing: .unconditional,
        help:
            "How many shards the stream has: 1 to 10,000. Shards are processed in parallel, the records of each in order. Default: 1.",
        transform: Amounts.wholeNumber)
    var shards: Int?

    @Option(
        parsing: .unconditional,
        help:
            "How long records are kept: 1s to 365d, such as 36h or 7d. Default: 24h. `shardline stream update` changes it.",
        transform: Amounts.givenDuration)
    var retention: Given<Duration>?

    @Option(
        parsing: .unconditional,
        help:
            "The most bytes of data in one record: 1 to 10MiB, such as 256KiB. Default: 1MiB. `shardline consume` gives up records of more than about 4.7 MB, as their event would be over 6 MiB. `shardline stream update` changes it.",
        transform: Amounts.givenBytes)
    var maxRecordSize: Given<Int>?

    @Flag(
        help:
            "Leave a stream of this name as it is, with its shards and settings, instead of failing. Warns where it was created with other values than are given here."
    )
    var ifNotExists = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let settings = StreamSettings(
            shards: shards ?? 1, retention: retention?.value ?? Limits.defaultRetention,
            maximumRecordSize: maxRecordSize?.value ?? Limits.defaultRecordSize)
        // Before a store is made for nothing.
        try settings.validate(
            name: name, retention: retention?.text, maximumRecordSize: maxRecordSize?.text,
            label: { $0 == "maximumRecordSize" ? "--max-record-size" : "--\($0)" })
        let found: StreamDescription? = try await withStore(store, mayCreate: true) { store in
            do {
                _ = try await store.createStream(name, settings: settings)
                return nil
            } catch let error as ShardlineError where error.code == .streamExists && ifNotExists {
                return try await store.describeStream(name)
            }
        }
        if let found {
            if let difference = found.differenceOfCreation(
                shards: shards, retention: retention?.value, maximumRecordSize: maxRecordSize?.value)
            {
                Output.error.say("warning: " + difference)
            }
            let open = found.shards.count { $0.closedAt == nil }
            return Output.error.say(
                "the stream '\(name)' exists already and stays as it is: \(Readable.count(open, "shard")), records are kept for \(Readable.duration(found.retention))"
            )
        }
        Output.error.say(
            "created the stream '\(name)': \(Readable.count(settings.shards, "shard")), records are kept for \(Readable.duration(settings.retention))"
        )
    }
}
