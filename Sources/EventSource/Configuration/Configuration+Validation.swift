import StreamModel
import StreamStorage

extension EventSourceMapping.Configuration {
    /// Throws `invalidArgument` if a setting is outside its limits. The message names all of them, with what is allowed
    /// (ESM-S27).
    public func validate() throws {
        try Self.refuse(violations(.swift))
    }

    /// How messages name settings: as in Swift, JSON or on the command line.
    package struct Naming: Sendable {
        /// The name for the setting of this name.
        package var name: @Sendable (String) -> String
        /// The text for "no limit" in the setting of this name; nil if there is none.
        package var noLimit: @Sendable (String) -> String?
        /// The text that durations were given as, by their settings' names.
        package var given: [String: String] = [:]
        /// The name for the filter at this index.
        package var element: @Sendable (Int) -> String = { "filters[\($0)]" }
        /// Whether durations are numbers of seconds there; else they are texts such as `90s`.
        var countsSeconds = false

        package init(
            noLimit: @escaping @Sendable (String) -> String?, name: @escaping @Sendable (String) -> String
        ) {
            self.noLimit = noLimit
            self.name = name
        }

        /// The names in a Swift program.
        package static let swift = Naming(noLimit: { _ in "nil" }, name: { $0 })
        /// The names in JSON.
        package static let json: Naming = {
            var naming = Naming(noLimit: { _ in "-1 or null" }) { name in
                switch name {
                case "backOff.first": "backOffFirst"
                case "backOff.longest": "backOffLongest"
                default: name
                }
            }
            naming.countsSeconds = true
            return naming
        }()

        /// A duration as it is written there.
        func text(_ duration: Duration) -> String {
            guard countsSeconds else { return duration.optionText }
            let seconds = duration.inSeconds
            return seconds == seconds.rounded() && abs(seconds) < 1e15 ? "\(Int(seconds))" : "\(seconds)"
        }
    }

    /// Throws `invalidArgument` for settings that were read from JSON, with the names of JSON.
    func validateJSON() throws { try Self.refuse(violations(.json)) }

    /// The same, and in addition checks the mapping's name and stream: invalid names, the source as its own destination
    /// (ESM-S31), a dead-letter stream whose name would be too long.
    package func validate(mapping: String, stream: String, naming: Naming = .swift) throws {
        let destination = naming.name("failureDestination")
        let key = MappingID(stream: stream, name: mapping)
        var wrong = [key.violation].compactMap { $0 } + violations(naming)
        switch failureDestination {
        case .deadLetterStream:
            let name = StoredSettings.plainName(of: key)
            // An invalid name of the mapping is reported already.
            if !Limits.isStreamName(name), key.violation == nil {
                wrong.append("\(destination) \(Self.tooLong(name))")
            }
        case .stream(stream):
            wrong.append("\(destination) stream:\(stream) (allowed: any stream but the source itself)")
        default: break
        }
        // ESM-O2
        if successStream == stream {
            wrong.append("\(naming.name("successStream")) \(stream) (allowed: any stream but the source itself)")
        }
        try Self.refuse(wrong)
    }

    static func tooLong(_ name: String) -> String {
        "dead-letter-stream: the name '\(name)' would have more than \(Limits.nameLength.upperBound) characters; name a stream (stream:NAME) or a file (file:PATH)"
    }

    /// Throws `invalidArgument` if there are tumbling windows and the function in Swift has none, or the reverse
    /// (ESM-S41).
    package func requireWindows(_ hasState: Bool) throws {
        guard (tumblingWindow != nil) != hasState else { return }
        throw ShardlineError(
            .invalidArgument,
            hasState
                ? "tumblingWindow nil with a function that has a windowState (allowed: 1 millisecond to 900 seconds)"
                : "tumblingWindow \(tumblingWindow?.optionText ?? "") with a function that keeps no state over windows (allowed: no windows, or a function that is given with a windowState)"
        )
    }

    private static func refuse(_ wrong: [String]) throws {
        guard wrong.isEmpty else { throw ShardlineError(.invalidArgument, wrong.joined(separator: "; ")) }
    }

    private func violations(_ naming: Naming) -> [String] {
        var wrong: [String] = []
        func allowed(_ words: String, _ name: String, without meaning: String?) -> String {
            guard let meaning, let none = naming.noLimit(name) else { return "(allowed: \(words))" }
            return "(allowed: \(words), or \(none) for \(meaning))"
        }
        /// - Parameter meaning: what a setting without a value means, if it may have none.
        func check(
            _ name: String, _ value: Int?, _ range: ClosedRange<Int>, unit: String = "", without meaning: String? = nil
        ) {
            guard let value, !range.contains(value) else { return }
            let words = allowed("\(range.lowerBound) to \(range.upperBound)\(unit)", name, without: meaning)
            wrong.append("\(naming.name(name)) \(value) \(words)")
        }
        func check(
            _ name: String, _ value: Duration?, _ range: ClosedRange<Duration>, from least: String? = nil,
            without meaning: String? = nil
        ) {
            guard let value, !range.contains(value) else { return }
            let given = naming.given[name] ?? naming.text(value)
            let unit = naming.countsSeconds ? " seconds" : ""
            let words = "\(least ?? naming.text(range.lowerBound)) to \(naming.text(range.upperBound))\(unit)"
            wrong.append("\(naming.name(name)) \(given) \(allowed(words, name, without: meaning))")
        }
        // ESM-S4, ESM-S5, ESM-S12
        check("batchSize", batchSize, 1...10_000)
        check("batchWindow", batchWindow, .zero ... .seconds(300))
        check("tumblingWindow", tumblingWindow, .milliseconds(1) ... .seconds(900), without: "no windows")
        if let tumblingWindow, .milliseconds(tumblingWindow.wholeMilliseconds) != tumblingWindow {
            let given = naming.given["tumblingWindow"] ?? naming.text(tumblingWindow)
            wrong.append("\(naming.name("tumblingWindow")) \(given) (allowed: whole milliseconds)")
        }
        check("parallelizationFactor", parallelizationFactor, 1...10)  // ESM-S11
        // The only combination that is refused (ESM-S29, ESM-S34).
        if tumblingWindow != nil, parallelizationFactor > 1 {
            let factor = naming.name("parallelizationFactor")
            wrong.append(
                "\(factor) \(parallelizationFactor) with \(naming.name("tumblingWindow")) (allowed: 1, since a window has one state for each shard)"
            )
        }
        // ESM-S42
        if tumblingWindow != nil, whenExhausted == .parkKey {
            wrong.append(
                "\(naming.name("whenExhausted")) park-key with \(naming.name("tumblingWindow")) (allowed: give-up or pause-shard, since a window's state is over all keys)"
            )
        }
        check("redriveRate", redriveRate, 1...1_000_000, unit: " records a second", without: "no limit")  // ESM-N2
        check("breaker", breaker, 1...99, unit: " percent", without: "none")  // ESM-N4
        check("maximumParkedRecordsPerKey", maximumParkedRecordsPerKey, 1...100_000_000)
        check("maximumParkedRecords", maximumParkedRecords, 1...100_000_000)
        check("maximumUncheckpointedBatches", maximumUncheckpointedBatches, 1...100)
        // ESM-S8, ESM-S9
        check("maximumRetryAttempts", maximumRetryAttempts, 0...10_000, without: "no limit")
        check("maximumRecordAge", maximumRecordAge, .seconds(60) ... .seconds(604_800), without: "no limit")
        check("functionTimeout", functionTimeout, .milliseconds(1) ... .seconds(86_400))
        check("backOff.first", backOff.first, .milliseconds(1) ... .seconds(3600))
        let first = min(max(backOff.first, .milliseconds(1)), .seconds(3600))
        check(
            "backOff.longest", backOff.longest, first ... .seconds(86_400), from: naming.name("backOff.first"))
        check("payloadLimit", payloadLimit, 1024...(64 << 20), unit: " bytes", without: "no limit")
        check("concurrency", concurrency, 1...10_000, without: "one for each shard and lane")
        check("shutdownGrace", shutdownGrace, .zero ... .seconds(3600))
        return wrong + namesThatCannotBe(naming)
            + RecordFilter.violations(of: filters.map(\.json), name: naming.element)
    }

    private func namesThatCannotBe(_ naming: Naming) -> [String] {
        var wrong: [String] = []
        let destination = naming.name("failureDestination")
        let characters = "of a-z A-Z 0-9 _ . -, and neither '.' nor '..'"
        switch failureDestination {
        case .stream(let name) where !Limits.isStreamName(name):
            wrong.append("\(destination) stream:\(name) (allowed: a name of \(StreamName.allowed))")
        case .file(""):
            wrong.append("\(destination) file: (allowed: file: and the path of a file)")
        default: break
        }
        if let successStream, !Limits.isStreamName(successStream) {
            wrong.append(
                "\(naming.name("successStream")) '\(successStream)' (allowed: a name of \(StreamName.allowed))")
        }
        if account.utf8.count != 12 || !account.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            wrong.append("\(naming.name("account")) '\(account)' (allowed: 12 digits)")
        }
        if region.isEmpty || region.utf8.count > 64 || !Limits.isName(region) {
            wrong.append("\(naming.name("region")) '\(region)' (allowed: 1 to 64 \(characters))")
        }
        return wrong
    }
}
