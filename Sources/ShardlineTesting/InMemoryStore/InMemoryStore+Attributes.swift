import StreamModel
public import StreamStorage

/// The attributes of one owner, by name.
typealias MemoryAttributes = [UTF8Key: Attribute]

extension MemoryCatalogue {
    /// The attributes of an owner. Throws `streamNotFound`.
    func attributes(of owner: AttributeOwner) throws -> MemoryAttributes {
        let table = try owner.stream.map { try stream($0).attributes } ?? attributes
        return table[UTF8Key(owner.part)] ?? [:]
    }

    /// Makes a change that was checked.
    mutating func apply(_ change: AttributeChange) {
        switch change.action {
        case .set(let value):
            lastAttributeRevision += 1
            set(
                Attribute(name: change.name, value: value, revision: lastAttributeRevision), change.name,
                of: change.owner)
        case .remove: set(nil, change.name, of: change.owner)
        case .check: break
        }
    }

    /// Sets or removes an attribute of an owner that is there.
    private mutating func set(_ attribute: Attribute?, _ name: String, of owner: AttributeOwner) {
        if let stream = owner.stream {
            streams[UTF8Key(stream)]?.attributes[UTF8Key(owner.part), default: [:]][UTF8Key(name)] = attribute
        } else {
            attributes[UTF8Key(owner.part), default: [:]][UTF8Key(name)] = attribute
        }
    }
}

extension InMemoryStore {
    /// As `StoreEngine/attributes(_:)`.
    public func attributes(_ query: AttributeQuery) async throws -> AttributePage {
        try query.validate()
        return try state.withLock { state in
            try state.checkOpen()
            return AttributePage(try state.catalogue.attributes(of: query.owner).values, query)
        }
    }
}
