import StreamModel
import StreamStorage

/// A mapping's settings as the store keeps them: those of ``EventSourceMapping/Configuration``, and the name of the
/// mapping's own dead-letter stream, which is chosen when the mapping is created and never changes.
package struct StoredSettings: Hashable, Sendable {
    package var configuration: EventSourceMapping.Configuration
    /// The name; nil in settings of older versions, which always used the plain name (``plainName(of:)``).
    package var deadLetterStream: String?

    package init(_ configuration: EventSourceMapping.Configuration, deadLetterStream: String?) {
        self.configuration = configuration
        self.deadLetterStream = deadLetterStream
    }

    /// Reads what ``json`` or an older version wrote. Throws `invalidArgument`.
    package init(json: [UInt8]) throws {
        configuration = try EventSourceMapping.Configuration(json: json)
        if case .string(let name)? = JSONValue(json)?[Self.member], Limits.isStreamName(name) {
            deadLetterStream = name
        }
    }

    /// The configuration's JSON with one additional member.
    package var json: [UInt8] {
        let settings = configuration.json
        guard let deadLetterStream else { return settings }
        // A stream's name needs no escapes.
        return Array(settings.dropLast() + ",\"\(Self.member)\":\"\(deadLetterStream)\"}".utf8)
    }

    static let member = "deadLetterStream"

    /// The stream that takes the records that the mapping gives up; nil if no stream does.
    package func failureStream(of key: MappingID) -> String? {
        switch configuration.failureDestination {
        case .deadLetterStream: deadLetterStream ?? Self.plainName(of: key)
        case .stream(let name): name
        case .file, .own, .none: nil
        }
    }

    /// `{stream}.{mapping}.failed`. It is ambiguous: the mapping `b.c` on the stream `a` and the mapping `c` on `a.b`
    /// have the same plain name.
    package static func plainName(of key: MappingID) -> String { "\(key.stream).\(key.name).failed" }

    /// The names that a new mapping's dead-letter stream may have: the first one, unless an older mapping uses it.
    ///
    /// Mappings without a dot in their name have the plain name: its second-to-last dot is then before the mapping's
    /// name. For other mappings the number of dots is appended, which makes the name unambiguous too.
    package static func defaultNames(of key: MappingID) -> [String] {
        let plain = plainName(of: key)
        let name = numbered(plain, of: key)
        return name == plain ? [plain, "\(plain).0"] : [name]
    }

    /// A name of a mapping's own stream with the number of dots in the mapping's name, where it has some: so no other
    /// mapping has it.
    static func numbered(_ plain: String, of key: MappingID) -> String {
        let dots = key.name.utf8.count { $0 == UInt8(ascii: ".") }
        return dots == 0 ? plain : "\(plain).\(dots)"
    }

    /// The mappings with a dot in their name that have the same plain name as `key`, which has no dot.
    package static func namesakes(of key: MappingID) -> [MappingID] {
        key.stream.indices.filter { key.stream[$0] == "." }.map { dot in
            MappingID(
                stream: String(key.stream[..<dot]), name: "\(key.stream[key.stream.index(after: dot)...]).\(key.name)")
        }
    }
}
