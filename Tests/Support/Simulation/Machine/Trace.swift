/// What happened in a run: a hash of every event, and the events as text where somebody wants to read them.
package struct Trace: Sendable {
    /// FNV-1a over all events.
    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    package private(set) var events = 0
    /// The text of the events; empty where it is not kept.
    package private(set) var lines: [String] = []
    private let keepsText: Bool

    package init(keepsText: Bool = false) { self.keepsText = keepsText }

    private mutating func mix(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }

    /// Takes note of an event.
    package mutating func note(_ what: StaticString, _ name: String = "", _ first: Int = 0, _ second: Int = 0) {
        events += 1
        what.withUTF8Buffer { for byte in $0 { mix(byte) } }
        for byte in name.utf8 { mix(byte) }
        hash = (hash ^ UInt64(bitPattern: Int64(first))) &* 0x100_0000_01B3
        hash = (hash ^ UInt64(bitPattern: Int64(second))) &* 0x100_0000_01B3
        if keepsText { lines.append("\(what) \(name) \(first) \(second)") }
    }
}
