extension StreamStore {
    /// The stream of this name, whether or not it exists yet; its calls throw `streamNotFound` until it does.
    public func stream(_ name: String) -> RecordStream { RecordStream(engine: engine, name: name) }

    /// All streams with their shards as they are now, by name.
    public func streams() async throws -> [StreamDescription] { try await engine.listStreams() }

    /// All mappings with their checkpoints, by stream and name.
    public func mappings() async throws -> [MappingDescription] { try await engine.listMappings(of: nil) }
}
