import ThroughputBench

/// What `bench` says at its end: a column for each run.
struct BenchTable {
    let reports: [BenchReport]

    func print(to output: Output) throws {
        guard let first = reports.first else { return }
        try output.line(heading(first))
        var table = Table(
            [(title: "", alignment: .left)]
                + reports.map { (title: Readable.count($0.shards, "shard"), alignment: .right) })
        for (title, value) in first.endpoint == nil ? rows : endpointRows {
            table.add([title] + reports.map(value))
        }
        for (title, value) in failureRows where reports.contains(where: { value($0) > 0 }) {
            table.add([title] + reports.map { Readable.number(value($0)) })
        }
        table.add(["proof"] + reports.map(Self.proof))
        if reports.contains(where: { $0.floor != nil }) {
            for (title, value) in floorRows { table.add([title] + reports.map { $0.floor.map(value) ?? "" }) }
        }
        for line in table.lines { try output.line(line) }
        for report in reports where !report.isProved {
            for violation in report.violations {
                try output.line("with \(Readable.count(report.shards, "shard")): \(violation)")
            }
        }
    }

    private func heading(_ report: BenchReport) -> String {
        let pace = report.rate.map { "at \(Readable.number(Int($0)))/s" } ?? "as fast as it goes"
        if let endpoint = report.endpoint {
            return
                "\(Readable.count(report.records, "record")) of \(Readable.count(report.recordBytes, "byte")) at \(endpoint), \(Readable.count(report.producers, "producer")) with \(Readable.count(report.batch, "record")) a call \(pace), read by \(report.reader ?? "")"
        }
        return
            "\(Readable.count(report.records, "record")) of \(Readable.count(report.recordBytes, "byte")), \(report.durability), \(Readable.count(report.producers, "producer")) with \(Readable.count(report.batch, "record")) a call \(pace), \(report.mappings > 1 ? "\(Readable.number(report.mappings)) mappings with " : "")batches of \(Readable.number(report.consumerBatch))\(report.parallelizationFactor > 1 ? ", \(report.parallelizationFactor) of a shard at once" : "")"
    }

    private typealias Row = (String, (BenchReport) -> String)

    private func rates(_ done: String, _ way: String) -> [Row] {
        [
            ("put", { Readable.number(Int($0.putRecordsPerS)) + "/s" }),
            (done, { Readable.number(Int($0.consumedRecordsPerS)) + "/s" }),
            ("", { Self.decimal($0.mbPerS, 1) + " MB/s" }),
            ("put acknowledged p50", { Self.milliseconds($0.putAckMs?.p50) }),
            ("  p99", { Self.milliseconds($0.putAckMs?.p99) }),
            ("  p99.9", { Self.milliseconds($0.putAckMs?.p999) }),
            ("  max", { Self.milliseconds($0.putAckMs?.max) }),
            ("put to \(way) p50", { Self.milliseconds($0.latencyMs?.p50) }),
            ("  p99", { Self.milliseconds($0.latencyMs?.p99) }),
            ("  p99.9", { Self.milliseconds($0.latencyMs?.p999) }),
            ("  max", { Self.milliseconds($0.latencyMs?.max) }),
        ]
    }

    private var endpointRows: [Row] {
        let isPushed = reports.first?.reader == "SubscribeToShard"
        var rows = rates("read", isPushed ? "push" : "read")
        if reports.contains(where: { $0.serverCpuS != nil }) {
            rows += [
                ("server's CPU per record", { Self.decimal($0.serverCpuUsPerRecord ?? 0, 2) + " µs" }),
                ("  in all", { Self.decimal($0.serverCpuS ?? 0, 2) + " s" }),
            ]
        }
        rows.append(("bench's CPU per record", { Self.decimal($0.cpuUsPerRecord, 2) + " µs" }))
        if reports.contains(where: { $0.retries ?? 0 > 0 }) {
            rows.append(("tried again", { Readable.number($0.retries ?? 0) }))
        }
        return rows
    }

    private var rows: [Row] {
        rates("consumed", "function") + [
            ("CPU per record", { Self.decimal($0.cpuUsPerRecord, 2) + " µs" }),
            ("records per commit", { Self.decimal($0.recsPerCommit, 1) }),
            ("syncs", { Readable.number($0.syncs) }),
            ("invocations", { Readable.number($0.invocations) }),
            ("checkpoints", { Readable.number($0.checkpoints) }),
            ("on disk", { Self.megabytes($0.diskBytes) }),
            ("  segments", { Self.megabytes($0.segmentBytes) }),
            ("  metadata", { Self.megabytes($0.metadataBytes) }),
            ("  journal", { Self.megabytes($0.journalLiveBytes) }),
            ("  (journal's reserve)", { Self.megabytes($0.journalReservedBytes) }),
            (
                "on disk per byte put",
                { Self.decimal(Double($0.diskBytes) / Double(max(1, $0.records * $0.recordBytes)), 2) }
            ),
            ("peak memory", { Self.megabytes($0.peakRssBytes) }),
        ]
    }

    /// What a function can do wrong; shown where one did.
    private var failureRows: [(String, (BenchReport) -> Int)] {
        [
            ("failed invocations", { $0.failedInvocations }),
            ("records given up", { $0.givenUp }),
            ("records not done", { $0.unfinished }),
        ]
    }

    private var floorRows: [(String, (BenchReport.Floor) -> String)] {
        [
            ("the disk: 4 KiB synced p50", { Self.milliseconds($0.syncMs.p50) }),
            ("  p99", { Self.milliseconds($0.syncMs.p99) }),
            ("the disk: 1 MiB synced", { Self.decimal($0.mbPerS, 0) + " MB/s" }),
            ("  varied by", { "×" + Self.decimal($0.variation, 2) }),
        ]
    }

    private static func proof(_ report: BenchReport) -> String {
        if report.isProved {
            guard report.unfinished == 0 else { return "none: stopped" }
            return report.givenUp == 0 ? "complete, in order" : "in order, \(Readable.number(report.givenUp)) given up"
        }
        var parts: [String] = []
        if !report.ordered { parts.append("disordered") }
        if report.lost > 0 { parts.append("\(Readable.number(report.lost)) lost") }
        if report.duplicates > 0 { parts.append("\(Readable.number(report.duplicates)) twice") }
        return "FAILED: " + (parts.isEmpty ? "not what was put" : parts.joined(separator: ", "))
    }

    /// Why a run whose function did not do its records has failed, in one line.
    static func failure(of report: BenchReport) -> String {
        let missing = report.givenUp + report.unfinished
        var parts = [Readable.count(report.failedInvocations, "failed invocation")]
        if report.givenUp > 0 { parts.append("\(Readable.count(report.givenUp, "record")) given up") }
        if report.unfinished > 0 {
            parts.append("stopped with \(Readable.count(report.unfinished, "record")) not done")
        }
        if let error = report.functionError { parts.append("its last error: \(Readable.shortened(error, to: 200))") }
        return
            "with \(Readable.count(report.shards, "shard")) the function did not do \(Readable.number(missing)) of \(Readable.count(report.records * report.mappings, "record")): \(parts.joined(separator: ", "))"
    }

    private static func megabytes(_ bytes: Int) -> String { decimal(Double(bytes) / 1e6, 1) + " MB" }
    private static func milliseconds(_ value: Double?) -> String {
        value.map { decimal($0, $0 < 1 ? 3 : 1) + " ms" } ?? "–"
    }

    /// A number with the given number of decimals.
    static func decimal(_ value: Double, _ places: Int) -> String {
        let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
        let whole = Int((abs(value) * scale).rounded())
        let digits = String(whole % Int(scale))
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard places > 0 else { return sign + Readable.number(whole) }
        return sign + Readable.number(whole / Int(scale)) + "."
            + String(repeating: "0", count: places - digits.count) + digits
    }
}
