import DiskAccess
import Glibc
public import Logging
public import StreamModel
public import StreamStorage
import Synchronization

/// A store that another process of this machine owns, used through the owner's socket.
///
/// It is a ``StoreEngine`` like any other: everything that can be done with the store itself can be done through it.
/// Many calls may be under way at a time. When the owner ends, commits that may have reached it come back as
/// ``CommitOutcome/unknown(cause:)``; every other call throws `ownerGone`, and so do all later ones.
///
/// ```swift
/// let store = try await SegmentStore.connect(at: directory)
/// try await store.stream("departures").put(line, partitionKey: key)
/// ```
public final class OwnerClient: StoreEngine {
    /// The capabilities of the owner's store.
    public let capabilities: StoreCapabilities
    /// The clocks that waits on this side are measured by.
    public let timeSource: any TimeSource
    /// The number of the process that owns the store, in the owner's own process namespace.
    public let ownerProcess: Int32
    /// The number of the same process in this process' namespace; nil where it is not visible, as in another container.
    package let visibleOwner: Int32?
    /// Whether the owner has announced a clean release, after which any process may open the store.
    package var ownerReleasedCleanly: Bool { calls.isReleased }
    /// Where this side logs.
    public let logger: Logger
    private let calls: OwnerCalls

    private init(
        _ calls: OwnerCalls, welcome: Welcome, process: Int32?, timeSource: any TimeSource, logger: Logger
    ) {
        self.calls = calls
        visibleOwner = process
        self.timeSource = timeSource
        self.logger = logger
        capabilities = StoreCapabilities(rawValue: welcome.capabilities)
        ownerProcess = welcome.process
    }

    deinit { calls.close() }

    /// Connects to the process that owns the store in `directory`.
    ///
    /// - Parameters:
    ///   - directory: the store's directory.
    ///   - timeSource: the clocks that waits on this side are measured by; arrivals and retention use the owner's
    ///     clocks.
    ///   - logger: where this side logs.
    /// - Throws: ``ShardlineError``: `ownerGone` where no process serves the store, `storeBusy` where its owner does
    ///   not answer within 10 seconds, or within 3 where it is stopped (Ctrl-Z), `notAccessible` where this user may
    ///   not connect, `newerFormat` where the owner is another version of Shardline.
    public static func connect(
        at directory: String, timeSource: any TimeSource = SystemTimeSource(),
        logger: Logger = Logger(label: "shardline.store")
    ) async throws -> OwnerClient {
        try await connect(at: directory, timeSource: timeSource, logger: logger, patience: OwnerPatience())
    }

    /// As ``connect(at:timeSource:logger:)``, but waits at most `limit` for an owner that doesn't greet.
    package static func connect(
        at directory: String, timeSource: any TimeSource, logger: Logger, within limit: Duration
    ) async throws -> OwnerClient {
        try await connect(
            at: directory, timeSource: timeSource, logger: logger, patience: OwnerPatience(atMost: limit))
    }

    /// As ``connect(at:timeSource:logger:)``, with shorter waits for tests.
    static func connect(
        at directory: String, timeSource: any TimeSource = SystemTimeSource(),
        logger: Logger = Logger(label: "shardline.store"), patience: OwnerPatience
    ) async throws -> OwnerClient {
        let (socket, welcome) = try await BlockingThreads.shared.run { try greet(directory, patience) }
        let process = ProcessState.peer(of: socket.descriptor)
        let calls = OwnerCalls(SocketChannel(socket), owner: welcome.process)
        calls.start()
        return OwnerClient(calls, welcome: welcome, process: process, timeSource: timeSource, logger: logger)
    }

    /// Whether a call waits for its reply, and the oldest one that should be answered soon. A read that waits for
    /// records and a backup may take any time.
    package var waitingCalls: (any: Bool, oldest: UInt64?) { calls.waiting }

    private static func greet(_ directory: String, _ patience: OwnerPatience) throws -> (UnixSocket, Welcome) {
        let socket: UnixSocket
        do {
            socket = try SocketPath(directory: directory).connect(patience: patience.silent)
        } catch {
            switch error.code {
            case ENOENT, ECONNREFUSED, ENOTDIR:
                throw ShardlineError(.ownerGone, "no process serves the store in '\(directory)'", cause: error)
            case _ where error.isTimeout: throw OwnerPatience.silence(of: nil, in: directory, cause: error)
            default: throw ShardlineError(.notAccessible, "\(error)", cause: error)
            }
        }
        socket.limitWaiting(receiving: patience.look, sending: patience.silent)
        do {
            try socket.send(Frame(.hello, call: 0, payload: Hello().encoded).encoded)
            let welcome = try Welcome(
                firstFrame(of: socket, kind: .welcome) { [process = ProcessState.peer(of: socket.descriptor)] looks in
                    try patience.check(process, in: directory, after: looks)
                }.payload)
            guard welcome.version == Hello.version else {
                throw ShardlineError(
                    .newerFormat,
                    "the store in '\(directory)' is in use by another version of Shardline (process \(welcome.process)): use that one, or end it"
                )
            }
            socket.limitWaiting(receiving: nil, sending: nil)
            return (socket, welcome)
        } catch let error as ShardlineError {
            throw error
        } catch {
            throw ShardlineError(
                .ownerGone, "the process that owns the store in '\(directory)' doesn't answer: \(error)", cause: error)
        }
    }

    /// - Parameter isSilent: called with the number of timeouts so far, each time the receive limit passes; may throw.
    private static func firstFrame(
        of socket: UnixSocket, kind: Frame.Kind, isSilent: (Int) throws -> Void
    ) throws -> Frame {
        var buffer = FrameBuffer(largest: Hello.largestFrame)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
        defer { room.deallocate() }
        var looks = 0
        while true {
            // Byte by byte, so that nothing after the first message is consumed: an owner that ends sends its clean
            // release directly after its greeting.
            let count: Int
            do {
                count = try socket.receive(into: room)
            } catch {
                guard error.isTimeout else { throw error }
                looks += 1
                try isSilent(looks)
                continue
            }
            guard count > 0 else { throw WireError("the connection was closed") }
            buffer.append(UnsafeRawBufferPointer(room))
            guard let frame = try buffer.next() else { continue }
            guard frame.kind == kind else { throw WireError("the first frame is no greeting") }
            return frame
        }
    }

    /// Asks the owner to release the store, as a process that consumes asks `put` or `tail`.
    ///
    /// True: the owner releases it, so the store can be opened in a moment; this client's calls throw `ownerGone` from
    /// then on. False: the owner needs the store itself.
    package func requestRelease() async throws -> Bool {
        guard case .released(let isGoing) = try await calls.call(.release) else { throw OwnerCalls.mismatch }
        return isGoing
    }

    /// Lets the owner copy the store into a directory of this machine and check the copy. Puts and reads go on
    /// meanwhile.
    ///
    /// - Parameter path: an absolute path of a new or empty directory, which the owner must be allowed to write.
    public func backup(to path: String) async throws -> BackupSummary {
        guard case .backedUp(let summary) = try await calls.call(.backup(path)) else { throw OwnerCalls.mismatch }
        return summary
    }

    /// Ends the connection: calls under way throw `closed`, and commits among them come back as unknown. The owner
    /// keeps the store.
    public func close() async throws { calls.close() }
}

// MARK: StoreEngine

extension OwnerClient {
    /// As ``StoreEngine/createStream(_:settings:)``.
    @discardableResult
    public func createStream(_ name: String, settings: StreamSettings) async throws -> StreamDescription {
        try await createStream(name, settings: settings, attributes: [])
    }

    /// As ``StoreEngine/createStream(_:settings:attributes:)``.
    @discardableResult
    public func createStream(
        _ name: String, settings: StreamSettings, attributes: [NewAttribute]
    ) async throws -> StreamDescription {
        // Validated on this side too, so that nothing is sent that the wire format can't hold.
        try settings.validate(name: name)
        _ = try NewAttribute.changes(attributes, of: name)
        return try stream(await calls.call(.createStream(name, settings, attributes)))
    }

    /// As ``StoreEngine/listStreams()``.
    public func listStreams() async throws -> [StreamDescription] {
        guard case .streams(let streams) = try await calls.call(.listStreams) else { throw OwnerCalls.mismatch }
        return streams
    }

    /// As ``StoreEngine/describeStream(_:)``.
    public func describeStream(_ name: String) async throws -> StreamDescription {
        try stream(await calls.call(.describeStream(name)))
    }

    /// As ``StoreEngine/summarizeStream(_:)``.
    public func summarizeStream(_ name: String) async throws -> StreamSummary {
        guard case .streamSummary(let stream) = try await calls.call(.summarizeStream(name)) else {
            throw OwnerCalls.mismatch
        }
        return stream
    }

    /// As ``StoreEngine/describeShard(_:of:)``.
    public func describeShard(_ shard: ShardID, of stream: String) async throws -> ShardLook {
        guard case .shard(let look) = try await calls.call(.describeShard(shard, of: stream)) else {
            throw OwnerCalls.mismatch
        }
        return look
    }

    /// As ``StoreEngine/streamSummaries(_:)``.
    public func streamSummaries(_ query: StreamQuery) async throws -> StreamSummaryPage {
        guard case .streamPage(let page) = try await calls.call(.streamSummaries(query)) else {
            throw OwnerCalls.mismatch
        }
        return page
    }

    /// As ``StoreEngine/shardDescriptions(_:)``.
    public func shardDescriptions(_ query: ShardQuery) async throws -> ShardPage {
        guard case .shardPage(let page) = try await calls.call(.shardDescriptions(query)) else {
            throw OwnerCalls.mismatch
        }
        return page
    }

    /// As ``StoreEngine/updateStream(_:retention:)``.
    @discardableResult
    public func updateStream(_ name: String, retention: Duration) async throws -> StreamDescription {
        try await updateStream(name, retention: retention, maximumRecordSize: nil)
    }

    /// As ``StoreEngine/updateStream(_:retention:maximumRecordSize:)``.
    @discardableResult
    public func updateStream(
        _ name: String, retention: Duration?, maximumRecordSize: Int?
    ) async throws -> StreamDescription {
        // Validated on this side too, so that nothing is sent that the wire format can't hold.
        if let retention { try StreamSettings.validate(retention: retention) }
        return try stream(
            await calls.call(.updateStream(name, retention: retention, maximumRecordSize: maximumRecordSize)))
    }

    /// As ``StoreEngine/deleteStream(_:force:)``.
    public func deleteStream(_ name: String, force: Bool) async throws {
        guard case .done = try await calls.call(.deleteStream(name, force: force)) else { throw OwnerCalls.mismatch }
    }

    /// As ``StoreEngine/commit(_:urgency:)``; `unknown` where the owner ends during the call.
    public func commit(_ changes: [Change], urgency: CommitUrgency) async throws -> CommitOutcome {
        try Change.checkSize(of: changes)
        guard case .outcome(let outcome) = try await calls.call(.commit(changes, urgency)) else {
            throw OwnerCalls.mismatch
        }
        return outcome
    }

    /// As ``StoreEngine/read(_:)``; one call returns at most 100,000 records and 32 MiB.
    public func read(_ request: ReadRequest) async throws -> ReadResult {
        guard case .records(let result) = try await calls.call(.read(request)) else { throw OwnerCalls.mismatch }
        return result
    }

    /// As ``StoreEngine/position(of:in:shard:)``.
    public func position(
        of start: StartingPosition, in stream: String, shard: ShardID
    ) async throws -> SequenceNumber {
        guard case .position(let number) = try await calls.call(.position(start, stream: stream, shard)) else {
            throw OwnerCalls.mismatch
        }
        return number
    }

    /// As ``StoreEngine/countRecords(in:of:)``.
    public func countRecords(in spans: [RecordSpan], of stream: String) async throws -> [Int] {
        guard case .counts(let counts) = try await calls.call(.countRecords(spans, stream: stream)),
            counts.count == spans.count
        else { throw OwnerCalls.mismatch }
        return counts
    }

    /// As ``StoreEngine/lastRecords(in:of:)``.
    public func lastRecords(in spans: [RecordSpan], of stream: String) async throws -> [SequenceNumber?] {
        guard case .positions(let numbers) = try await calls.call(.lastRecords(spans, stream: stream)),
            numbers.count == spans.count
        else { throw OwnerCalls.mismatch }
        return numbers
    }

    /// As ``StoreEngine/createMapping(_:)``.
    @discardableResult
    public func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription {
        try mapping(await calls.call(.createMapping(definition)))
    }

    /// As ``StoreEngine/listMappings(of:)``.
    public func listMappings(of stream: String?) async throws -> [MappingDescription] {
        guard case .mappings(let mappings) = try await calls.call(.listMappings(stream: stream)) else {
            throw OwnerCalls.mismatch
        }
        return mappings
    }

    /// As ``StoreEngine/describeMapping(_:)``.
    public func describeMapping(_ mapping: MappingID) async throws -> MappingDescription {
        try self.mapping(await calls.call(.describeMapping(mapping)))
    }

    /// As ``StoreEngine/claimMapping(_:with:)``; the claim ends with this connection at the latest. Other processes
    /// can't ask for the states of a mapping that this process runs, and don't ask it about new settings.
    public func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription {
        try self.mapping(
            await calls.call(
                .claimMapping(
                    mapping,
                    ClaimTerms(
                        configuration: claim.configuration, failureStream: claim.failureStream, owner: claim.owner,
                        lease: claim.lease))))
    }

    /// As ``StoreEngine/summarizeMapping(_:)``.
    public func summarizeMapping(_ mapping: MappingID) async throws -> MappingSummary {
        try summary(await calls.call(.summarizeMapping(mapping)))
    }

    /// As ``StoreEngine/mappingHistory(_:)``.
    public func mappingHistory(_ mapping: MappingID) async throws -> [MappingAction] {
        guard case .actions(let actions) = try await calls.call(.mappingHistory(mapping)) else {
            throw OwnerCalls.mismatch
        }
        return actions
    }

    /// As ``StoreEngine/attributes(_:)``.
    public func attributes(_ query: AttributeQuery) async throws -> AttributePage {
        guard case .attributes(let page) = try await calls.call(.attributes(query)) else { throw OwnerCalls.mismatch }
        return page
    }

    /// As ``StoreEngine/parkedKeys(_:)``.
    public func parkedKeys(_ query: ParkedKeyQuery) async throws -> ParkedKeyPage {
        guard case .parkedKeys(let page) = try await calls.call(.parkedKeys(query)) else { throw OwnerCalls.mismatch }
        return page
    }

    /// As ``StoreEngine/renewMapping(_:epoch:with:)``.
    @discardableResult
    public func renewMapping(
        _ mapping: MappingID, epoch: UInt64, with renewal: MappingRenewal
    ) async throws -> MappingSummary {
        try summary(await calls.call(.renewMapping(mapping, epoch: epoch, renewal)))
    }

    private func summary(_ reply: Reply) throws -> MappingSummary {
        guard case .summary(let summary) = reply else { throw OwnerCalls.mismatch }
        return summary
    }

    /// As ``StoreEngine/mappingStates(_:)``, for a mapping that the owner runs.
    public func mappingStates(_ mapping: MappingID) async throws -> [MappingShardState]? {
        guard case .mappingStates(let states) = try await calls.call(.mappingStates(mapping)) else {
            throw OwnerCalls.mismatch
        }
        return states
    }

    /// As ``StoreEngine/releaseMapping(_:epoch:)``.
    public func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws {
        guard case .done = try await calls.call(.releaseMapping(mapping, epoch: epoch)) else {
            throw OwnerCalls.mismatch
        }
    }

    /// As ``StoreEngine/seekMapping(_:to:shard:)``.
    @discardableResult
    public func seekMapping(
        _ mapping: MappingID, to position: StartingPosition, shard: ShardID?
    ) async throws -> MappingDescription {
        try self.mapping(await calls.call(.seekMapping(mapping, position, shard)))
    }

    /// As ``StoreEngine/deleteMapping(_:)``.
    public func deleteMapping(_ mapping: MappingID) async throws {
        guard case .done = try await calls.call(.deleteMapping(mapping)) else { throw OwnerCalls.mismatch }
    }

    private func stream(_ reply: Reply) throws -> StreamDescription {
        guard case .stream(let stream) = reply else { throw OwnerCalls.mismatch }
        return stream
    }

    private func mapping(_ reply: Reply) throws -> MappingDescription {
        guard case .mapping(let mapping) = reply else { throw OwnerCalls.mismatch }
        return mapping
    }
}
