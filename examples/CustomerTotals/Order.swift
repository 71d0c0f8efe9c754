import Shardline

/// An order of a customer, as a line such as `ada,17,1999`: the customer, the order's number among theirs, and cents.
public struct Order: Equatable, Sendable {
    /// Who has ordered.
    public var customer: String
    /// The order's number among those of the customer, from 1.
    public var number: Int
    /// What it costs.
    public var cents: Int

    /// Reads a line. Throws ``MalformedRecord`` where it is no order.
    ///
    /// One till writes its amounts as `19.99`. `readsEuros` is the mended function, which reads them too.
    public init(_ line: some Collection<UInt8>, readsEuros: Bool) throws {
        let text = String(decoding: line, as: UTF8.self)
        let fields = text.split(separator: ",", omittingEmptySubsequences: false)
        guard fields.count == 3, let number = Int(fields[1]),
            let cents = Int(fields[2]) ?? (readsEuros ? Self.cents(ofEuros: fields[2]) : nil)
        else { throw MalformedRecord("no order: \(text)") }
        customer = String(fields[0])
        self.number = number
        self.cents = cents
    }

    private static func cents(ofEuros text: Substring) -> Int? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.count == 2, let euros = Int(parts[0]), let cents = Int(parts[1]),
            euros >= 0, cents >= 0
        else { return nil }
        return euros * 100 + cents
    }

    /// The orders that the program puts: 200 of each of eight customers, by turns. The fortieth of `max` is one that the
    /// function can't read before it is mended.
    public static let lines: [(customer: String, line: String)] = (1...200).flatMap { number in
        ["ada", "bob", "eva", "ida", "leo", "max", "mia", "tom"].enumerated().map { place, customer in
            let cents = (number * 7919 + place * 104_729) % 10_000
            let amount = customer == "max" && number == 40 ? "19.99" : "\(cents)"
            return (customer, "\(customer),\(number),\(amount)")
        }
    }
}
