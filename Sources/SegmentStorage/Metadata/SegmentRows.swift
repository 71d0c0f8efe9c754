/// The row of a segment file.
package struct SegmentRow: Hashable, Sendable {
    package enum State: Int64, Sendable {
        case open = 0
        case sealed = 1
        case deleting = 2
    }

    package var id: UInt64
    package var state: State
    package var grouping: SegmentGrouping
    /// The valid length of the file, in bytes. Bytes after it belong to a flush that was not finished.
    package var bytes: UInt64
    /// The offset of the footer's trailer, and its checksum; 0 while the segment is open.
    package var footerOffset: UInt64
    package var footerChecksum: UInt32
    package var commits: ClosedRange<UInt64>
    package var created: Int64

    package init(
        id: UInt64, state: State, grouping: SegmentGrouping, bytes: UInt64, footerOffset: UInt64,
        footerChecksum: UInt32, commits: ClosedRange<UInt64>, created: Int64
    ) {
        self.id = id
        self.state = state
        self.grouping = grouping
        self.bytes = bytes
        self.footerOffset = footerOffset
        self.footerChecksum = footerChecksum
        self.commits = commits
        self.created = created
    }

    package var row: MetadataRow {
        MetadataRow(
            .segment,
            [
                .bits(id), .integer(state.rawValue), .integer(grouping.code), .bits(bytes), .bits(footerOffset),
                .number(footerChecksum), .bits(commits.lowerBound), .bits(commits.upperBound), .integer(created),
            ])
    }
}

/// Which segments a stream's records are written to (STORE-F1). It only groups records; retention decides when they are
/// deleted.
package struct SegmentGrouping: Hashable, Sendable {
    /// The class of streams with similar retention: up to 24 h, 48 h, 7 d, 30 d, 365 d.
    package var retentionClass: Int
    /// Whether one stream has the segment to itself.
    package var isOwn: Bool

    package static let hours = [24, 48, 7 * 24, 30 * 24, 365 * 24]

    package init(retentionMilliseconds: Int64, isOwn: Bool) {
        retentionClass =
            Self.hours.firstIndex { retentionMilliseconds <= Int64($0) * 3_600_000 } ?? Self.hours.count - 1
        self.isOwn = isOwn
    }

    package init?(code: Int64) {
        guard (0..<32).contains(code), Int(code & 15) < Self.hours.count else { return nil }
        retentionClass = Int(code & 15)
        isOwn = code & 16 != 0
    }

    package var code: Int64 { Int64(retentionClass) | (isOwn ? 16 : 0) }

    /// The longest time span of the records in one segment, in milliseconds: an eighth of the class's longest
    /// retention.
    package var longestSpan: Int64 { Int64(Self.hours[retentionClass]) * 3_600_000 / 8 }
}

/// The row of a section of an open segment.
package struct SectionRow: Hashable, Sendable {
    package var segment: UInt64
    package var offset: UInt64
    package var indexOffset: UInt64
    package var indexLength: UInt64
    package var indexChecksum: UInt32
    package var commits: ClosedRange<UInt64>

    package var row: MetadataRow {
        MetadataRow(
            .section,
            [
                .bits(segment), .bits(offset), .bits(indexOffset), .bits(indexLength), .number(indexChecksum),
                .bits(commits.lowerBound), .bits(commits.upperBound),
            ])
    }

    package var trailerOffset: UInt64 { indexOffset + indexLength - UInt64(SegmentIndex.trailerSize) }
}

/// The row of one stream's records in a segment.
package struct SegmentStreamRow: Hashable, Sendable {
    package var segment: UInt64
    package var stream: UInt64
    /// A bitmap of shard ids' numbers.
    package var shards: [UInt8]
    package var firstArrival: Int64
    package var lastArrival: Int64
    package var bytes: UInt64

    package init(
        segment: UInt64, stream: UInt64, shards: [UInt8], firstArrival: Int64, lastArrival: Int64, bytes: UInt64
    ) {
        self.segment = segment
        self.stream = stream
        self.shards = shards
        self.firstArrival = firstArrival
        self.lastArrival = lastArrival
        self.bytes = bytes
    }

    package var row: MetadataRow {
        MetadataRow(
            .segmentStream,
            [.bits(segment), .bits(stream), .blob(shards), .integer(firstArrival), .integer(lastArrival), .bits(bytes)])
    }

    package func holds(shard number: UInt32) -> Bool {
        let byte = Int(number / 8)
        return byte < shards.count && shards[byte] & (1 << (number % 8)) != 0
    }

    package mutating func insert(shard number: UInt32) {
        let byte = Int(number / 8)
        if byte >= shards.count { shards.append(contentsOf: repeatElement(0, count: byte + 1 - shards.count)) }
        shards[byte] |= 1 << (number % 8)
    }
}

extension MetadataRow {
    private func integer(_ index: Int) throws(MetadataError) -> Int64 {
        guard case .integer(let value) = values[index] else {
            throw MetadataError(.damaged, "table \(table.rawValue): column \(table.columns[index]) is no number")
        }
        return value
    }

    private func word(_ index: Int) throws(MetadataError) -> UInt64 { UInt64(bitPattern: try integer(index)) }

    private func commits(at index: Int) throws(MetadataError) -> ClosedRange<UInt64> {
        let (first, last) = (try word(index), try word(index + 1))
        guard first <= last else {
            throw MetadataError(.damaged, "table \(table.rawValue): commits \(first) to \(last)")
        }
        return first...last
    }

    package func segmentRow() throws(MetadataError) -> SegmentRow {
        guard let state = SegmentRow.State(rawValue: try integer(1)),
            let grouping = SegmentGrouping(code: try integer(2))
        else { throw MetadataError(.damaged, "table segment: state or class is none that this program knows") }
        return SegmentRow(
            id: try word(0), state: state, grouping: grouping, bytes: try word(3), footerOffset: try word(4),
            footerChecksum: UInt32(truncatingIfNeeded: try integer(5)), commits: try commits(at: 6),
            created: try integer(8))
    }

    package func sectionRow() throws(MetadataError) -> SectionRow {
        SectionRow(
            segment: try word(0), offset: try word(1), indexOffset: try word(2), indexLength: try word(3),
            indexChecksum: UInt32(truncatingIfNeeded: try integer(4)), commits: try commits(at: 5))
    }

    package func segmentStreamRow() throws(MetadataError) -> SegmentStreamRow {
        guard case .blob(let shards) = values[2] else {
            throw MetadataError(.damaged, "table segment_stream: shards is no bitmap")
        }
        return SegmentStreamRow(
            segment: try word(0), stream: try word(1), shards: shards, firstArrival: try integer(3),
            lastArrival: try integer(4), bytes: try word(5))
    }
}
