import Logging
import StreamModel
import StreamStorage

/// Whether a store still writes. A failed write or sync is final until the store is opened anew (STORE-C8).
final class StoreHealth: Sendable {
    /// For whoever waits.
    let signal = OneTimeSignal<ShardlineError>()
    private let admission: Admission
    private let memtables: MemtableQueue
    private let logger: Logger

    init(admission: Admission, memtables: MemtableQueue, logger: Logger) {
        self.admission = admission
        self.memtables = memtables
        self.logger = logger
    }

    /// Why nothing is written any more; nil as long as all is well.
    var failure: ShardlineError? { signal.value }

    /// Ends all writing: of the journal, of segments, of metadata. The first reason is kept.
    func fail(_ error: ShardlineError) {
        guard signal.send(error) else { return }
        logger.error("\(error.message)")
        admission.refuse(with: error)
        memtables.fail()
    }
}
