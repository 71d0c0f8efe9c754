#if Server
import Configuration
import DiskAccess
import Foundation
import KinesisServer
import StreamModel

/// The settings of `serve`: an option wins over the environment, which wins over the file (`--config`), which wins over the
/// default. Each is a text wherever it stands, so that all three are read and refused in one way.
struct ServeSettings {
    /// Every setting's name, as its option, and with `SHARDLINE_SERVE_` its variable, have it.
    static let names = [
        "port", "host", "tls-port", "tls-certificate", "tls-key", "region", "account", "credentials",
        "accept-unsigned", "allow-unauthenticated", "enforce-limits", "transition-delay", "shard-limit",
        "min-retention", "no-subscribe-guard", "max-connections", "max-header", "max-body", "max-bodies",
        "request-time", "idle-time", "shutdown-grace",
    ]

    /// A text with where it stands, for messages.
    struct Setting {
        var text: String
        var place: String
    }

    private let options: [(name: String, value: String)]
    private let file: (path: String, values: [(name: String, value: String)])?
    private let environment: EnvironmentVariablesProvider
    private let reader: ConfigReader

    /// - Parameter file: what the file of `--config` holds, with its path.
    init(
        options: [(name: String, value: String)], environment: EnvironmentVariablesProvider,
        file: (path: String, values: [(name: String, value: String)])?
    ) {
        self.options = options
        self.file = file
        self.environment = environment
        reader = ConfigReader(providers: [
            Self.provider(options), environment, Self.provider(file?.values ?? []),
        ])
    }

    private static func key(_ name: String) -> [String] {
        ["shardline", "serve"] + name.split(separator: "-").map(String.init)
    }

    private static func provider(_ values: [(name: String, value: String)]) -> InMemoryProvider {
        var known: [AbsoluteConfigKey: ConfigValue] = [:]
        for (name, value) in values {
            known[AbsoluteConfigKey(key(name))] = ConfigValue(.string(value), isSecret: false)
        }
        return InMemoryProvider(values: known)
    }

    /// The variable that a setting is taken from.
    static func variable(_ name: String) -> String {
        key(name).joined(separator: "_").uppercased()
    }

    /// What is set; nil where nothing is. An empty variable counts as none.
    private func setting(_ name: String) -> Setting? {
        guard let text = reader.string(forKey: ConfigKey(Self.key(name))) else { return nil }
        if options.contains(where: { $0.name == name }) { return Setting(text: text, place: "--\(name)") }
        let inVariable = ConfigReader(provider: environment).string(forKey: ConfigKey(Self.key(name)))
        if inVariable != nil { return Setting(text: text, place: Self.variable(name)) }
        return Setting(text: text, place: "\"\(name)\" in '\(file?.path ?? "")'")
    }

    private func read<Value>(_ name: String, _ body: (String) throws -> Value) throws -> Value? {
        guard let setting = setting(name) else { return nil }
        do {
            return try body(setting.text)
        } catch let problem as ArgumentProblem {
            throw CommandFailure(
                .usage, "\(setting.place) is '\(setting.text)' (allowed: \(problem.description))")
        }
    }

    private func flag(_ name: String) throws -> Bool {
        try read(name) { text in
            switch text.lowercased() {
            case "true", "yes", "1": true
            case "false", "no", "0": false
            default: throw ArgumentProblem(description: "true or false")
            }
        } ?? false
    }

    private func port(_ text: String) throws -> Int {
        let port = try? Amounts.wholeNumber(text)
        guard let port, (0...65535).contains(port) else {
            throw ArgumentProblem(description: "0 to 65535; 0: any free one")
        }
        return port
    }

    /// The server's configuration. Throws ``CommandFailure`` for what is not allowed, with where it stands.
    func configuration() async throws -> KinesisServer.Configuration {
        var configuration = KinesisServer.Configuration()
        if let text = setting("port"), text.text == "none" {
            configuration.port = nil
        } else if let port = try read("port", port) {
            configuration.port = port
        }
        if let host = setting("host") { configuration.host = host.text }
        if let region = setting("region") { configuration.region = region.text }
        if let account = setting("account") { configuration.account = account.text }
        configuration.tls = try tls()
        configuration.acceptsUnsigned = try flag("accept-unsigned")
        configuration.allowsUnauthenticated = try flag("allow-unauthenticated")
        configuration.operations.enforcesLimits = try flag("enforce-limits")
        configuration.operations.guardsSubscriptions = try !flag("no-subscribe-guard")
        func take<Value>(
            _ name: String, _ path: WritableKeyPath<KinesisServer.Configuration, Value>,
            _ body: (String) throws -> Value
        ) throws {
            if let value = try read(name, body) { configuration[keyPath: path] = value }
        }
        try take("transition-delay", \.operations.transitionDelay, Amounts.duration)
        try take("shard-limit", \.operations.shardLimit, Amounts.wholeNumber)
        try take("min-retention", \.operations.minimumRetentionHours, Amounts.wholeNumber)
        try take("max-connections", \.limits.connections, Amounts.wholeNumber)
        try take("max-header", \.limits.headerBytes, Amounts.bytes)
        try take("max-body", \.limits.bodyBytes, Amounts.bytes)
        try take("max-bodies", \.limits.allBodiesBytes, Amounts.bytes)
        try take("request-time", \.limits.requestTime, Amounts.duration)
        try take("idle-time", \.limits.idleTime, Amounts.duration)
        try take("shutdown-grace", \.shutdownGrace, Amounts.duration)
        if let credentials = setting("credentials") {
            configuration.credentials = try await CredentialsFile.read(credentials.text)
        }
        try configuration.validate()
        return configuration
    }

    private func tls() throws -> KinesisServer.TLS? {
        let port = try read("tls-port", port)
        let (certificate, key) = (setting("tls-certificate"), setting("tls-key"))
        guard port != nil || certificate != nil || key != nil else { return nil }
        guard let port, let certificate, let key else {
            throw CommandFailure(.usage, "TLS needs all three: --tls-port, --tls-certificate and --tls-key")
        }
        return KinesisServer.TLS(port: port, certificateFile: certificate.text, keyFile: key.text)
    }
}

/// A file of JSON that holds one object.
enum SettingsFile {
    /// A name of an object that can be any.
    struct Name: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct Values: Decodable {
        var values: [(name: String, value: String)] = []

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Name.self)
            for name in container.allKeys {
                guard ServeSettings.names.contains(name.stringValue) else {
                    throw ArgumentProblem(
                        description:
                            "it has \"\(name.stringValue)\" (allowed: \(ServeSettings.names.joined(separator: ", ")))")
                }
                let value: String
                if let text = try? container.decode(String.self, forKey: name) {
                    value = text
                } else if let flag = try? container.decode(Bool.self, forKey: name) {
                    value = "\(flag)"
                } else if let number = try? container.decode(Int.self, forKey: name) {
                    value = "\(number)"
                } else {
                    throw ArgumentProblem(
                        description:
                            "\"\(name.stringValue)\" is no setting's value (allowed: a text, a whole number, true, false)"
                    )
                }
                values.append((name.stringValue, value))
            }
        }
    }

    /// The settings in a file. Throws ``CommandFailure``.
    static func read(_ path: String) async throws -> [(name: String, value: String)] {
        try await decode(Values.self, from: path).values
    }

    /// What a file of at most 1 MiB holds. Throws ``CommandFailure``.
    static func decode<Value: Decodable & Sendable>(_ type: Value.Type, from path: String) async throws -> Value {
        let most = 1 << 20
        let bytes: [UInt8]
        do {
            bytes = try await BlockingThreads.shared.run {
                try POSIXFileSystem().open(path, .read).bytes(at: 0, count: most + 1)
            }
        } catch {
            throw CommandFailure(.inputOutput, "the file '\(path)' can't be read: \(error)")
        }
        guard bytes.count <= most else {
            throw CommandFailure(.usage, "the file '\(path)' is too large (allowed: up to 1 MiB)")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let problem as ArgumentProblem {
            throw CommandFailure(.usage, "the file '\(path)' can't be used: \(problem.description)")
        } catch {
            throw CommandFailure(.usage, "the file '\(path)' can't be used: \(Self.words(error))")
        }
    }

    private static func words(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "it lacks \"\(key.stringValue)\""
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" has another type than expected: \(context.debugDescription)"
        case DecodingError.dataCorrupted(let context): "\(context.debugDescription)"
        default: "\(error)"
        }
    }
}

/// The file of `--credentials`: `{"keys": [{"id": …, "secret": …, "account": …, "streams": […], "operations": […]}]}`.
enum CredentialsFile {
    private struct Keys: Decodable {
        var keys: [Key]
    }

    private struct Key: Decodable {
        var id: String
        var secret: String
        var account: String?
        var streams: [String]?
        var operations: [String]?

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: SettingsFile.Name.self)
            let known = ["id", "secret", "account", "streams", "operations"]
            if let unknown = container.allKeys.first(where: { !known.contains($0.stringValue) }) {
                throw ArgumentProblem(
                    description: "a key has \"\(unknown.stringValue)\" (allowed: \(known.joined(separator: ", ")))")
            }
            func name(_ text: String) -> SettingsFile.Name { SettingsFile.Name(stringValue: text) }
            id = try container.decode(String.self, forKey: name("id"))
            secret = try container.decode(String.self, forKey: name("secret"))
            account = try container.decodeIfPresent(String.self, forKey: name("account"))
            streams = try container.decodeIfPresent([String].self, forKey: name("streams"))
            operations = try container.decodeIfPresent([String].self, forKey: name("operations"))
        }
    }

    /// The keys in a file. Throws ``CommandFailure``.
    static func read(_ path: String) async throws -> KinesisServer.Credentials {
        let keys = try await SettingsFile.decode(Keys.self, from: path).keys
        return KinesisServer.Credentials(
            keys: keys.map {
                .init(
                    id: $0.id, secret: $0.secret, account: $0.account, streams: $0.streams, operations: $0.operations)
            })
    }
}
#endif
