#if Server
import StreamModel

/// The field `Date`: clients correct their clocks by it before they sign.
enum DateHeader {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// As RFC 9110 has it: `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func text(_ time: Timestamp) -> String {
        // 2026-01-31T08:30:00.000Z
        let iso = time.description.utf8.map { $0 }
        func part(_ range: Range<Int>) -> String { String(decoding: iso[range], as: UTF8.self) }
        let month = Int(part(5..<7)).map { months[$0 - 1] } ?? ""
        let day = days[Int(time.second / 86_400 % 7)]
        return "\(day), \(part(8..<10)) \(month) \(part(0..<4)) \(part(11..<19)) GMT"
    }
}
#endif
