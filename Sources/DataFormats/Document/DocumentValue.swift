extension Document {
    /// A value of a document, read where it stands.
    package struct Value: Sendable {
        let document: Document
        /// Its place among the document's values, which no other value has.
        package let index: Int

        /// What a value is.
        package enum Kind: Sendable {
            /// Also CBOR's undefined.
            case null
            case bool
            case integer
            /// A JSON number with a fraction or an exponent, a CBOR float.
            case decimal
            case string
            /// CBOR bytes.
            case blob
            /// A CBOR number with tag 1.
            case time
            case array
            /// A JSON object, a CBOR map.
            case object
        }

        var node: DocumentNode { document.nodes[index] }

        package var kind: Kind {
            switch node.tag {
            case .null: .null
            case .no, .yes: .bool
            case .integer, .bignum, .negativeBignum: .integer
            case .decimal: .decimal
            case .string, .escapedString, .chunkedString: .string
            case .blob, .chunkedBlob: .blob
            case .time: .time
            case .array: .array
            case .object: .object
            }
        }

        /// Nil for other kinds.
        package var bool: Bool? {
            switch node.tag {
            case .yes: true
            case .no: false
            default: nil
            }
        }

        // MARK: Text and bytes

        /// A string, its escapes decoded; nil for other kinds.
        package var text: String? {
            withText { String(decoding: $0, as: UTF8.self) }
        }

        /// Whether this is the string with these bytes. No string is made.
        package func equals(_ text: StaticString) -> Bool {
            let node = node
            if node.tag == .string { return withBody { node.isString(text, in: $0) } }
            let isEqual = withText { own in
                own.count == text.utf8CodeUnitCount
                    && own.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
            }
            return isEqual ?? false
        }

        /// A blob: in JSON a string in base64, in CBOR bytes (API-S-2). A CBOR string counts as base64. Empty for other kinds.
        package func blob() throws(Base64Problem) -> [UInt8] {
            let node = node
            switch node.tag {
            case .blob: return Array(document.body[node.range])
            case .chunkedBlob: return withBytes(node) { chunks in chunks.flatMap { Array($0) } }
            default:
                let decoded = withText { text in Result { () throws(Base64Problem) in try Base64.decode(text) } }
                return try decoded?.get() ?? []
            }
        }

        /// The bytes that `blob()` has, without decoding them; nil for other kinds, text with escapes, and text whose length
        /// is not that of base64.
        package var blobCount: Int? {
            let node = node
            return switch node.tag {
            case .blob: node.extent
            case .chunkedBlob: withBytes(node) { chunks in chunks.reduce(0) { $0 + $1.count } }
            case .string: withText { Base64.decodedCount(of: $0) } ?? nil
            default: nil
            }
        }

        /// Calls `body` with the text of a string; nil for other kinds. Only text with escapes or in chunks is copied.
        package func withText<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result? {
            let node = node
            switch node.tag {
            case .string:
                return withBody { bytes in body(UnsafeBufferPointer(rebasing: bytes[node.range])) }
            case .escapedString:
                return withBody { bytes in
                    JSONScanner(bytes).withText(JSONScanner.Text(range: node.range, isEscaped: true), body)
                }
            case .chunkedString:
                return withBytes(node) { chunks in chunks.flatMap { Array($0) } }.withUnsafeBufferPointer(body)
            default: return nil
            }
        }

        /// The bytes of a string; nil for other kinds, and text with escapes or in chunks.
        package var textByteCount: Int? {
            let node = node
            return node.tag == .string ? node.extent : nil
        }

        func withBody<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
            document.body.withUnsafeBufferPointer(body)
        }

        /// Calls `body` with the chunks of a node that has some.
        private func withBytes<Result>(_ node: DocumentNode, _ body: (CBORChunks) -> Result) -> Result {
            withBody { body(CBORChunks(body: $0, range: node.range)) }
        }

        // MARK: Lists and maps

        /// The number of elements or members; 0 for other kinds.
        package var count: Int {
            let node = node
            return node.tag == .array || node.tag == .object ? node.count : 0
        }

        /// The elements of a list; none for other kinds.
        package var elements: Elements {
            let node = node
            return Elements(document: document, index: index + 1, left: node.tag == .array ? node.count : 0)
        }

        /// The members of a map in the order of the body, those with one name included; none for other kinds.
        package var members: Members {
            let node = node
            return Members(document: document, index: index + 1, left: node.tag == .object ? node.count : 0)
        }

        /// The last member with this name whose value isn't null (API-S-1); nil where there is none.
        package subscript(_ name: StaticString) -> Value? {
            guard node.tag == .object else { return nil }
            let (index, count) = (index + 1, node.count)
            let found = document.nodes.withUnsafeBufferPointer { nodes in
                withBody { Self.member(name, of: nodes, at: index, count, in: $0, document) }
            }
            return found.map { Value(document: document, index: $0) }
        }

        /// The index of a member's value. On the nodes, without a value for each: requests are asked for members far more
        /// often than for anything else.
        private static func member(
            _ name: StaticString, of nodes: UnsafeBufferPointer<DocumentNode>, at first: Int, _ count: Int,
            in body: UnsafeBufferPointer<UInt8>, _ document: Document
        ) -> Int? {
            var found: Int?
            var index = first
            for _ in 0..<count {
                let (own, value) = (nodes[index], nodes[index + 1])
                if value.tag != .null,
                    own.tag == .string
                        ? own.isString(name, in: body) : Value(document: document, index: index).equals(name)
                {
                    found = index + 1
                }
                index = value.isContainer ? value.extent : index + 2
            }
            return found
        }

        /// The index after this value and all that is in it.
        fileprivate var end: Int {
            let node = node
            return node.isContainer ? node.extent : index + 1
        }
    }

    /// The elements of a list.
    package struct Elements: Sequence, IteratorProtocol, Sendable {
        let document: Document
        var index: Int
        var left: Int

        package mutating func next() -> Value? {
            guard left > 0 else { return nil }
            let value = Value(document: document, index: index)
            index = value.end
            left -= 1
            return value
        }
    }

    /// The members of a map.
    package struct Members: Sequence, IteratorProtocol, Sendable {
        let document: Document
        var index: Int
        var left: Int

        package mutating func next() -> (name: Value, value: Value)? {
            guard left > 0 else { return nil }
            let member = (
                name: Value(document: document, index: index), value: Value(document: document, index: index + 1)
            )
            index = member.value.end
            left -= 1
            return member
        }
    }
}

extension DocumentNode {
    /// Whether these are the bytes of a string without escapes.
    func isString(_ text: StaticString, in body: UnsafeBufferPointer<UInt8>) -> Bool {
        let count = text.utf8CodeUnitCount
        guard extent == count else { return false }
        let (own, other) = (UnsafeBufferPointer(rebasing: body[range]), text.utf8Start)
        var place = 0
        while place < count, own[place] == other[place] { place += 1 }
        return place == count
    }
}

/// The chunks of a CBOR string that was checked when it was read.
struct CBORChunks: Sequence, IteratorProtocol {
    let body: UnsafeBufferPointer<UInt8>
    /// What is left of the chunks, and the break after them.
    var range: Range<Int>

    mutating func next() -> UnsafeBufferPointer<UInt8>? {
        guard range.count > 1, let head = CBORHead(body, at: range.lowerBound) else { return nil }
        let start = range.lowerBound + head.length
        let end = start + Int(head.argument)
        range = end..<range.upperBound
        return UnsafeBufferPointer(rebasing: body[start..<end])
    }
}
