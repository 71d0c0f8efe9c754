/// Reads a JSON text into the values of a document.
struct JSONDocumentReader {
    private var scanner: JSONScanner
    private var nodes: [DocumentNode] = []

    static func nodes(of body: UnsafeBufferPointer<UInt8>) throws(DocumentError) -> [DocumentNode] {
        var reader = JSONDocumentReader(scanner: JSONScanner(body))
        // A record of a put has about 30 bytes for each of its values, at least.
        reader.nodes.reserveCapacity(body.count / 24 + 4)
        reader.scanner.skipSpace()
        try reader.value(depth: 0)
        reader.scanner.skipSpace()
        guard reader.scanner.isAtEnd else { throw DocumentError(.continues, at: reader.scanner.at) }
        return reader.nodes
    }

    private var malformed: DocumentError { DocumentError(.malformed, at: scanner.at) }

    /// - Parameter depth: the number of lists and maps that the value is in.
    private mutating func value(depth: Int) throws(DocumentError) {
        let start = scanner.at
        switch scanner.next {
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "{"): try object(depth: depth)
        case UInt8(ascii: "["): try array(depth: depth)
        case UInt8(ascii: "t") where scanner.take("true"): nodes.append(DocumentNode(.yes, at: start, 4))
        case UInt8(ascii: "f") where scanner.take("false"): nodes.append(DocumentNode(.no, at: start, 5))
        case UInt8(ascii: "n") where scanner.take("null"): nodes.append(DocumentNode(.null, at: start, 4))
        default: try number()
        }
    }

    private mutating func string() throws(DocumentError) {
        guard let text = scanner.string() else { throw malformed }
        nodes.append(
            DocumentNode(text.isEscaped ? .escapedString : .string, at: text.range.lowerBound, text.range.count))
    }

    private mutating func number() throws(DocumentError) {
        guard let range = scanner.number() else { throw malformed }
        let isWhole = scanner.slice(range).allSatisfy { $0 == UInt8(ascii: "-") || $0 &- 0x30 < 10 }
        nodes.append(DocumentNode(isWhole ? .integer : .decimal, at: range.lowerBound, range.count))
    }

    private mutating func object(depth: Int) throws(DocumentError) {
        let node = try open(depth: depth)
        var count = 0
        if !scanner.take(UInt8(ascii: "}")) {
            repeat {
                scanner.skipSpace()
                guard scanner.next == UInt8(ascii: "\"") else { throw malformed }
                try string()
                scanner.skipSpace()
                guard scanner.take(UInt8(ascii: ":")) else { throw malformed }
                scanner.skipSpace()
                try value(depth: depth + 1)
                scanner.skipSpace()
                count += 1
            } while scanner.take(UInt8(ascii: ","))
            guard scanner.take(UInt8(ascii: "}")) else { throw malformed }
        }
        nodes[node] = DocumentNode(.object, at: count, nodes.count)
    }

    private mutating func array(depth: Int) throws(DocumentError) {
        let node = try open(depth: depth)
        var count = 0
        if !scanner.take(UInt8(ascii: "]")) {
            repeat {
                scanner.skipSpace()
                try value(depth: depth + 1)
                scanner.skipSpace()
                count += 1
            } while scanner.take(UInt8(ascii: ","))
            guard scanner.take(UInt8(ascii: "]")) else { throw malformed }
        }
        nodes[node] = DocumentNode(.array, at: count, nodes.count)
    }

    /// Takes the opening bracket, and the white space after it. The node is filled in at the closing one.
    private mutating func open(depth: Int) throws(DocumentError) -> Int {
        guard depth < Document.maximumDepth else { throw DocumentError(.tooDeep, at: scanner.at) }
        nodes.append(DocumentNode(.null, at: scanner.at, 0))
        scanner.at += 1
        scanner.skipSpace()
        return nodes.count - 1
    }
}
