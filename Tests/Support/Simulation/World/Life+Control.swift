import EventSource
import SegmentStorage
import StreamModel
import StreamStorage

extension Life {
    /// Disables, enables or updates a mapping, or tries to with a revision that it no longer has.
    func control(_ name: String, _ kind: History.Control) async {
        let id = MappingID(stream: World.stream, name: name)
        // It may not have been made yet, or be deleted.
        guard world.judge.isKnown(name) else { return }
        do {
            let before = try await store.describeMapping(id)
            guard world.judge.isKnown(name), kind != .stale || before.revision > 0 else { return }
            let expected = kind == .stale ? before.revision - 1 : before.revision
            var control = MappingControl(
                id, expectedRevision: expected, actor: "director", reason: "action \(world.nextAction())")
            var action = Judge.Action(reason: control.reason, revision: expected + 1)
            switch kind {
            case .disable: action.isEnabled = false
            case .enable, .stale: action.isEnabled = true
            case .update, .factor:
                var configuration = try EventSourceMapping.Configuration(json: before.configuration)
                if case .update(let batchSize) = kind { configuration.batchSize = batchSize }
                if case .factor(let factor) = kind { configuration.parallelizationFactor = factor }
                let name = StoredName(before.configuration)
                control.configuration = name.settings(configuration)
                action.batchSize = configuration.batchSize
            }
            control.isEnabled = action.isEnabled
            await act(name, control, action, isStale: kind == .stale)
            if kind == .disable { await waitUntilDisabled(name, id) }
        } catch {
            failed(error, "looking at a mapping")
        }
    }

    private func act(_ name: String, _ control: MappingControl, _ action: Judge.Action, isStale: Bool) async {
        world.tell { $0.willControl(name, action) }
        do {
            switch try await store.commit([.control(control)]) {
            case .committed: world.tell { $0.hasControlled(name, action, isStale: isStale) }
            case .unknown(let cause): failed(cause, "a control action")
            case .conflict, .sealed: world.fail("a control action was taken for an append")
            }
        } catch {
            if !isInDoubt(error) { world.tell { $0.hasNotControlled(name, action) } }
            // A run that began meanwhile may have brought other settings.
            if (error as? ShardlineError)?.code == .mappingChanged { return }
            failed(error, "a control action")
        }
    }

    /// From then on the function has nothing until somebody enables the mapping.
    private func waitUntilDisabled(_ name: String, _ id: MappingID) async {
        for _ in 0..<20 where goesOn {
            guard let found = try? await store.describeMapping(id), !found.isEnabled else { return }
            if found.state == .disabled { return world.tell { $0.isDisabled(name) } }
            await pause(milliseconds: 20)
        }
    }

    /// At the end everything is to be worked off.
    func enableForGood(_ name: String) async throws {
        let mapping = store.stream(World.stream).mapping(name)
        guard try await !mapping.describe().isEnabled else { return }
        world.tell { $0.willControl(name, Judge.Action(reason: "the end", revision: 0, isEnabled: true)) }
        try await mapping.enable(reason: "the end", by: "director")
    }

    /// Lets the judge look at the control actions of the mappings, while nobody changes anything.
    func auditActions() async throws {
        for mapping in try await store.listMappings(of: nil) where mapping.key.stream == World.stream {
            let history = try await store.mappingHistory(mapping.key)
            let seen = Judge.Controlled(
                revision: mapping.revision, isEnabled: mapping.isEnabled,
                batchSize: (try? EventSourceMapping.Configuration(json: mapping.configuration))?.batchSize,
                history: history.map { ($0.revision, $0.reason, $0.isEnabled, $0.changedSettings) })
            world.tell { $0.sawActions(of: mapping.key.name, seen) }
            if mapping.state == .disabled { world.tell { $0.isDisabled(mapping.key.name) } }
        }
    }
}

/// The name of the dead-letter stream in a mapping's settings, which an update keeps.
private struct StoredName {
    private let stored: StoredSettings?

    init(_ json: [UInt8]) { stored = try? StoredSettings(json: json) }

    func settings(_ configuration: EventSourceMapping.Configuration) -> [UInt8] {
        StoredSettings(configuration, deadLetterStream: stored?.deadLetterStream).json
    }
}
