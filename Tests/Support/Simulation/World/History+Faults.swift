import DiskAccess
import TestSupport

extension History.Fault {
    /// Whether an operation can go wrong like this.
    func fits(_ operation: MemoryFileSystem.Operation, isNew: Bool) -> Bool {
        if place == .folder {
            return operation.kind == .synchronizeDirectory && [.syncError, .lostSync].contains(kind)
        }
        let isPlace =
            switch place {
            case .journal: operation.path.contains("/journal/")
            case .segments: operation.path.contains("/segments/")
            case .destination: operation.path == World.destination
            case .metadata, .folder: false
            }
        guard isPlace else { return false }
        return switch kind {
        case .writeError, .shortWrite: operation.kind == .write
        case .noSpace: operation.kind == .write || isNew
        case .syncError, .lostSync: operation.kind == .synchronize
        case .readError, .shortRead: operation.kind == .read
        case .createError: isNew
        case .removeError: operation.kind == .remove
        }
    }
}
