import StreamModel
import StreamStorage

/// An attribute's value as the catalogue has it.
package struct AttributeState: Sendable, Hashable {
    package var value: [UInt8]
    package var revision: UInt64
    /// The commit that set it.
    var atCommit: UInt64
}

/// The attributes of a stream and its consumers, or of all accounts: by part, then by name.
package struct AttributeTable: Sendable, Hashable {
    private var parts: [UTF8Key: [UTF8Key: AttributeState]] = [:]

    var isEmpty: Bool { parts.isEmpty }
    var newestCommit: UInt64 { parts.values.flatMap(\.values).map(\.atCommit).max() ?? 0 }
    package var places: [(part: UTF8Key, name: UTF8Key)] {
        parts.flatMap { part, states in states.keys.map { (part, $0) } }
    }

    func count(of part: UTF8Key) -> Int { parts[part]?.count ?? 0 }

    subscript(part: UTF8Key, name: UTF8Key) -> AttributeState? {
        get { parts[part]?[name] }
        set {
            parts[part, default: [:]][name] = newValue
            if parts[part]?.isEmpty == true { parts[part] = nil }
        }
    }

    /// All of one part.
    func attributes(of part: UTF8Key) -> [Attribute] {
        (parts[part] ?? [:]).map { Attribute(name: $0.string, value: $1.value, revision: $1.revision) }
    }

    /// Applies an entry of a commit. Rows may be newer than it: a later commit's value stays.
    mutating func apply(_ entry: AttributeEntry, commit: UInt64) {
        let (part, name) = (UTF8Key(entry.part), UTF8Key(entry.name))
        if let known = self[part, name], known.atCommit > commit { return }
        self[part, name] = entry.value.map { AttributeState(value: $0, revision: entry.revision, atCommit: commit) }
    }
}

extension Catalogue {
    /// The attributes of an owner and those that are kept with them. Throws `streamNotFound`.
    func attributes(with owner: AttributeOwner) throws -> AttributeTable {
        try owner.stream.map { try stream($0).attributes } ?? accountAttributes
    }

    /// What the entry of a change says; nil where it changes nothing. Throws `streamNotFound`.
    func entry(for change: AttributeChange, commit: UInt64) throws -> AttributeEntry? {
        let stream = try change.owner.stream.map { try self.stream($0).key } ?? AttributeEntry.accounts
        let known = try attributes(with: change.owner)[UTF8Key(change.owner.part), UTF8Key(change.name)]
        let value: [UInt8]?
        switch change.action {
        case .set(let new): value = new
        case .remove where known != nil: value = nil
        case .remove, .check: return nil
        }
        // No commit that readers have seen has the same one: numbers of commits that a crash took away come again, with
        // another incarnation.
        let revision = UInt64(incarnation) << 32 | commit & 0xFFFF_FFFF
        return AttributeEntry(
            stream: stream, part: change.owner.part, name: change.name, revision: revision, value: value)
    }
}
