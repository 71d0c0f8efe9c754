import Foundation
import StreamModel
import TestSupport

/// What of a store is whole and where it lies, as `whole.py` tells it, which knows Documentation/Formats and no code of ours.
struct WholeMap: Sendable {
    /// A record by shard key and number.
    struct Place: Hashable, Sendable, Comparable {
        var shard: UInt32
        var number: UInt64

        static func < (left: Place, right: Place) -> Bool { (left.shard, left.number) < (right.shard, right.number) }
    }

    struct Content: Hashable, Sendable {
        var arrival: Int64
        var key: String
        var data: String
    }

    /// Bytes that are needed to read records, or that hold them.
    struct Holder: Sendable {
        enum Kind: String, Sendable {
            /// They hold the records.
            case block, commit
            /// They are needed to find the records.
            case index
            /// They help to rebuild what else is lost.
            case spare
        }
        var file: String
        var bytes: Range<Int>
        var kind: Kind
        var records: Set<Place>
    }

    let records: [Place: Content]
    let holders: [Holder]

    init(_ directory: String) async throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "whole.py").path
        let end = try await BuiltProgram(path: "/usr/bin/env").run(["python3", script, directory])
        guard end.status == 0 else { throw ShardlineError(.readFailed, "whole.py: \(end.errors)") }
        let object = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        var records: [Place: Content] = [:]
        for item in object?["records"] as? [[Any]] ?? [] {
            guard let shard = item[0] as? Int, let number = item[1] as? Int, let arrival = item[2] as? Int,
                let key = item[3] as? String, let data = item[4] as? String
            else { throw ShardlineError(.readFailed, "whole.py prints something else") }
            records[Place(shard: UInt32(shard), number: UInt64(number))] = Content(
                arrival: Int64(arrival), key: key, data: data)
        }
        self.records = records
        holders = try (object?["holders"] as? [[String: Any]] ?? []).map { item in
            guard let file = item["file"] as? String, let first = item["first"] as? Int, let end = item["end"] as? Int,
                let kind = (item["kind"] as? String).flatMap(Holder.Kind.init),
                let ranges = item["records"] as? [[Int]]
            else { throw ShardlineError(.readFailed, "whole.py prints something else") }
            return Holder(
                file: file, bytes: first..<end, kind: kind,
                records: Set(
                    ranges.flatMap { range in
                        (range[1]...range[2]).map { Place(shard: UInt32(range[0]), number: UInt64($0)) }
                    }))
        }
    }
}
