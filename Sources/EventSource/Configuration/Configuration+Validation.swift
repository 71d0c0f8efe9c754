import StreamModel

extension EventSourceMapping.Configuration {
    /// Throws `invalidArgument` that names every setting outside its limits, with what is allowed (ESM-S27).
    public func validate() throws {
        try Self.refuse(violations(.own))
    }

    /// How messages name settings.
    package struct Naming: Sendable {
        /// The name for the setting of this name.
        package var name: @Sendable (String) -> String
        /// How to say that records may be as old as they like.
        package var noAgeLimit: String
        /// How durations were given, by their settings' names, where that was text.
        package var given: [String: String] = [:]

        package init(noAgeLimit: String, name: @escaping @Sendable (String) -> String) {
            self.noAgeLimit = noAgeLimit
            self.name = name
        }

        /// The settings' own names, as in JSON.
        package static let own = Naming(noAgeLimit: "-1 for no limit") { $0 }
    }

    /// The same, and what only shows together with the mapping's name and stream: bad names, the source as its own
    /// destination (ESM-S31), a dead-letter stream whose name would be too long.
    package func validate(mapping: String, stream: String, naming: Naming = .own) throws {
        let destination = naming.name("failureDestination")
        var wrong: [String] = []
        if !Limits.isName(mapping) {
            wrong.append(
                "mapping name '\(mapping)' (allowed: 1 to \(Limits.nameLength.upperBound) of a-z A-Z 0-9 _ . -, and neither '.' nor '..')"
            )
        }
        wrong += violations(naming)
        switch failureDestination {
        case .deadLetterStream where !Limits.isName(Self.deadLetterStream(of: stream, mapping: mapping)):
            // Where the mapping's own name is bad that has been said already.
            if Limits.isName(mapping) {
                wrong.append(
                    "\(destination) dead-letter-stream: the name '\(Self.deadLetterStream(of: stream, mapping: mapping))' would have more than \(Limits.nameLength.upperBound) characters; name a stream (stream:NAME) or a file (file:PATH)"
                )
            }
        case .stream(stream):
            wrong.append("\(destination) stream:\(stream) (allowed: any stream but the source itself)")
        default: break
        }
        try Self.refuse(wrong)
    }

    /// The name of the stream that is made with a mapping for what it gives up.
    package static func deadLetterStream(of stream: String, mapping: String) -> String { "\(stream).\(mapping).failed" }

    /// The name of the stream that takes failure documents; nil where none does.
    package func failureStream(of stream: String, mapping: String) -> String? {
        switch failureDestination {
        case .deadLetterStream: Self.deadLetterStream(of: stream, mapping: mapping)
        case .stream(let name): name
        case .file, .none: nil
        }
    }

    private static func refuse(_ wrong: [String]) throws {
        guard wrong.isEmpty else { throw ShardlineError(.invalidArgument, wrong.joined(separator: "; ")) }
    }

    private func violations(_ naming: Naming) -> [String] {
        var wrong: [String] = []
        func check(_ name: String, _ value: Int, _ allowed: ClosedRange<Int>, note: String = "") {
            guard !allowed.contains(value) else { return }
            wrong.append(
                "\(naming.name(name)) \(value) (allowed: \(allowed.lowerBound) to \(allowed.upperBound)\(note))")
        }
        func check(_ name: String, _ value: Duration, _ allowed: ClosedRange<Duration>, _ words: String) {
            guard !allowed.contains(value) else { return }
            wrong.append("\(naming.name(name)) \(naming.given[name] ?? Self.text(value)) (allowed: \(words))")
        }
        check("batchSize", batchSize, 1...10_000)
        check("batchWindow", batchWindow, .zero ... .seconds(300), "0 to 300 seconds")
        if let maximumRetryAttempts {
            check("maximumRetryAttempts", maximumRetryAttempts, 0...10_000, note: ", or -1 for no limit")
        }
        if let maximumRecordAge {
            check(
                "maximumRecordAge", maximumRecordAge, .seconds(60) ... .seconds(604_800),
                "60 to 604800 seconds, or \(naming.noAgeLimit)")
        }
        check(
            "functionTimeout", functionTimeout, .milliseconds(1) ... .seconds(86_400), "0.001 to 86400 seconds")
        check("backOff.first", backOff.first, .milliseconds(1) ... .seconds(3600), "0.001 to 3600 seconds")
        if backOff.longest < backOff.first || backOff.longest > .seconds(86_400) {
            wrong.append("backOff.longest \(Self.text(backOff.longest)) (allowed: backOff.first to 86400 seconds)")
        }
        if let payloadLimit { check("payloadLimit", payloadLimit, 1024...(64 << 20), note: " bytes, or -1 for none") }
        if let concurrency { check("concurrency", concurrency, 1...10_000) }
        check("shutdownGrace", shutdownGrace, .zero ... .seconds(3600), "0 to 3600 seconds")
        switch failureDestination {
        case .stream(let name) where !Limits.isName(name):
            wrong.append(
                "\(naming.name("failureDestination")) stream:\(name) (allowed: a name of 1 to \(Limits.nameLength.upperBound) of a-z A-Z 0-9 _ . -)"
            )
        case .file(""):
            wrong.append("\(naming.name("failureDestination")) file: (allowed: file: and the path of a file)")
        default: break
        }
        if account.utf8.count != 12 || !account.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            wrong.append("account '\(account)' (allowed: 12 digits)")
        }
        if region.isEmpty || region.utf8.count > 64 || !Limits.isName(region) {
            wrong.append("region '\(region)' (allowed: 1 to 64 of a-z A-Z 0-9 _ . -)")
        }
        return wrong
    }

    /// A duration in seconds, without a needless fraction.
    static func text(_ duration: Duration) -> String {
        let seconds = duration.inSeconds
        return seconds == seconds.rounded() && abs(seconds) < 1e15 ? "\(Int(seconds)) s" : "\(seconds) s"
    }
}
