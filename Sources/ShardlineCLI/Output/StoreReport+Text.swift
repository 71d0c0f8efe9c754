import DataFormats
import EventSource
import OfflineStore
import SegmentStorage
import StreamModel

extension StoreReport {
    /// For people: the verdict, then what was found, each with its place and what it costs.
    var lines: [String] {
        let read =
            "\(Readable.count(counts.streams, "stream")), \(Readable.count(counts.shards, "shard")), "
            + "\(Readable.count(counts.records, "stored record")); \(Readable.count(counts.segments, "segment")) with "
            + "\(Readable.count(counts.blocks, "block")), \(Readable.count(counts.commits, "commit")) in the journal"
        var lines: [String]
        switch verdict {
        case .whole: lines = ["whole: \(isBackup ? "a backup of " : "")\(read)"]
        case .undecided: lines = ["can't tell"]
        case .damaged: lines = ["damaged; what is whole: \(read)"]
        }
        lines += Self.limited(findings, "finding") { $0.lines }
        lines += Self.limited(lostRanges, "range", "ranges") { ["given up by an earlier repair: \($0.text)"] }
        if verdict == .damaged {
            lines.append(
                isBackup
                    ? "it can't be restored: make another backup; where there is nothing else, a copy of '\(directory)/store' can be repaired"
                    : "`shardline repair \(ShellWord.quoted(directory))` says what it would do")
        }
        return lines.map { Output.escaped($0.utf8, backslash: "\\") }
    }

    /// The lines of the first items, and how many items are left: one damaged page may be many findings, and a report that
    /// nobody can read tells nothing.
    static func limited<Item>(
        _ items: [Item], _ name: String, _ names: String? = nil, lines: (Item) -> [String]
    ) -> [String] {
        var shown = items.prefix(linesLimit).flatMap(lines)
        // An item of many lines, such as the ranges that one damaged segment has cost.
        let hidden = max(0, shown.count - 4 * linesLimit)
        if hidden > 0 {
            shown.removeLast(hidden)
            shown.append("    … and \(Readable.count(hidden, "line")) more; --json has all")
        }
        let left = items.count - linesLimit
        return left > 0 ? shown + ["… and \(Readable.count(left, name, names)) more; --json has all"] : shown
    }

    private static let linesLimit = 50

    /// For programs.
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { report in
            report.member("directory", directory)
            report.member("isBackup", isBackup)
            report.member("verdict", verdict.rawValue)
            report.name("read")
            report.object { read in
                read.member("streams", counts.streams)
                read.member("shards", counts.shards)
                read.member("records", counts.records)
                read.member("segments", counts.segments)
                read.member("blocks", counts.blocks)
                read.member("commits", counts.commits)
                read.member("bytes", counts.bytes)
            }
            report.name("findings")
            report.array { list in for finding in findings { finding.write(to: &list) } }
            report.name("lostRanges")
            report.array { list in for range in lostRanges { range.write(to: &list) } }
        }
        return writer.bytes
    }
}

extension StoreReport.Finding {
    var lines: [String] {
        var place = file ?? "the store"
        if let bytes {
            place +=
                bytes.count == 1
                ? ", byte \(bytes.lowerBound)" : ", bytes \(bytes.lowerBound) to \(bytes.upperBound - 1)"
        }
        let kind = severity == .note ? "note: " : ""
        return ["\(kind)\(place): \(message)"] + lost.map { "    lost: \($0.text)" }
    }

    fileprivate func write(to list: inout JSONWriter) {
        list.object { finding in
            finding.member("severity", severity.rawValue)
            finding.member("file", file)
            finding.member("firstByte", bytes?.lowerBound)
            finding.member("lastByte", bytes.map { $0.upperBound - 1 })
            finding.member("message", message)
            finding.name("lost")
            finding.array { list in for range in lost { range.write(to: &list) } }
        }
    }
}

extension StoreReport.RecordRange {
    /// Such as `orders, shardId-000000000003, records 17 to 25 (9)`.
    var text: String {
        let place =
            if let stream, let shard { "\(stream), \(shard)" } else { "the shard with the key \(shardKey)" }
        return count == 1
            ? "\(place), record \(numbers.lowerBound)"
            : "\(place), records \(numbers.lowerBound) to \(numbers.upperBound) (\(Readable.number(count)))"
    }

    func write(to list: inout JSONWriter) {
        func kinesis(_ number: SequenceNumber) -> String? {
            guard let shard, let shardCreationSecond else { return nil }
            // When they arrived went with them; 0 stands for it, as in failure documents.
            return KinesisSequenceNumber(
                shard: shard, shardCreationSecond: shardCreationSecond, sequenceNumber: number,
                arrivalSecond: 0
            ).description
        }
        list.object { range in
            range.member("streamName", stream)
            range.member("shardId", shard?.description)
            range.member("shardKey", Int(shardKey))
            range.member("startSequenceNumber", kinesis(numbers.lowerBound))
            range.member("endSequenceNumber", kinesis(numbers.upperBound))
            range.member("first", Int(clamping: numbers.lowerBound.rawValue))
            range.member("last", Int(clamping: numbers.upperBound.rawValue))
        }
    }
}
