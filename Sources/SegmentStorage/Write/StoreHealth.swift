import DiskAccess
import Logging
import StreamModel
import StreamStorage

/// Whether a store still writes. A failed write or sync is final until the store is opened again (STORE-C8).
///
/// Any thread may call it.
final class StoreHealth: Sendable {
    /// Sent once, to the callers of `waitForFailure()`.
    let signal = OneTimeSignal<ShardlineError>()
    private let admission: Admission
    private let memtables: MemtableQueue
    private let logger: Logger

    init(admission: Admission, memtables: MemtableQueue, logger: Logger) {
        self.admission = admission
        self.memtables = memtables
        self.logger = logger
    }

    /// Why nothing is written any more; nil while the store works.
    var failure: ShardlineError? { signal.value }

    /// Ends all writing to the journal, to segments and to the metadata. The first reason is kept.
    func fail(_ error: ShardlineError) {
        guard signal.send(error) else { return }
        logger.error("\(error.message)")
        admission.refuse(with: error)
        memtables.fail()
    }
}
