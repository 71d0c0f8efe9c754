import StreamModel
import StreamStorage

/// The settings that lanes work with from one control action to the next (ESM-L4). A class, so that what is under way
/// keeps those that it began with by one reference.
final class SettingsInForce: Sendable {
    let stored: StoredSettings
    let names: ResourceNames
    let destination: DeliveryTarget
    /// The settings for the lanes, with the filters compiled.
    let lanes: LaneCore.Settings

    var configuration: EventSourceMapping.Configuration { stored.configuration }

    /// Throws `invalidArgument` for a filter that is not valid, and for windows that the function does not have or needs.
    init(_ stored: StoredSettings, of key: MappingID, destination: DeliveryTarget, function: FunctionSource) throws {
        let configuration = stored.configuration
        try function.validate(configuration)
        self.stored = stored
        self.destination = destination
        names = ResourceNames(stream: key.stream, mapping: key.name, configuration: configuration)
        var settings = configuration.laneSettings(
            hasDestination: destination.exists,
            payload: function.payload(names: names, configuration: configuration),
            filter: try configuration.recordFilter(of: names.source))
        if case .stream = destination { settings.deliveryMovesCheckpoint = true }
        settings.onlyKeys = function.onlyKeys
        settings.maximumChain = 1 + settings.maximumUnsavedUnits
        settings.leadBytes = 128 << 10
        lanes = settings
    }

    /// The stream of the same store that takes what is given up; nil if none does.
    var failureStream: String? {
        if case .stream(let name) = destination { name } else { nil }
    }
}

extension EventSourceMapping {
    /// The settings that the store has for the mapping, ready for lanes: the failure stream or file is there.
    ///
    /// Throws `invalidArgument` for settings that this version can't read, and for a destination that can't be used.
    func settingsInForce(
        _ mapping: MappingDescription, after before: SettingsInForce? = nil
    ) async throws -> SettingsInForce {
        var stored = self.stored
        if mapping.configuration != stored.json {
            stored = try StoredSettings(json: mapping.configuration)
            // Settings that another program has written may not say it.
            stored.deadLetterStream = stored.deadLetterStream ?? self.stored.deadLetterStream
        }
        if stored == before?.stored, let before { return before }
        return try SettingsInForce(
            stored, of: key, destination: try await target(stored, before), function: function)
    }

    /// Whether the destination that the mapping was made with takes what is given up with these settings: always, unless
    /// its settings name it, and an update has put another one in its place.
    private func isOwn(_ stored: StoredSettings) -> Bool {
        guard case .own = configuration.failureDestination else { return true }
        if case .own = stored.configuration.failureDestination { return true }
        return false
    }

    private func target(_ stored: StoredSettings, _ before: SettingsInForce?) async throws -> DeliveryTarget {
        let setup = MappingSetup(
            key: key, store: stream.engine, configuration: stored.configuration, logger: logger)
        if before?.configuration.whenExhausted != .parkKey { try await setup.ensureParkingStream() }
        if before?.configuration.successStream != stored.configuration.successStream {
            try await setup.checkSuccessStream()
        }
        if let ownDestination, isOwn(stored) { return .own(ownDestination) }
        if let name = stored.failureStream(of: key) {
            // It can't be deleted while the mapping runs, but may have been before.
            if name != before?.failureStream {
                try await setup.ensureFailureStream(name, for: try await stream.describe())
            }
            return .stream(name)
        }
        // A file that is open stays open: it has one writer.
        for known in [before?.stored, self.stored]
        where known?.configuration.failureDestination == stored.configuration.failureDestination {
            if let before, known == before.stored { return before.destination }
            return destination
        }
        return try await setup.target(own: nil, stored)
    }
}
