import StreamModel
import StreamStorage

// What control actions have made of mappings, as rows.

extension Catalogue {
    /// Stores a control action, and removes the one that is no longer kept for it.
    func changes(ofAction place: DirtyRows.ActionPlace) -> [MetadataChange] {
        let mapping = MetadataValue.number(place.mapping.rawValue)
        guard let control = mappings[place.mapping]?.control else { return [] }
        var changes: [MetadataChange] = []
        if let action = control.actions.last(where: { $0.revision == place.revision }) {
            changes.append(.put(action.row(mapping)))
        }
        let kept = UInt64(MappingControl.keptActions)
        if place.revision > kept {
            changes.append(.remove(.mappingAction, key: [mapping, .bits(place.revision - kept)]))
        }
        return changes
    }

    /// Takes what control actions have made of the mappings, which are there already.
    mutating func takeControl(_ contents: MetadataContents) throws(MetadataError) {
        for row in contents[.mappingControl] {
            var reader = RowReader(row)
            let number = MappingNumber(try reader.short())
            mappings[number]?.control.revision = try reader.word()
            mappings[number]?.control.isEnabled = try reader.integer() != 0
            mappings[number]?.control.brought = try reader.blob()
        }
        for row in contents[.mappingAction] {
            var reader = RowReader(row)
            let number = MappingNumber(try reader.short())
            let action = MappingAction(
                revision: try reader.word(), time: try reader.time(), actor: try reader.text(),
                reason: try reader.text(), changedSettings: try reader.integer() != 0,
                isEnabled: try reader.optional().map { $0 != 0 })
            mappings[number]?.control.actions.append(action)
        }
        for number in mappings.keys {
            mappings[number]?.control.actions.sort { $0.revision < $1.revision }
            // A crash between two transactions may have left more.
            let surplus = (mappings[number]?.control.actions.count ?? 0) - MappingControl.keptActions
            if surplus > 0 { mappings[number]?.control.actions.removeFirst(surplus) }
        }
    }
}

extension MappingAction {
    fileprivate func row(_ mapping: MetadataValue) -> MetadataRow {
        MetadataRow(
            .mappingAction,
            [
                mapping, .bits(revision), .integer(time.milliseconds), .text(actor), .text(reason),
                .integer(changedSettings ? 1 : 0), .optional(isEnabled.map { $0 ? 1 : 0 }),
            ])
    }
}

extension DirtyRows.ActionPlace: Comparable {
    package static func < (left: Self, right: Self) -> Bool {
        (left.mapping, left.revision) < (right.mapping, right.revision)
    }
}

extension MappingState {
    var controlRow: MetadataRow {
        MetadataRow(
            .mappingControl,
            [
                .number(number.rawValue), .bits(control.revision), .integer(control.isEnabled ? 1 : 0),
                .blob(control.brought),
            ])
    }
}
