import StreamModel
import Synchronization

/// A registered segment. It is immutable: a change registers a new value.
package final class RegisteredSegment: Sendable {
    package let row: SegmentRow
    /// The sections of an open segment, in the order of their commits; empty for a sealed one.
    package let sections: [SectionRow]
    package let streams: [UInt64: SegmentStreamRow]

    package init(row: SegmentRow, sections: [SectionRow], streams: [UInt64: SegmentStreamRow]) {
        self.row = row
        self.sections = sections
        self.streams = streams
    }

    /// The offsets and checksums of the indexes' trailers: one for each section, or the footer's.
    package var trailers: [(offset: UInt64, checksum: UInt32)] {
        switch row.state {
        case .open: sections.map { ($0.trailerOffset, $0.indexChecksum) }
        case .sealed, .deleting: [(row.footerOffset, row.footerChecksum)]
        }
    }

    package var firstArrival: Int64 { streams.values.map(\.firstArrival).min() ?? .max }
    /// The stream that the segment belongs to alone; nil for a shared one.
    package var owner: UInt64? { row.grouping.isOwn ? streams.keys.first : nil }
}

/// The registered segments in memory, as SQLite has them. Calls may come from any thread and do not block.
package final class SegmentSet: Sendable {
    fileprivate struct State {
        var segments: [UInt64: RegisteredSegment] = [:]
        /// The segments of each stream in ascending order, which is the order of its records too (STORE-F1).
        var ofStream: [UInt64: [UInt64]] = [:]
        var next: UInt64
    }
    private let state: Mutex<State>

    /// The set as the database's rows describe it. Throws where they contradict each other.
    package init(_ contents: MetadataContents, next: UInt64) throws(MetadataError) {
        var sections: [UInt64: [SectionRow]] = [:]
        for row in contents[.section] {
            let section = try row.sectionRow()
            sections[section.segment, default: []].append(section)
        }
        var streams: [UInt64: [UInt64: SegmentStreamRow]] = [:]
        for row in contents[.segmentStream] {
            let stream = try row.segmentStreamRow()
            streams[stream.segment, default: [:]][stream.stream] = stream
        }
        var initial = State(next: next)
        for row in contents[.segment] {
            let segment = try row.segmentRow()
            initial.insert(
                RegisteredSegment(
                    row: segment,
                    sections: (sections[segment.id] ?? []).sorted { $0.offset < $1.offset },
                    streams: streams[segment.id] ?? [:]))
        }
        state = Mutex(initial)
    }

    /// A number for a new segment. It is never reused.
    func takeNumber() -> UInt64 {
        state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
    }

    /// The number of the next new segment.
    var nextNumber: UInt64 { state.withLock { $0.next } }

    /// All segments in ascending order.
    package var all: [RegisteredSegment] {
        state.withLock { state in state.segments.values.sorted { $0.row.id < $1.row.id } }
    }

    package func segment(_ id: UInt64) -> RegisteredSegment? { state.withLock { $0.segments[id] } }

    /// The segments that hold records of a shard, in the order of its numbers.
    package func segments(of stream: UInt64, shard number: UInt32) -> [RegisteredSegment] {
        state.withLock { state in
            (state.ofStream[stream] ?? []).compactMap { id in
                guard let segment = state.segments[id], segment.row.state != .deleting,
                    segment.streams[stream]?.holds(shard: number) == true
                else { return nil }
                return segment
            }
        }
    }

    /// The newest segment that holds records of a stream.
    package func newest(of stream: UInt64) -> RegisteredSegment? {
        state.withLock { state in state.ofStream[stream]?.last.flatMap { state.segments[$0] } }
    }

    /// The newest open segment with this grouping, which several streams share.
    func openShared(_ grouping: SegmentGrouping) -> RegisteredSegment? {
        state.withLock { state in
            state.segments.values
                .filter { $0.row.state == .open && $0.row.grouping == grouping }
                .max { $0.row.id < $1.row.id }
        }
    }

    /// Adds a segment, or replaces its earlier value.
    func register(_ segment: RegisteredSegment) { state.withLock { $0.insert(segment) } }

    /// Removes a segment, so that readers no longer find it.
    package func remove(_ id: UInt64) { state.withLock { $0.remove(id) } }
}

extension SegmentSet.State {
    fileprivate mutating func insert(_ segment: RegisteredSegment) {
        let id = segment.row.id
        segments[id] = segment
        next = max(next, id + 1)
        for stream in segment.streams.keys {
            var ids = ofStream[stream] ?? []
            guard !ids.contains(id) else { continue }
            ids.append(id)
            if ids.count > 1, ids[ids.count - 2] > id { ids.sort() }
            ofStream[stream] = ids
        }
    }

    fileprivate mutating func remove(_ id: UInt64) {
        guard let segment = segments.removeValue(forKey: id) else { return }
        for stream in segment.streams.keys {
            ofStream[stream]?.removeAll { $0 == id }
            if ofStream[stream]?.isEmpty == true { ofStream[stream] = nil }
        }
    }
}
