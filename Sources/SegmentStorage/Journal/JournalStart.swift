import StreamModel

/// The writer's initial state.
struct JournalStart: Sendable {
    var store: StoreID
    var catalogue: Catalogue
    var nextCommit: UInt64
    var chain: UInt32
    var incarnation: UInt32
}
