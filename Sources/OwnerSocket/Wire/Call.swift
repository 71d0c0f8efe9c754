import StreamModel
import StreamStorage

/// A call of the store, or of its owner, on the wire.
enum Request: Sendable {
    case createStream(String, StreamSettings, [NewAttribute])
    case listStreams
    case describeStream(String)
    case summarizeStream(String)
    case describeShard(ShardID, of: String)
    case streamSummaries(StreamQuery)
    case shardDescriptions(ShardQuery)
    case updateStream(String, retention: Duration?, maximumRecordSize: Int?)
    case deleteStream(String, force: Bool)
    case commit([Change], CommitUrgency)
    case read(ReadRequest)
    case position(StartingPosition, stream: String, ShardID)
    case countRecords([RecordSpan], stream: String)
    case lastRecords([RecordSpan], stream: String)
    case createMapping(MappingDefinition)
    case listMappings(stream: String?)
    case describeMapping(MappingID)
    case summarizeMapping(MappingID)
    case mappingHistory(MappingID)
    case attributes(AttributeQuery)
    case parkedKeys(ParkedKeyQuery)
    case claimMapping(MappingID, ClaimTerms)
    case renewMapping(MappingID, epoch: UInt64, MappingRenewal)
    case mappingStates(MappingID)
    case releaseMapping(MappingID, epoch: UInt64)
    case seekMapping(MappingID, StartingPosition, ShardID?)
    case deleteMapping(MappingID)
    /// Asks the owner to release the store.
    case release
    /// Asks the owner to copy the store into this directory.
    case backup(String)

    var encoded: [UInt8] {
        var writer = WireWriter()
        switch self {
        case .createStream(let name, let settings, let attributes):
            writer.write(1 as UInt8)
            writer.write(name)
            writer.write(settings)
            writer.write(each: attributes) { $0.write($1) }
        case .listStreams: writer.write(2 as UInt8)
        case .describeStream(let name):
            writer.write(3 as UInt8)
            writer.write(name)
        case .summarizeStream(let name):
            writer.write(25 as UInt8)
            writer.write(name)
        case .describeShard(let shard, let stream):
            writer.write(26 as UInt8)
            writer.write(shard)
            writer.write(stream)
        case .streamSummaries(let query):
            writer.write(27 as UInt8)
            writer.write(query)
        case .shardDescriptions(let query):
            writer.write(28 as UInt8)
            writer.write(query)
        case .deleteStream(let name, let force):
            writer.write(4 as UInt8)
            writer.write(name)
            writer.write(force)
        case .commit(let changes, let urgency):
            writer.write(5 as UInt8)
            switch urgency {
            case .now: writer.write(false)
            case .relaxed: writer.write(true)
            }
            writer.write(each: changes) { $0.write($1) }
        case .read(let request):
            writer.write(6 as UInt8)
            writer.write(request)
        case .position(let position, let stream, let shard):
            writer.write(7 as UInt8)
            writer.write(position)
            writer.write(stream)
            writer.write(shard)
        case .createMapping(let definition):
            writer.write(8 as UInt8)
            writer.write(definition)
        case .listMappings(let stream):
            writer.write(9 as UInt8)
            writer.write(optional: stream) { $0.write($1) }
        case .describeMapping(let key):
            writer.write(10 as UInt8)
            writer.write(key)
        case .claimMapping(let key, let terms):
            writer.write(11 as UInt8)
            writer.write(key)
            writer.write(terms)
        case .summarizeMapping(let key):
            writer.write(21 as UInt8)
            writer.write(key)
        case .mappingHistory(let key):
            writer.write(22 as UInt8)
            writer.write(key)
        case .attributes(let query):
            writer.write(24 as UInt8)
            writer.write(query)
        case .parkedKeys(let query):
            writer.write(29 as UInt8)
            writer.write(query)
        case .renewMapping(let key, let epoch, let renewal):
            writer.write(23 as UInt8)
            writer.write(key)
            writer.write(epoch)
            writer.write(renewal)
        case .releaseMapping(let key, let epoch):
            writer.write(12 as UInt8)
            writer.write(key)
            writer.write(epoch)
        case .seekMapping(let key, let position, let shard):
            writer.write(13 as UInt8)
            writer.write(key)
            writer.write(position)
            writer.write(optional: shard) { $0.write($1) }
        case .deleteMapping(let key):
            writer.write(14 as UInt8)
            writer.write(key)
        case .release: writer.write(15 as UInt8)
        case .mappingStates(let key):
            writer.write(16 as UInt8)
            writer.write(key)
        case .backup(let path):
            writer.write(17 as UInt8)
            writer.write(path)
        case .countRecords(let spans, let stream):
            writer.write(18 as UInt8)
            writer.write(each: spans) { $0.write($1) }
            writer.write(stream)
        case .lastRecords(let spans, let stream):
            writer.write(20 as UInt8)
            writer.write(each: spans) { $0.write($1) }
            writer.write(stream)
        case .updateStream(let name, let retention, let size):
            writer.write(19 as UInt8)
            writer.write(name)
            writer.write(optional: retention) { $0.write($1) }
            writer.write(optional: size) { $0.write(Int64($1)) }
        }
        return writer.bytes
    }

    /// Whether these bytes hold a read, which may wait for a long time and changes nothing.
    static func isRead(_ bytes: ArraySlice<UInt8>) -> Bool { bytes.first == 6 }

    init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = WireReader(bytes)
        switch try reader.number(UInt8.self) {
        case 1:
            self = .createStream(
                try reader.string(), try reader.streamSettings(), try reader.each { try $0.newAttribute() })
        case 2: self = .listStreams
        case 3: self = .describeStream(try reader.string())
        case 4: self = .deleteStream(try reader.string(), force: try reader.bool())
        case 5:
            let urgency: CommitUrgency = try reader.bool() ? .relaxed : .now
            self = .commit(try reader.each { try $0.change() }, urgency)
        case 6: self = .read(try reader.readRequest())
        case 7:
            self = .position(try reader.startingPosition(), stream: try reader.string(), try reader.shard())
        case 8: self = .createMapping(try reader.mappingDefinition())
        case 9: self = .listMappings(stream: try reader.optional { try $0.string() })
        case 10: self = .describeMapping(try reader.mappingID())
        case 11: self = .claimMapping(try reader.mappingID(), try reader.claimTerms())
        case 12: self = .releaseMapping(try reader.mappingID(), epoch: try reader.number())
        case 13:
            self = .seekMapping(
                try reader.mappingID(), try reader.startingPosition(), try reader.optional { try $0.shard() })
        case 14: self = .deleteMapping(try reader.mappingID())
        case 15: self = .release
        case 16: self = .mappingStates(try reader.mappingID())
        case 17: self = .backup(try reader.string())
        case 18: self = .countRecords(try reader.each { try $0.recordSpan() }, stream: try reader.string())
        case 19:
            self = .updateStream(
                try reader.string(), retention: try reader.optional { try $0.duration() },
                maximumRecordSize: try reader.optional { Int(try $0.number(Int64.self)) })
        case 21: self = .summarizeMapping(try reader.mappingID())
        case 24: self = .attributes(try reader.attributeQuery())
        case 22: self = .mappingHistory(try reader.mappingID())
        case 23:
            self = .renewMapping(try reader.mappingID(), epoch: try reader.number(), try reader.mappingRenewal())
        case 20: self = .lastRecords(try reader.each { try $0.recordSpan() }, stream: try reader.string())
        case 25: self = .summarizeStream(try reader.string())
        case 26: self = .describeShard(try reader.shard(), of: try reader.string())
        case 27: self = .streamSummaries(try reader.streamQuery())
        case 28: self = .shardDescriptions(try reader.shardQuery())
        case 29: self = .parkedKeys(try reader.parkedKeyQuery())
        case let kind: throw WireError("a request of an unknown kind \(kind)")
        }
        try reader.end()
    }
}

/// The owner's answer to a ``Request``.
enum Reply: Sendable {
    case done
    case stream(StreamDescription)
    case streams([StreamDescription])
    case streamSummary(StreamSummary)
    case streamPage(StreamSummaryPage)
    case shard(ShardLook)
    case shardPage(ShardPage)
    case outcome(CommitOutcome)
    case records(ReadResult)
    case position(SequenceNumber)
    case counts([Int])
    case positions([SequenceNumber?])
    case mapping(MappingDescription)
    case mappings([MappingDescription])
    case summary(MappingSummary)
    case actions([MappingAction])
    case attributes(AttributePage)
    case parkedKeys(ParkedKeyPage)
    /// Whether the owner is going to release the store.
    case released(Bool)
    /// The states of the mapping's shards; nil where no process runs it, or the one that does can't be asked.
    case mappingStates([MappingShardState]?)
    case failed(ShardlineError)
    /// The copy is complete and checked.
    case backedUp(BackupSummary)
    /// The call was cancelled, by its client or because the owner ends; a commit was certainly not written.
    case cancelled

    var encoded: [UInt8] {
        var writer = WireWriter()
        switch self {
        case .done: writer.write(1 as UInt8)
        case .stream(let stream):
            writer.write(2 as UInt8)
            writer.write(stream)
        case .streams(let streams):
            writer.write(3 as UInt8)
            writer.write(each: streams) { $0.write($1) }
        case .streamSummary(let stream):
            writer.write(19 as UInt8)
            writer.write(stream)
        case .streamPage(let page):
            writer.write(20 as UInt8)
            writer.write(page)
        case .shard(let look):
            writer.write(21 as UInt8)
            writer.write(look)
        case .shardPage(let page):
            writer.write(22 as UInt8)
            writer.write(page)
        case .outcome(let outcome):
            writer.write(4 as UInt8)
            writer.write(outcome)
        case .records(let result):
            writer.write(5 as UInt8)
            writer.write(result)
        case .position(let number):
            writer.write(6 as UInt8)
            writer.write(number)
        case .mapping(let mapping):
            writer.write(7 as UInt8)
            writer.write(mapping)
        case .mappings(let mappings):
            writer.write(8 as UInt8)
            writer.write(each: mappings) { $0.write($1) }
        case .summary(let summary):
            writer.write(16 as UInt8)
            writer.write(summary)
        case .actions(let actions):
            writer.write(17 as UInt8)
            writer.write(each: actions) { $0.write($1) }
        case .attributes(let page):
            writer.write(18 as UInt8)
            writer.write(page)
        case .parkedKeys(let page):
            writer.write(23 as UInt8)
            writer.write(page)
        case .released(let isGoing):
            writer.write(9 as UInt8)
            writer.write(isGoing)
        case .failed(let error):
            writer.write(10 as UInt8)
            writer.write(error: error)
        case .cancelled: writer.write(11 as UInt8)
        case .backedUp(let summary):
            writer.write(13 as UInt8)
            for number in [summary.files, summary.bytes, summary.records] { writer.write(UInt64(max(0, number))) }
            writer.write(summary.begunAt.milliseconds)
        case .counts(let counts):
            writer.write(14 as UInt8)
            writer.write(each: counts) { $0.write(Int64($1)) }
        case .positions(let numbers):
            writer.write(15 as UInt8)
            writer.write(each: numbers) { $0.write(optional: $1) { $0.write($1) } }
        case .mappingStates(let states):
            writer.write(12 as UInt8)
            writer.write(optional: states) { $0.write(each: $1) { $0.write($1) } }
        }
        return writer.bytes
    }

    init(_ bytes: ArraySlice<UInt8>) throws {
        var reader = WireReader(bytes)
        switch try reader.number(UInt8.self) {
        case 1: self = .done
        case 2: self = .stream(try reader.streamDescription())
        case 3: self = .streams(try reader.each { try $0.streamDescription() })
        case 4: self = .outcome(try reader.commitOutcome())
        case 5: self = .records(try reader.readResult())
        case 6: self = .position(try reader.sequenceNumber())
        case 7: self = .mapping(try reader.mappingDescription())
        case 8: self = .mappings(try reader.each { try $0.mappingDescription() })
        case 9: self = .released(try reader.bool())
        case 10: self = .failed(try reader.error())
        case 11: self = .cancelled
        case 12: self = .mappingStates(try reader.optional { try $0.each { try $0.mappingShardState() } })
        case 13:
            func count() throws -> Int {
                let number = try reader.number(UInt64.self)
                guard let count = Int(exactly: number) else { throw WireError("\(number) of something in a backup") }
                return count
            }
            self = .backedUp(
                BackupSummary(
                    files: try count(), bytes: try count(), records: try count(),
                    begunAt: Timestamp(milliseconds: try reader.number())))
        case 14: self = .counts(try reader.each { try $0.recordCount() })
        case 16: self = .summary(try reader.mappingSummary())
        case 17: self = .actions(try reader.each { try $0.mappingAction() })
        case 18: self = .attributes(try reader.attributePage())
        case 15: self = .positions(try reader.each { try $0.optional { try $0.sequenceNumber() } })
        case 19: self = .streamSummary(try reader.streamSummary())
        case 20: self = .streamPage(try reader.streamSummaryPage())
        case 21: self = .shard(try reader.shardLook())
        case 22: self = .shardPage(try reader.shardPage())
        case 23: self = .parkedKeys(try reader.parkedKeyPage())
        case let kind: throw WireError("a reply of an unknown kind \(kind)")
        }
        try reader.end()
    }
}
