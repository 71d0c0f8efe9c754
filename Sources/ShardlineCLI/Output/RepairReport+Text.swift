import DataFormats
import EventSource
import OfflineStore
import SegmentStorage
import StreamModel

extension RepairReport {
    /// For people: what is wrong, what is done about it, what it costs.
    var lines: [String] {
        guard isNeeded else { return ["the store is whole; there is nothing to repair"] }
        var lines = ["damaged:"]
        lines += StoreReport.limited(found.findings.filter { $0.severity == .damage }, "finding") {
            $0.lines
        }.map { "  " + $0 }
        lines.append(isApplied ? "done:" : "it would:")
        lines.append("  copy what is damaged to quarantine/")
        lines += StoreReport.limited(steps, "step") { ["  " + $0] }
        if lost.isEmpty {
            lines.append("no record that is known is lost")
        } else {
            let count = lost.reduce(0) { $0 + $1.count }
            lines.append("\(Readable.count(count, "record")) \(isApplied ? "given up" : "would be given up"):")
            lines += StoreReport.limited(lost, "range") { ["  " + $0.text] }
        }
        if !unknown.isEmpty {
            lines.append("what can't be known:")
            lines += StoreReport.limited(unknown, "entry", "entries") { ["  " + $0] }
        }
        if !isApplied {
            lines.append("nothing was changed; `shardline repair --apply \(ShellWord.quoted(found.directory))` does it")
        }
        return lines.map { Output.escaped($0.utf8, backslash: "\\") }
    }

    /// For programs.
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { report in
            report.member("isNeeded", isNeeded)
            report.member("isApplied", isApplied)
            report.name("found")
            report.raw(found.json)
            report.name("steps")
            report.array { list in for step in steps { list.string(step) } }
            report.name("lost")
            report.array { list in for range in lost { range.write(to: &list) } }
            report.name("unknown")
            report.array { list in for what in unknown { list.string(what) } }
        }
        return writer.bytes
    }
}
