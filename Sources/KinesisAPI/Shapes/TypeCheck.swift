import DataFormats
import StreamModel

/// Finds the first member whose type is another than the model's (API-E-9), with AWS' texts (API-E-20).
struct TypeCheck {
    /// What has been decoded.
    private var blobs = DecodedBlobs()

    /// Throws `SerializationException` where `value` can't be taken for `shape`. Returns the blobs that it had to decode.
    @discardableResult
    static func check(_ value: Document.Value, as shape: Shape) throws(ServiceError) -> DecodedBlobs {
        var check = TypeCheck()
        try check.check(value, as: shape)
        return check.blobs
    }

    private mutating func check(_ value: Document.Value, as shape: Shape) throws(ServiceError) {
        switch shape {
        case .structure(let members): try check(value, asStructureOf: members)
        case .list(let element, _):
            switch value.kind {
            case .array: for item in value.elements where item.kind != .null { try check(item, as: element) }
            case .object: throw .serialization(Self.startOfMap)
            default: throw .serialization("Expected list or null")
            }
        case .map(_, let text, _):
            switch value.kind {
            case .object:
                for member in value.members where member.value.kind != .null {
                    try check(member.value, as: .text(text))
                }
            case .array: throw .serialization(Self.startOfList)
            default: throw .serialization("Expected map or null")
            }
        case .text: try check(value, asScalar: "String")
        case .integer: try check(value, asScalar: "Integer")
        case .boolean: try check(value, asScalar: "Boolean")
        case .blob: try check(value, asScalar: "Blob")
        case .timestamp: try check(value, asScalar: "Timestamp")
        }
    }

    private static let startOfMap = "Start of structure or map found where not expected."
    private static let startOfList = "Start of list found where not expected"

    private mutating func check(
        _ value: Document.Value, asStructureOf members: [Shape.Member]
    ) throws(ServiceError) {
        switch value.kind {
        case .object:
            for member in members {
                if let given = value[member.name] { try check(given, as: member.shape) }
            }
        case .array: throw .serialization(Self.startOfList)
        default: throw .serialization("Expected null")
        }
    }

    private mutating func check(_ value: Document.Value, asScalar type: String) throws(ServiceError) {
        switch (type, value.kind) {
        case (_, .array): throw .serialization(Self.startOfList)
        case (_, .object): throw .serialization(Self.startOfMap)
        case ("String", .string), ("Integer", .integer), ("Integer", .decimal), ("Boolean", .bool), ("Blob", .blob),
            ("Timestamp", .integer), ("Timestamp", .decimal), ("Timestamp", .time):
            return
        case ("Blob", .string):
            do throws(Base64Problem) {
                blobs.add(try value.blob(), of: value)
            } catch {
                throw .serialization(Self.text(of: error, in: value))
            }
        case ("Boolean", .string):
            throw .serialization("'\((value.text ?? "").uppercased())' can not be converted to an Boolean")
        case ("Timestamp", let kind):
            throw .serialization("\(Self.className(of: kind)) can not be converted to milliseconds since epoch")
        case ("Blob", let kind): throw .serialization("\(Self.className(of: kind)) can not be converted to a Blob")
        case (_, let kind): throw .serialization("\(Self.className(of: kind)) can not be converted to an \(type)")
        }
    }

    private static func className(of kind: Document.Value.Kind) -> String {
        switch kind {
        case .bool: "class java.lang.Boolean"
        case .string: "class java.lang.String"
        case .blob: "class java.nio.HeapByteBuffer"
        default: "class com.amazon.coral.value.json.numbers.TruncatingBigNumber"
        }
    }

    private static func text(of problem: Base64Problem, in value: Document.Value) -> String {
        let reason =
            switch problem {
            case .length(let count):
                "Base64 encoded length is expected a multiple of 4 bytes but found: \(count)"
            case .character(let character): "Invalid Base64 character: '\(character)'"
            case .lastCharacter: "Invalid last non-pad Base64 character dectected"
            }
        return "'\(value.text ?? "")' can not be converted to a Blob: \(reason)"
    }
}
