import DiskAccess
import Logging
import OwnerSocket
import SegmentStorage
import StoreAccess
import StreamModel
import StreamStorage

/// How a command means to use its store.
enum StoreRole: Sendable {
    /// It owns the store as long as it runs, and lets others use it: `consume`.
    case owner
    /// It works on a store that somebody owns, and owns it itself only where nobody does.
    case guest
}

/// Runs `body` with the store of `options`, and gives it up at the end.
///
/// - Parameters:
///   - role: whether the command must own the store.
///   - mayCreate: whether a store is made where there is none.
@discardableResult
func withStore<Result: Sendable>(
    _ options: StoreOptions, as role: StoreRole = .guest, mayCreate: Bool = false,
    _ body: (any StoreEngine) async throws -> Result
) async throws -> Result {
    let directory = try options.directory
    if !mayCreate { try await requireStore(at: directory) }
    switch role {
    case .owner: return try await withOwnedStore(at: directory, logger: options.logger, body)
    case .guest:
        return try await withGuestStore(
            at: directory, logger: options.logger, waiting: { Output.error.say($0) }, body)
    }
}

/// Throws what to do where `directory` holds nothing.
private func requireStore(at directory: String) async throws {
    let isEmpty: Bool
    do {
        isEmpty = try await BlockingThreads.shared.run {
            let disk = POSIXFileSystem()
            guard let status = try disk.status(directory) else { return true }
            return status.isDirectory ? try disk.list(directory).isEmpty : false
        }
    } catch {
        throw CommandFailure(.inputOutput, "the store's directory '\(directory)' can't be used: \(error)")
    }
    guard !isEmpty else {
        throw CommandFailure(
            .inputOutput,
            "there is no store in '\(directory)'; `shardline stream create NAME --data \(ShellWord.quoted(directory))` makes one with a stream"
        )
    }
}

private func withOwnedStore<Result: Sendable>(
    at directory: String, logger: Logger, _ body: (any StoreEngine) async throws -> Result
) async throws -> Result {
    let store = try await openAsOwner(at: directory, logger: logger)
    var result: Swift.Result<Result, any Error>
    do {
        let server = try OwnerSocketServer(store: store, at: directory, logger: logger)
        result = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await server.run() } catch { logger.error("other processes can't reach this store: \(error)") }
            }
            defer { server.stop() }
            do { return .success(try await body(store)) } catch { return .failure(error) }
        }
    } catch {
        result = .failure(error)
    }
    // What the command came to last may not be on disk, and nobody else can use the store while it has it.
    if store.failure != nil {
        result = .failure(
            CommandFailure(
                .inputOutput, "ended, since the store has failed; start the command again when the cause is gone"))
    }
    do {
        try await store.close()
    } catch {
        // What ended the command matters more than how its store took it.
        _ = try result.get()
        throw error
    }
    return try result.get()
}

/// Opens the store, and says what can be done where somebody needs it.
private func openAsOwner(at directory: String, logger: Logger) async throws -> SegmentStore {
    do {
        return try await SegmentStore.open(at: directory, logger: logger)
    } catch let busy as ShardlineError where busy.code == .storeBusy {
        throw explained(busy)
    }
}

/// The same with what can be done about it.
private func explained(_ busy: ShardlineError) -> CommandFailure {
    CommandFailure(
        .busy,
        "\(busy.message). It runs all mappings of the store; meanwhile put, tail, stream and mapping work from here too. To run another mapping, end it first, or run several in one program that uses the library"
    )
}
