import Synchronization

/// The database as a model in memory, for simulations, which choose what a crash keeps.
///
/// Calls may come from any thread. The hook is called without the lock, so it may call this object.
package final class ModelMetadata: MetadataStore {
    private struct State {
        var tables: [MetadataTable: [[MetadataValue]: MetadataRow]] = [:]
        var beforeLast: [MetadataTable: [[MetadataValue]: MetadataRow]] = [:]
        var failure: MetadataError?
        /// The transaction in progress.
        var current: [MetadataChange]?
        var hook: (@Sendable () -> MetadataError?)?

        mutating func apply(_ changes: [MetadataChange]) {
            for change in changes {
                switch change {
                case .put(let row): tables[row.table, default: [:]][row.key] = row
                case .remove(let table, let key):
                    for known in (tables[table] ?? [:]).keys where known.starts(with: key) {
                        tables[table]?[known] = nil
                    }
                }
            }
        }
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
        let hook = state.withLock { state in
            state.current = changes
            return state.hook
        }
        let refusal = hook?()
        let failure: MetadataError? = state.withLock { state in
            state.current = nil
            if let failure = refusal ?? state.failure { return failure }
            state.beforeLast = state.tables
            state.apply(changes)
            return nil
        }
        if let failure { throw failure }
    }

    package func close() {}

    /// Makes every transaction fail with this error until it is set to nil.
    package func fail(with error: MetadataError?) { state.withLock { $0.failure = error } }

    /// Calls `hook` while a transaction is in progress and not yet durable. An error that it returns is thrown, and
    /// nothing is applied.
    package func onTransaction(_ hook: (@Sendable () -> MetadataError?)?) { state.withLock { $0.hook = hook } }

    /// Whether a transaction is in progress, which a crash may keep or lose.
    package var isInTransaction: Bool { state.withLock { $0.current != nil } }

    /// A copy of the database, including the transaction in progress.
    package func copy() -> ModelMetadata {
        let copy = ModelMetadata()
        let (tables, current) = state.withLock { ($0.tables, $0.current) }
        copy.state.withLock { ($0.tables, $0.current) = (tables, current) }
        return copy
    }

    /// The database after a crash, with or without the transaction that was in progress.
    package func afterCrash(keepingCurrent: Bool) -> ModelMetadata {
        let after = ModelMetadata()
        let (tables, current) = state.withLock { ($0.tables, $0.current) }
        after.state.withLock { state in
            state.tables = tables
            if keepingCurrent, let current { state.apply(current) }
        }
        return after
    }

    /// Equal for two databases with equal contents in one process.
    package var fingerprint: Int { state.withLock { $0.tables.hashValue } }

    /// Undoes the last transaction, as a crash during it may.
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
