import StreamModel
import StreamStorage

/// What the store keeps of a mapping's settings: those of ``EventSourceMapping/Configuration``, and the name of the
/// mapping's own dead-letter stream, which is decided when the mapping is created and stays.
package struct StoredSettings: Hashable, Sendable {
    package var configuration: EventSourceMapping.Configuration
    /// The name; nil where a version before kept none, and took ``defaultNames(of:)``'s plain one.
    package var deadLetterStream: String?

    package init(_ configuration: EventSourceMapping.Configuration, deadLetterStream: String?) {
        self.configuration = configuration
        self.deadLetterStream = deadLetterStream
    }

    /// Reads what ``json`` writes, and what versions before wrote. Throws `invalidArgument`.
    package init(json: [UInt8]) throws {
        configuration = try EventSourceMapping.Configuration(json: json)
        if case .string(let name)? = JSONValue(json)?[Self.member], Limits.isName(name) { deadLetterStream = name }
    }

    /// The settings' own JSON, with one member more.
    package var json: [UInt8] {
        let settings = configuration.json
        guard let deadLetterStream else { return settings }
        // A stream's name needs no escapes.
        return Array(settings.dropLast() + ",\"\(Self.member)\":\"\(deadLetterStream)\"}".utf8)
    }

    static let member = "deadLetterStream"

    /// The stream that takes what the mapping gives up; nil where none does.
    package func failureStream(of key: MappingID) -> String? {
        switch configuration.failureDestination {
        case .deadLetterStream: deadLetterStream ?? Self.plainName(of: key)
        case .stream(let name): name
        case .file, .none: nil
        }
    }

    /// `{stream}.{mapping}.failed`: the mapping of `b.c` on the stream `a` and that of `c` on `a.b` come to the same.
    package static func plainName(of key: MappingID) -> String { "\(key.stream).\(key.name).failed" }

    /// The names that a new mapping's dead-letter stream may have, the first one unless a mapping of before has it.
    ///
    /// The plain name belongs to mappings without a dot in their own name, as its last dot but one then says where that
    /// begins. With a dot the number of dots goes behind it, which says so again.
    package static func defaultNames(of key: MappingID) -> [String] {
        let plain = plainName(of: key)
        let dots = key.name.utf8.count { $0 == UInt8(ascii: ".") }
        return dots == 0 ? [plain, "\(plain).0"] : ["\(plain).\(dots)"]
    }

    /// The mappings with a dot in their name whose plain name is that of `key`, which has none.
    package static func namesakes(of key: MappingID) -> [MappingID] {
        key.stream.indices.filter { key.stream[$0] == "." }.map { dot in
            MappingID(
                stream: String(key.stream[..<dot]), name: "\(key.stream[key.stream.index(after: dot)...]).\(key.name)")
        }
    }
}
