import DataFormats
import StreamModel

/// One call of an operation whose input has passed the model's checks.
struct OperationCall: Sendable {
    let input: Document.Value
    let caller: Caller
    let format: DocumentWriter.Format
    let requestID: String
    /// What the check of types has decoded.
    var blobs = DecodedBlobs()

    func text(_ name: StaticString) -> String? { input[name]?.text }
    /// Clamped to 32 bits (API-S-5).
    func int(_ name: StaticString) -> Int? { input[name]?.int.map { Int(min($0, Int64(Int32.max))) } }
    func bool(_ name: StaticString) -> Bool { input[name]?.bool ?? false }
    func milliseconds(_ name: StaticString) -> Int64? { input[name]?.milliseconds }
    func texts(_ name: StaticString) -> [String] { input[name]?.elements.compactMap(\.text) ?? [] }
    /// A map of texts; of a repeated name the last one counts.
    func map(_ name: StaticString) -> [(name: String, value: String)] {
        var values: [(name: String, value: String)] = []
        for member in input[name]?.members.map({ $0 }) ?? [] {
            guard let name = member.name.text, let value = member.value.text else { continue }
            if let index = values.firstIndex(where: { UTF8Key($0.name) == UTF8Key(name) }) {
                values[index].value = value
            } else {
                values.append((name, value))
            }
        }
        return values
    }
}
