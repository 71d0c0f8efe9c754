/// A JSON text or a CBOR item, read once into one flat array of values. Strings, numbers and blobs stay where they are in the
/// bytes.
///
/// A value costs 8 bytes beside the body. So a large body of tiny values takes a small multiple of itself.
package final class Document: Sendable {
    /// How deep lists and maps may be nested (API-S-4).
    package static let maximumDepth = 32
    /// The largest body, in bytes: offsets and lengths of values have 28 bits.
    package static let maximumSize = 1 << 28 - 1

    /// The format that was read.
    package let format: DocumentFormat
    let body: [UInt8]
    /// The values in the order of the body, each list or map before what is in it. A map's names stand before their values.
    let nodes: [DocumentNode]

    /// Reads a JSON text: strict (RFC 8259), all of it UTF-8, without halves of surrogate pairs (API-S-7).
    package init(json body: [UInt8]) throws(DocumentError) {
        guard body.count <= Self.maximumSize else { throw DocumentError(.tooLarge, at: 0) }
        format = .json
        nodes = try body.withUnsafeBufferPointer { bytes throws(DocumentError) in
            try JSONDocumentReader.nodes(of: bytes)
        }
        self.body = body
    }

    /// Reads a CBOR item of the subset of API-S-4.
    package init(cbor body: [UInt8]) throws(DocumentError) {
        guard body.count <= Self.maximumSize else { throw DocumentError(.tooLarge, at: 0) }
        format = .cbor
        nodes = try body.withUnsafeBufferPointer { bytes throws(DocumentError) in
            try CBORDocumentReader.nodes(of: bytes)
        }
        self.body = body
    }

    /// The bytes of the body.
    package var size: Int { body.count }

    /// The value that the body is.
    package var root: Value { Value(document: self, index: 0) }
}

/// The two formats of requests and answers.
package enum DocumentFormat: Sendable {
    case json, cbor
}

/// A value of a document.
struct DocumentNode {
    enum Tag: UInt8 {
        case null, no, yes, integer, decimal
        /// Text as it is in the body; with escapes of JSON; in the chunks of a CBOR item without length.
        case string, escapedString, chunkedString
        /// Bytes of a CBOR item, and in chunks.
        case blob, chunkedBlob
        /// A CBOR number with tag 1.
        case time
        /// CBOR bytes that are a number.
        case bignum, negativeBignum
        case array, object
    }

    /// Where the content begins in the body. For lists and maps the count of their elements or members.
    let place: UInt32
    /// The tag in the upper four bits. Below them the length in the body; for lists and maps the index of the node after all
    /// that is in them.
    private let packed: UInt32

    init(_ tag: Tag, at place: Int, _ extent: Int) {
        self.place = UInt32(truncatingIfNeeded: place)
        packed = UInt32(tag.rawValue) << 28 | UInt32(truncatingIfNeeded: extent)
    }

    /// Without a search among the raw values: it is asked for several times for each value.
    var tag: Tag {
        let number = UInt8(truncatingIfNeeded: packed >> 28)
        precondition(number <= Tag.object.rawValue, "nodes are made of tags")
        return unsafeBitCast(number, to: Tag.self)
    }
    /// Whether it is a list or a map.
    var isContainer: Bool { packed >> 28 >= UInt32(Tag.array.rawValue) }
    var extent: Int { Int(packed & 0xFFF_FFFF) }
    var count: Int { Int(place) }
    /// The bytes of the content.
    var range: Range<Int> { Int(place)..<Int(place) + extent }
}
