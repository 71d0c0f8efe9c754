import Synchronization

/// The database as a model in memory, for simulations: what a crash keeps can be chosen.
package final class ModelMetadata: MetadataStore {
    private struct State {
        var tables: [MetadataTable: [[MetadataValue]: MetadataRow]] = [:]
        var beforeLast: [MetadataTable: [[MetadataValue]: MetadataRow]] = [:]
        var failure: MetadataError?
    }
    private let state = Mutex(State())

    package init() {}

    package func read() throws(MetadataError) -> MetadataContents {
        state.withLock { state in
            var contents = MetadataContents()
            for table in MetadataTable.allCases {
                contents.rows[table] = (state.tables[table] ?? [:]).values.sorted { $0.key.precedes($1.key) }
            }
            return contents
        }
    }

    package func apply(_ changes: [MetadataChange]) throws(MetadataError) {
        let failure: MetadataError? = state.withLock { state in
            if let failure = state.failure { return failure }
            state.beforeLast = state.tables
            for change in changes {
                switch change {
                case .put(let row): state.tables[row.table, default: [:]][row.key] = row
                case .remove(let table, let key):
                    for known in (state.tables[table] ?? [:]).keys where known.starts(with: key) {
                        state.tables[table]?[known] = nil
                    }
                }
            }
            return nil
        }
        if let failure { throw failure }
    }

    package func close() {}

    /// Lets every transaction fail with this error until it is nil again.
    package func fail(with error: MetadataError?) { state.withLock { $0.failure = error } }

    /// A crash during the last transaction after which it is not there.
    package func loseLastTransaction() { state.withLock { $0.tables = $0.beforeLast } }
}

extension [MetadataValue] {
    /// SQLite's order: null, numbers, text, blobs.
    fileprivate func precedes(_ other: [MetadataValue]) -> Bool {
        for (left, right) in zip(self, other) where left != right {
            switch (left, right) {
            case (.integer(let left), .integer(let right)): return left < right
            case (.text(let left), .text(let right)):
                return Array<UInt8>(left.utf8).lexicographicallyPrecedes(right.utf8)
            case (.blob(let left), .blob(let right)): return left.lexicographicallyPrecedes(right)
            default: return left.rank < right.rank
            }
        }
        return false
    }
}

extension MetadataValue {
    fileprivate var rank: Int {
        switch self {
        case .null: 0
        case .integer: 1
        case .text: 2
        case .blob: 3
        }
    }
}
