import Logging

/// Writes what the library logs to standard error, one line each, as the command's own messages look.
struct CommandLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level

    /// Shows messages from `level` on.
    init(level: Logger.Level) { logLevel = level }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let own = event.metadata { all.merge(own) { $1 } }
        let facts = all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        let level = event.level >= .error ? "error: " : event.level == .warning ? "warning: " : ""
        Output.error.say(level + "\(event.message)" + (facts.isEmpty ? "" : " (\(facts))"))
    }
}
