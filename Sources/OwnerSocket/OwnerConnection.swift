import DiskAccess
import Glibc
import Logging
import StreamModel
import StreamStorage
import Synchronization

/// One client of an owner: answers its calls, many at a time, and releases its claims when it is gone.
///
/// Messages are received on the channel's receiving thread, and each call is answered by a task. ``sayGoodbye()``,
/// ``stop()`` and ``ended()`` may be called on any thread. Lock order: `state`, then the channel's lock; the server's
/// lock is not taken under either.
final class OwnerConnection: Sendable {
    private struct Call {
        let task: Task<Void, Never>
        let isRead: Bool
    }

    private struct State {
        var isGreeted = false
        /// No further call is accepted.
        var isEnding = false
        /// The receiving thread has ended.
        var isReceived = false
        var calls: [UInt64: Call] = [:]
        /// The owner releases the store: reads are answered as cancelled.
        var isLeaving = false
        /// The epochs of the claims that this client holds; they are released when it is gone, since it runs no mapping
        /// then.
        var claims: [MappingID: UInt64] = [:]
        var isCleaning = false
    }

    /// The receiving thread waits while unsent replies and calls under way together hold more bytes than this, so that
    /// a client can't fill the owner's memory. A single call may be larger.
    private static let bytesInMemory = 64 << 20
    /// The most calls of one client at a time; enough for a waiting read at the tip of every shard of the largest
    /// stream.
    private static let callLimit = 65_536
    /// The most that one read returns, whatever it asks for, so that the reply fits in a message.
    private static let readLimit = (records: 100_000, bytes: 32 << 20)

    private let channel: SocketChannel
    private let store: any StoreEngine
    private let onReleaseRequest: (@Sendable () async -> Bool)?
    private let logger: Logger
    private let onEnd: @Sendable () -> Void
    private let state = Mutex(State())
    private let end = OneTimeSignal<Void>()

    init(
        _ channel: SocketChannel, store: any StoreEngine, onReleaseRequest: (@Sendable () async -> Bool)?,
        logger: Logger, onEnd: @escaping @Sendable () -> Void
    ) {
        self.channel = channel
        self.store = store
        self.onReleaseRequest = onReleaseRequest
        self.logger = logger
        self.onEnd = onEnd
    }

    func start() {
        channel.start(name: "owner-client", buffer: FrameBuffer(first: Hello.largestFrame)) { [self] frame in
            try receive(frame)
        } onEnd: { [self] reason in
            if let reason { logger.debug("a client's connection ended: \(reason)") }
            let calls = state.withLock { state in
                state.isEnding = true
                state.isReceived = true
                // A client that was told of the release has closed its sending direction and waits for the replies.
                return state.isLeaving ? [] : Array(state.calls.values)
            }
            for call in calls { call.task.cancel() }
            endIfIdle()
        }
    }

    /// Tells the client that this process releases the store: reads are cancelled, every other call that it has sent is
    /// answered.
    func sayGoodbye() {
        let reads = state.withLock { state in
            state.isLeaving = true
            return state.calls.values.filter(\.isRead)
        }
        channel.send(Frame(.goodbye, call: 0))
        for read in reads { read.task.cancel() }
    }

    /// Receives nothing more from a client that doesn't disconnect by itself, and cancels what is under way.
    func stop() {
        let calls = state.withLock { state in
            state.isEnding = true
            return Array(state.calls.values)
        }
        channel.stopReceiving()
        for call in calls { call.task.cancel() }
    }

    /// Returns after the last call was answered and the claims are released.
    func ended() async { await end.waitIgnoringCancellation() }

    // MARK: On the receiving thread

    private func receive(_ frame: Frame) throws {
        guard state.withLock({ $0.isGreeted }) else { return try greet(frame) }
        switch frame.kind {
        case .request: try begin(frame)
        case .cancel: state.withLock { $0.calls[frame.call] }?.task.cancel()
        case .hello, .welcome, .reply, .goodbye: throw WireError("a client sent a frame of the kind \(frame.kind)")
        }
    }

    private func greet(_ frame: Frame) throws {
        guard frame.kind == .hello else { throw WireError("the first frame is no greeting") }
        let hello = try Hello(frame.payload)
        let welcome = Welcome(capabilities: store.capabilities.rawValue, process: getpid())
        channel.send(Frame(.welcome, call: frame.call, payload: welcome.encoded))
        guard hello.version == Hello.version else { throw WireError("a client speaks version \(hello.version)") }
        state.withLock { $0.isGreeted = true }
    }

    private func begin(_ frame: Frame) throws {
        channel.waitForRoom(below: Self.bytesInMemory)
        try state.withLock { state in
            guard !state.isEnding else { return }
            guard state.calls[frame.call] == nil else { throw WireError("a client used a call's number twice") }
            guard state.calls.count < Self.callLimit else { throw WireError("a client has too many calls under way") }
            // The task removes its call under this lock, so it can't do so before the call is stored.
            let isRead = Request.isRead(frame.payload)
            channel.countUnderWay(frame.payload.count)
            let task = Task { [self] in
                let reply = await answer(frame.payload)
                send(reply, to: frame.call)
                channel.countUnderWay(-frame.payload.count)
                self.state.withLock { _ = $0.calls.removeValue(forKey: frame.call) }
                endIfIdle()
            }
            state.calls[frame.call] = Call(task: task, isRead: isRead)
            if isRead, state.isLeaving { task.cancel() }
        }
    }

    private func send(_ reply: Reply, to call: UInt64) {
        var payload = reply.encoded
        if payload.count > Frame.largest - Frame.headSize {
            payload =
                Reply.failed(ShardlineError(.readFailed, "the answer is too large for the owner's socket")).encoded
        }
        channel.send(Frame(.reply, call: call, payload: payload))
    }

    private func endIfIdle() {
        let claims = state.withLock { state -> [MappingID: UInt64]? in
            guard state.isReceived, state.calls.isEmpty, !state.isCleaning else { return nil }
            state.isCleaning = true
            return state.claims
        }
        guard let claims else { return }
        Task { [self] in
            for (mapping, epoch) in claims {
                do { try await store.releaseMapping(mapping, epoch: epoch) } catch let error as ShardlineError
                    where [.mappingNotFound, .streamNotFound, .closed].contains(error.code)
                { continue } catch {
                    logger.warning("the claim on '\(mapping)' of a client that is gone stays: \(error)")
                }
            }
            // What is unsent still goes out, unless the client reads nothing.
            try? await BlockingThreads.shared.run { [channel] in channel.finish(atMost: .seconds(2)) }
            onEnd()
            end.send(())
        }
    }

    // MARK: Calls

    private func answer(_ payload: ArraySlice<UInt8>) async -> Reply {
        let request: Request
        do { request = try Request(payload) } catch {
            return .failed(ShardlineError(.invalidArgument, "the store's owner can't read the call: \(error)"))
        }
        do {
            return try await answer(request)
        } catch let error as ShardlineError {
            return .failed(error)
        } catch is CancellationError {
            return .cancelled
        } catch {
            return .failed(ShardlineError(.storeFailed, "\(error)"))
        }
    }

    private func answer(_ request: Request) async throws -> Reply {
        switch request {
        case .createStream(let name, let settings, let attributes):
            return .stream(try await store.createStream(name, settings: settings, attributes: attributes))
        case .listStreams: return .streams(try await store.listStreams())
        case .describeStream(let name): return .stream(try await store.describeStream(name))
        case .summarizeStream(let name): return .streamSummary(try await store.summarizeStream(name))
        case .describeShard(let shard, let stream): return .shard(try await store.describeShard(shard, of: stream))
        case .streamSummaries(let query): return .streamPage(try await store.streamSummaries(query))
        case .shardDescriptions(let query): return .shardPage(try await store.shardDescriptions(query))
        case .updateStream(let name, let retention, let size):
            return .stream(
                try await store.updateStream(name, retention: retention, maximumRecordSize: size))
        case .deleteStream(let name, let force):
            try await store.deleteStream(name, force: force)
            return .done
        case .commit(let changes, let urgency): return .outcome(try await store.commit(changes, urgency: urgency))
        case .read(var read):
            read.maximumRecords = min(read.maximumRecords, Self.readLimit.records)
            read.maximumBytes = min(read.maximumBytes, Self.readLimit.bytes)
            return .records(try await store.read(read))
        case .position(let start, let stream, let shard):
            return .position(try await store.position(of: start, in: stream, shard: shard))
        case .countRecords(let spans, let stream):
            return .counts(try await store.countRecords(in: spans, of: stream))
        case .lastRecords(let spans, let stream):
            return .positions(try await store.lastRecords(in: spans, of: stream))
        case .createMapping(let definition): return .mapping(try await store.createMapping(definition))
        case .listMappings(let stream): return .mappings(try await store.listMappings(of: stream))
        case .describeMapping(let key): return .mapping(try await store.describeMapping(key))
        case .summarizeMapping(let key): return .summary(try await store.summarizeMapping(key))
        case .mappingHistory(let key): return .actions(try await store.mappingHistory(key))
        case .attributes(let query): return .attributes(try await store.attributes(query))
        case .parkedKeys(let query): return .parkedKeys(try await store.parkedKeys(query))
        case .renewMapping(let key, let epoch, let renewal):
            return .summary(try await store.renewMapping(key, epoch: epoch, with: renewal))
        case .claimMapping(let key, let terms):
            let mapping = try await store.claimMapping(
                key,
                with: MappingClaim(
                    configuration: terms.configuration, failureStream: terms.failureStream, owner: terms.owner,
                    lease: terms.lease))
            state.withLock { $0.claims[key] = mapping.epoch }
            return .mapping(mapping)
        case .mappingStates(let key): return .mappingStates(try await store.mappingStates(key))
        case .releaseMapping(let key, let epoch):
            try await store.releaseMapping(key, epoch: epoch)
            state.withLock { state in
                if let claim = state.claims[key], claim <= epoch { state.claims[key] = nil }
            }
            return .done
        case .seekMapping(let key, let position, let shard):
            return .mapping(try await store.seekMapping(key, to: position, shard: shard))
        case .deleteMapping(let key):
            try await store.deleteMapping(key)
            return .done
        case .release: return .released(await onReleaseRequest?() ?? false)
        case .backup(let path):
            guard let store = store as? any BackupStore, path.hasPrefix("/"), !path.utf8.contains(0) else {
                throw ShardlineError(.invalidArgument, "this store's owner makes no backup to '\(path)'")
            }
            return .backedUp(try await store.backup(to: path))
        }
    }
}
