import Foundation

/// Medians over the rounds, and the bars that they are held against.
struct Report {
    /// Of the rate without parked keys, that of other keys while a million records wait.
    static let othersBar = 0.9
    /// Of the rate of plain consumption, that of a redrive.
    static let redriveBar = 0.5
    /// The most memory of any step, in bytes.
    static let memoryBar = 256 << 20

    private let settings: ParkedKeysBench.Settings
    private let rounds: [ParkedKeysBench.Round]

    init(_ settings: ParkedKeysBench.Settings, _ rounds: [ParkedKeysBench.Round]) {
        self.settings = settings
        self.rounds = rounds
    }

    /// The median of the rounds' ratios, each of two steps that came one after the other.
    private var others: Double { median { $0.othersAlone.seconds / $0.others.seconds } }
    private var redrive: Double { median { $0.plain.seconds / $0.redrive.seconds } }
    private var peak: Int {
        rounds.flatMap { [$0.parking, $0.others, $0.othersAlone, $0.redrive, $0.plain] }.map(\.peakBytes).max() ?? 0
    }

    var isWithinBars: Bool {
        others >= Self.othersBar && redrive >= Self.redriveBar && peak <= Self.memoryBar
    }

    var table: String {
        let more = ParkedKeysBench.Settings.others
        let rows: [(String, Int, (ParkedKeysBench.Round) -> ParkedKeysBench.Step)] = [
            ("records are parked", 1, \.parking), ("other keys, while they wait", more, \.others),
            ("other keys, none waits", more, \.othersAlone), ("redrive", 1, \.redrive),
            ("the same records, never parked", 1, \.plain),
        ]
        let lines = rows.map { row -> String in
            let (name, times, step) = row
            let records = Double(settings.records * times)
            let rate = records / median { step($0).seconds }
            let cost = 1e6 * median { step($0).processorSeconds } / records
            let most = rounds.map { step($0).peakBytes }.max() ?? 0
            return "| \(name) | \(Int(rate / 1_000)) k | \(String(format: "%.2f", cost)) | \(most >> 20) |"
        }
        return """
            \(settings.records) records of \(settings.keys) keys in \(settings.shards) shards, medians of \(rounds.count) rounds
            | | records/s | CPU, µs/record | most memory, MiB |
            |---|---:|---:|---:|
            \(lines.joined(separator: "\n"))
            \(said("other keys, of their rate where none waits", others, atLeast: Self.othersBar))
            \(said("redrive, of the rate of plain consumption", redrive, atLeast: Self.redriveBar))
            most memory: \(peak >> 20) MiB (bar: \(Self.memoryBar >> 20)) \(peak <= Self.memoryBar ? "ok" : "MISSED")
            """
    }

    private func said(_ what: String, _ value: Double, atLeast bar: Double) -> String {
        "\(what): \(String(format: "%.2f", value)) (bar: \(bar)) \(value >= bar ? "ok" : "MISSED")"
    }

    private func median(_ value: (ParkedKeysBench.Round) -> Double) -> Double {
        let sorted = rounds.map(value).sorted()
        return sorted.count % 2 == 1
            ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
    }
}

extension ParkedKeysBench.Round {
    /// The seconds of each step, and the most memory of any, in MiB.
    var line: String {
        let steps = [
            ("parking", parking), ("others", others), ("alone", othersAlone), ("redrive", redrive), ("plain", plain),
        ]
        let texts = steps.map { "\($0) \(String(format: "%.2f", $1.seconds)) s" }
        return "\(texts.joined(separator: ", ")); \((steps.map(\.1.peakBytes).max() ?? 0) >> 20) MiB"
    }
}
