/// Makes the bytes of records: like JSON of a web shop, or random.
struct RecordMaker {
    private var state: UInt64 = 88_172_645_463_325_252

    private static let events = ["page_view", "add_to_cart", "purchase", "search", "login", "logout"]
    private static let countries = ["DE", "FR", "US", "GB", "JP", "BR", "IN", "SE"]

    /// Xorshift: fast, and the same on every machine.
    private mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    private mutating func number(below limit: UInt64) -> UInt64 { next() % limit }
    private mutating func one(of words: [String]) -> String { words[Int(number(below: UInt64(words.count)))] }

    /// `size` bytes like JSON; 64 KiB of them compress 3 to 4 to 1 by LZ4.
    mutating func json(size: Int) -> [UInt8] {
        let user = padded(String(number(below: 10_000)), 6)
        var text =
            "{\"seq\":\"0000000000000000\",\"user\":\"user-\(user)\",\"ts\":17"
            + padded(String(number(below: 100_000_000_000)), 11) + ",\"event\":\"\(one(of: Self.events))\""
        var field = 0
        while text.utf8.count < size {
            text += member(field % 5)
            field += 1
        }
        var bytes = Array(text.utf8.prefix(size))
        bytes[size - 1] = UInt8(ascii: "}")
        return bytes
    }

    private mutating func member(_ kind: Int) -> String {
        switch kind {
        case 0:
            let session = padded(String(next() & 0xFFFF_FFFF, radix: 16), 8)
            return ",\"country\":\"\(one(of: Self.countries))\",\"session_id\":\"\(session)\""
        case 1:
            return ",\"product_id\":\(number(below: 100_000)),\"price_cents\":\(number(below: 20_000)),"
                + "\"quantity\":\(1 + number(below: 4))"
        case 2:
            return ",\"user_agent\":\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/12"
                + "\(number(below: 10)).0.0.0\""
        case 3: return ",\"referrer\":\"https://www.example.com/category/\(number(below: 500))\""
        default:
            return ",\"flags\":{\"mobile\":\(next() & 1 == 1),\"returning\":\(next() & 1 == 1)}"
        }
    }

    /// `size` bytes that don't compress.
    mutating func noise(size: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + 8)
        while bytes.count < size { withUnsafeBytes(of: next()) { bytes.append(contentsOf: $0) } }
        return Array(bytes.prefix(size))
    }

    private func padded(_ digits: String, _ width: Int) -> String {
        String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
