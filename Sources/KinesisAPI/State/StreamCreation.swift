import StreamModel
import StreamStorage

extension StoreEngine {
    /// Creates a stream, and then its attributes.
    func createStream(_ name: String, settings: StreamSettings, attributes: [UTF8Key: [UInt8]]) async throws {
        try await createStream(name, settings: settings)
        try await changeAttributes(
            attributes.map { AttributeChange(.stream(name), $0.key.string, .set($0.value)) })
    }
}
