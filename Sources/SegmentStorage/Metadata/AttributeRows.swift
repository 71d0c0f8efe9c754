import StreamModel
import StreamStorage

// Attributes as rows.

extension Catalogue {
    /// The change that brings the row of an attribute up to date.
    func change(of place: DirtyRows.AttributePlace) -> MetadataChange {
        let table = place.stream == AttributeEntry.accounts ? accountAttributes : streams[place.stream]?.attributes
        let key = [
            MetadataValue.number(place.stream.rawValue), .text(place.part.string), .text(place.name.string),
        ]
        guard let state = table?[place.part, place.name] else { return .remove(.attribute, key: key) }
        return .put(
            MetadataRow(.attribute, key + [.blob(state.value), .bits(state.revision), .bits(state.atCommit)]))
    }

    /// Takes the attributes of accounts and of the streams, which are there already.
    mutating func takeAttributes(_ contents: MetadataContents) throws(MetadataError) {
        for row in contents[.attribute] {
            var reader = RowReader(row)
            let stream = StreamNumber(try reader.short())
            let (part, name) = (UTF8Key(try reader.text()), UTF8Key(try reader.text()))
            let state = AttributeState(
                value: try reader.blob(), revision: try reader.word(), atCommit: try reader.word())
            if stream == AttributeEntry.accounts {
                accountAttributes[part, name] = state
            } else {
                streams[stream]?.attributes[part, name] = state
            }
        }
    }

    /// The places of all attributes.
    package var attributePlaces: Set<DirtyRows.AttributePlace> {
        var places = Set(
            accountAttributes.places.map {
                DirtyRows.AttributePlace(stream: AttributeEntry.accounts, part: $0.part, name: $0.name)
            })
        for stream in streams.values {
            for place in stream.attributes.places {
                places.insert(.init(stream: stream.key, part: place.part, name: place.name))
            }
        }
        return places
    }
}

extension DirtyRows.AttributePlace: Comparable {
    package static func < (left: Self, right: Self) -> Bool {
        (left.stream, left.part, left.name) < (right.stream, right.part, right.name)
    }
}
