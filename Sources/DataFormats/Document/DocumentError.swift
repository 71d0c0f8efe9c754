/// Why a body is no JSON text or no CBOR item.
package struct DocumentError: Error, Equatable, CustomStringConvertible {
    /// What is wrong.
    package enum Reason: Equatable, Sendable {
        /// What stands here can't stand here: it is not well-formed, cut off, no UTF-8, or outside the subset of API-S-4.
        case malformed
        /// Lists and maps are nested deeper than ``Document/maximumDepth``.
        case tooDeep
        /// The body goes on after its one value.
        case continues
        /// The body is larger than ``Document/maximumSize``.
        case tooLarge
    }

    package var reason: Reason
    /// The byte of the body where it was noticed, from 0.
    package var offset: Int

    package init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// For the log.
    package var description: String {
        switch reason {
        case .malformed: "not well-formed at byte \(offset)"
        case .tooDeep: "nested deeper than \(Document.maximumDepth) levels at byte \(offset)"
        case .continues: "more bytes after the value, from byte \(offset)"
        case .tooLarge: "larger than \(Document.maximumSize) bytes"
        }
    }
}
