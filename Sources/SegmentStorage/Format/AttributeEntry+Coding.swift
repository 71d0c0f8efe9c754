import StreamModel
import StreamStorage

/// An attribute that is set, or (without a value) removed.
package struct AttributeEntry: Sendable, Hashable {
    /// In place of a stream: the attribute is an account's.
    static let accounts = StreamNumber(0)

    /// The stream, or ``accounts``.
    package var stream: StreamNumber
    /// The consumer or the account; empty for the stream itself.
    var part: String
    var name: String
    var revision: UInt64
    var value: [UInt8]?
}

extension AttributeEntry {
    func encode(into head: inout ByteWriter) {
        head.put(stream.rawValue)
        head.put(revision)
        head.put(UInt8(value == nil ? 0 : 1))
        head.putText(part)
        head.putText(name)
        if let value { head.putBlob(value) }
    }

    init(from reader: inout ByteReader) throws(FormatDamage) {
        stream = StreamNumber(try reader.take())
        revision = try reader.take()
        let isSet = try reader.takeFlag()
        part = try reader.takeText()
        name = try reader.takeText()
        value = isSet ? try reader.takeBlob() : nil
    }
}
