import Synchronization

/// The database as a model in memory, for simulations: what a crash keeps can be chosen.
package final class ModelMetadata: MetadataStore {
    private struct State {
        var tables: [MetadataTable: [[MetadataValue]: MetadataRow]] = [:]
        var beforeLast: [MetadataTable: [[MetadataValue]: MetadataRow]] = [:]
        var failure: MetadataError?
        /// The transaction that is under way.
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

    /// Lets every transaction fail with this error until it is nil again.
    package func fail(with error: MetadataError?) { state.withLock { $0.failure = error } }

    /// Asks `hook` when a transaction is under way and not durable yet; what it answers is thrown, and nothing is done.
    package func onTransaction(_ hook: (@Sendable () -> MetadataError?)?) { state.withLock { $0.hook = hook } }

    /// Whether a transaction is under way, which a crash may keep or lose.
    package var isInTransaction: Bool { state.withLock { $0.current != nil } }

    /// The same database once more, the transaction that is under way included.
    package func copy() -> ModelMetadata {
        let copy = ModelMetadata()
        let (tables, current) = state.withLock { ($0.tables, $0.current) }
        copy.state.withLock { ($0.tables, $0.current) = (tables, current) }
        return copy
    }

    /// The database after a crash, with the transaction that was under way or without it.
    package func afterCrash(keepingCurrent: Bool) -> ModelMetadata {
        let after = ModelMetadata()
        let (tables, current) = state.withLock { ($0.tables, $0.current) }
        after.state.withLock { state in
            state.tables = tables
            if keepingCurrent, let current { state.apply(current) }
        }
        return after
    }

    /// The same for two databases that hold the same, in one process.
    package var fingerprint: Int { state.withLock { $0.tables.hashValue } }

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
