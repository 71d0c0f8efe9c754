#if Server
import DiskAccess
import Glibc
import NIOCore
import NIOSSL
import StreamModel

/// A port that is listened on.
struct Listener: Sendable {
    let host: String
    let port: Int
    /// Nil: clear text.
    let tls: TLSConfiguration?

    /// The ports of a configuration, with their certificates read. Throws `notAccessible`.
    static func all(of configuration: KinesisServer.Configuration) async throws -> [Listener] {
        var listeners: [Listener] = []
        if let port = configuration.port { listeners.append(Listener(host: configuration.host, port: port, tls: nil)) }
        if let tls = configuration.tls {
            listeners.append(
                Listener(host: configuration.host, port: tls.port, tls: try await certificates(of: tls)))
        }
        return listeners
    }

    private static func certificates(of tls: KinesisServer.TLS) async throws -> TLSConfiguration {
        try await BlockingThreads.shared.run {
            func reading<Value>(_ file: String, _ what: String, _ body: () throws -> Value) throws -> Value {
                do { return try body() } catch {
                    throw ShardlineError(
                        .notAccessible, "the \(what) '\(file)' can't be used: \(error) (allowed: a file in PEM)")
                }
            }
            let chain = try reading(tls.certificateFile, "certificate") {
                try NIOSSLCertificate.fromPEMFile(tls.certificateFile)
            }
            let key = try reading(tls.keyFile, "private key") {
                try NIOSSLPrivateKey(file: tls.keyFile, format: .pem)
            }
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
            configuration.applicationProtocols = ["h2", "http/1.1"]
            // That they belong together is found out here, and not by the first client.
            _ = try reading(tls.keyFile, "private key") { try NIOSSLContext(configuration: configuration) }
            return configuration
        }
    }

    /// What kept the port from being listened on, with what to do.
    static func explained(_ error: any Error, _ listener: Listener) -> any Error {
        guard !(error is CancellationError) else { return error }
        if let error = error as? IOError, error.errnoCode == EADDRINUSE {
            return ShardlineError(
                .notAccessible,
                "port \(listener.port) of \(listener.host) is in use (allowed: a free port; 0: any free one)")
        }
        return ShardlineError(
            .notAccessible, "port \(listener.port) of '\(listener.host)' can't be listened on: \(error)")
    }
}
#endif
