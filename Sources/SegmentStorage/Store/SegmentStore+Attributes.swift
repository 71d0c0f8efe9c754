import StreamModel
public import StreamStorage

extension SegmentStore {
    /// As ``StoreEngine/attributes(_:)``.
    public func attributes(_ query: AttributeQuery) async throws -> AttributePage {
        try query.validate()
        let attributes = try core.visible.withOpen { state in
            try state.catalogue.attributes(with: query.owner).attributes(of: UTF8Key(query.owner.part))
        }
        return AttributePage(attributes, query)
    }
}
