import StreamModel

/// Rows of text in columns, for people.
struct Table {
    /// On which side a column's texts stand.
    enum Alignment { case left, right }

    private let columns: [(title: String, alignment: Alignment)]
    private var rows: [[String]] = []

    /// A table with these columns.
    init(_ columns: [(title: String, alignment: Alignment)]) { self.columns = columns }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// One line a row, the titles first.
    var lines: [String] {
        let all = [columns.map(\.title)] + rows
        let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (column, text) in row.enumerated() {
                let space = String(repeating: " ", count: widths[column] - text.count)
                if column > 0 { line += "  " }
                line += columns[column].alignment == .left ? text + space : space + text
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

/// Numbers and times as people read them.
enum Readable {
    /// `27004` as `27,004`.
    static func number(_ number: some BinaryInteger) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + text
    }

    /// `1 record`, `2 records`, with the thousands set off.
    static func count(_ number: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
        "\(self.number(number)) \(number == 1 ? one : many ?? one + "s")"
    }

    /// A rate, whole from 10 on and with one decimal below.
    static func rate(_ rate: Double) -> String {
        rate < 9.95 && rate > 0 ? "\((rate * 10).rounded() / 10)" : number(Int(rate.rounded()))
    }

    /// A duration in the largest unit that divides it (`36h`, `90s`, `1500ms`), as the options take it.
    static func duration(_ duration: Duration) -> String {
        duration.optionText
    }

    /// A moment as `15:09:12Z` on the day of `now`, with the date on others.
    static func moment(_ moment: Timestamp, now: Timestamp) -> String {
        let (text, today) = (moment.description, now.description)
        let seconds = text.prefix(19) + "Z"
        return text.prefix(10) == today.prefix(10) ? String(seconds.dropFirst(11)) : String(seconds)
    }

    /// At most `count` characters, with an ellipsis where there were more.
    static func shortened(_ text: String, to count: Int) -> String {
        text.count > count ? text.prefix(count - 1) + "…" : text
    }

    /// A measured duration, rounded: `850 ms`, `2.3 s`, `4 min 5 s`, `3 h 2 min`.
    static func measured(_ duration: Duration) -> String {
        let seconds = max(0, duration.inSeconds)
        if seconds < 1 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 100 { return "\((seconds * 10).rounded() / 10) s" }
        let whole = Int(seconds.rounded())
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
