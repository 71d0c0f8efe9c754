/// Reads a CBOR item into the values of a document.
struct CBORDocumentReader {
    private let body: UnsafeBufferPointer<UInt8>
    private var at = 0
    private var nodes: [DocumentNode] = []

    private init(body: UnsafeBufferPointer<UInt8>) {
        self.body = body
        // A record of a put has about 30 bytes for each of its values, at least.
        nodes.reserveCapacity(body.count / 24 + 4)
    }

    static func nodes(of body: UnsafeBufferPointer<UInt8>) throws(DocumentError) -> [DocumentNode] {
        var reader = CBORDocumentReader(body: body)
        try reader.item(depth: 0)
        guard reader.at == body.count else { throw DocumentError(.continues, at: reader.at) }
        return reader.nodes
    }

    private var malformed: DocumentError { DocumentError(.malformed, at: at) }
    /// The bytes that are left, of which a length or a count can't promise more.
    private var rest: UInt64 { UInt64(body.count - at) }

    private func head() throws(DocumentError) -> CBORHead {
        guard let head = CBORHead(body, at: at) else { throw malformed }
        return head
    }

    /// - Parameter depth: the number of arrays and maps that the item is in.
    private mutating func item(depth: Int) throws(DocumentError) {
        var head = try head()
        var isTime = false
        var bignum: DocumentNode.Tag?
        while head.major == CBORHead.tag {
            guard !head.isIndefinite else { throw malformed }
            switch head.argument {
            case 1: isTime = true
            case 2: bignum = .bignum
            case 3: bignum = .negativeBignum
            default: break
            }
            at += head.length
            head = try self.head()
        }
        switch head.major {
        case CBORHead.unsigned, CBORHead.negative:
            guard !head.isIndefinite else { throw malformed }
            append(isTime ? .time : .integer, head)
        case CBORHead.bytes: try string(head, .bytes, whole: bignum ?? .blob, chunked: .chunkedBlob)
        case CBORHead.text: try string(head, .text, whole: .string, chunked: .chunkedString)
        case CBORHead.array: try array(head, depth: depth)
        case CBORHead.map: try map(head, depth: depth)
        default:
            switch head.info {
            case 20: append(.no, head)
            case 21: append(.yes, head)
            case 22, 23: append(.null, head)
            case 25, 26, 27: append(isTime ? .time : .decimal, head)
            default: throw malformed
            }
        }
    }

    private mutating func append(_ tag: DocumentNode.Tag, _ head: CBORHead) {
        nodes.append(DocumentNode(tag, at: at, head.length))
        at += head.length
    }

    // MARK: Bytes and text

    private enum Content { case bytes, text }

    private mutating func string(
        _ head: CBORHead, _ content: Content, whole: DocumentNode.Tag, chunked: DocumentNode.Tag
    ) throws(DocumentError) {
        at += head.length
        guard head.isIndefinite else {
            let length = try take(head, content)
            nodes.append(DocumentNode(whole, at: at - length, length))
            return
        }
        let start = at
        while try !takeEnd() {
            let chunk = try self.head()
            guard chunk.major == head.major, !chunk.isIndefinite else { throw malformed }
            at += chunk.length
            _ = try take(chunk, content)
        }
        nodes.append(DocumentNode(chunked, at: start, at - start))
    }

    /// Takes the content of an item whose head is taken.
    private mutating func take(_ head: CBORHead, _ content: Content) throws(DocumentError) -> Int {
        guard head.argument <= rest else { throw malformed }
        let length = Int(head.argument)
        if content == .text, !UTF8Text.isValid(UnsafeBufferPointer(rebasing: body[at..<at + length])) {
            throw malformed
        }
        at += length
        return length
    }

    /// Takes the break that ends an item without length, if it is next.
    private mutating func takeEnd() throws(DocumentError) -> Bool {
        guard at < body.count else { throw malformed }
        guard body[at] == CBORHead.end else { return false }
        at += 1
        return true
    }

    // MARK: Arrays and maps

    private mutating func array(_ head: CBORHead, depth: Int) throws(DocumentError) {
        let node = try open(head, depth: depth)
        var count = 0
        while try goesOn(head, count, least: 1) {
            try item(depth: depth + 1)
            count += 1
        }
        nodes[node] = DocumentNode(.array, at: count, nodes.count)
    }

    private mutating func map(_ head: CBORHead, depth: Int) throws(DocumentError) {
        let node = try open(head, depth: depth)
        var count = 0
        while try goesOn(head, count, least: 2) {
            let name = try self.head()
            guard name.major == CBORHead.text else { throw malformed }
            try string(name, .text, whole: .string, chunked: .chunkedString)
            try item(depth: depth + 1)
            count += 1
        }
        nodes[node] = DocumentNode(.object, at: count, nodes.count)
    }

    private mutating func open(_ head: CBORHead, depth: Int) throws(DocumentError) -> Int {
        guard depth < Document.maximumDepth else { throw DocumentError(.tooDeep, at: at) }
        at += head.length
        nodes.append(DocumentNode(.null, at: at, 0))
        return nodes.count - 1
    }

    /// - Parameter least: the bytes that an element or member has at least.
    private mutating func goesOn(_ head: CBORHead, _ count: Int, least: UInt64) throws(DocumentError) -> Bool {
        if head.isIndefinite { return try !takeEnd() }
        guard head.argument - UInt64(count) <= rest / least else { throw malformed }
        return UInt64(count) < head.argument
    }
}
