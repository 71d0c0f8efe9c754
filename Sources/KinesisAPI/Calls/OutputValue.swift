import DataFormats
import StreamModel

/// An answer of few values, written as JSON or CBOR. Answers with records are written by hand.
indirect enum OutputValue: Sendable {
    case text(String)
    case int(Int64)
    case bool(Bool)
    /// Milliseconds since 1970.
    case time(Int64)
    case list([OutputValue])
    /// Members without a value are left out (API-S-1).
    case members([(name: StaticString, value: OutputValue?)])
    /// A map whose names are data.
    case texts([(name: String, value: String)])

    static func map(_ members: KeyValuePairs<StaticString, OutputValue?>) -> OutputValue {
        .members(members.map { (name: $0.key, value: $0.value) })
    }

    static func int(_ value: Int) -> OutputValue { .int(Int64(value)) }

    func write(to writer: inout DocumentWriter) {
        switch self {
        case .text(let text): writer.string(text)
        case .int(let value): writer.int(value)
        case .bool(let value): writer.bool(value)
        case .time(let milliseconds): writer.time(milliseconds: milliseconds)
        case .list(let elements):
            writer.beginList(elements.count)
            for element in elements { element.write(to: &writer) }
            writer.endList()
        case .members(let members):
            writer.beginMap(members.count { $0.value != nil })
            for member in members {
                guard let value = member.value else { continue }
                writer.key(member.name)
                value.write(to: &writer)
            }
            writer.endMap()
        case .texts(let members):
            writer.beginMap(members.count)
            for member in members {
                writer.key(text: member.name)
                writer.string(member.value)
            }
            writer.endMap()
        }
    }
}

/// What an operation answers.
enum Output: Sendable {
    /// Status 200 without a body (API-P-7).
    case nothing
    case value(OutputValue)
    /// A document that is written already.
    case bytes([UInt8])
    /// An event stream.
    case stream(@Sendable (_ send: @Sendable ([UInt8]) async throws -> Void) async throws -> Void)

    static func map(_ members: KeyValuePairs<StaticString, OutputValue?>) -> Output { .value(.map(members)) }
}
