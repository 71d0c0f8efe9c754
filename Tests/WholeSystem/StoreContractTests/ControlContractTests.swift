import DiskAccess
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Mappings are updated, disabled and enabled, and claimed for a time.
@Suite(.timeLimit(.minutes(1)))
struct ControlContractTests {
    private let key = MappingID(stream: "s", name: "m")

    private func test(
        _ kind: StoreKind, _ body: @Sendable (any StoreEngine, VirtualTime) async throws -> Void
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            try await store.createMapping(
                MappingDefinition(key: key, startingPosition: .trimHorizon, configuration: [1]))
            try await body(store, time)
        }
    }

    @Test(arguments: StoreKind.all) func `a control action changes what it says, and is remembered (STORE-A1)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, time in
            let made = try await store.describeMapping(key)
            #expect(made.isEnabled && made.revision == 0 && made.lastAction == nil && made.state == .enabled)
            #expect(try await store.mappingHistory(key).isEmpty)
            let updated = try await store.controlMapping(
                MappingControl(key, configuration: [2], actor: "ops", reason: "too slow"))
            #expect(updated.configuration == [2] && updated.isEnabled && updated.revision == 1)
            let first = MappingAction(
                revision: 1, time: time.wallTime, actor: "ops", reason: "too slow", changedSettings: true,
                isEnabled: nil)
            #expect(updated.lastAction == first)
            time.advance(by: .seconds(3))
            let disabled = try await store.stream("s").mapping("m").disable(reason: "maintenance", by: "night shift")
            #expect(disabled.configuration == [2] && !disabled.isEnabled && disabled.revision == 2)
            #expect(disabled.state == .disabled && disabled.epoch == made.epoch)
            let second = MappingAction(
                revision: 2, time: time.wallTime, actor: "night shift", reason: "maintenance", changedSettings: false,
                isEnabled: false)
            #expect(try await store.mappingHistory(key) == [first, second])
            #expect(try await store.summarizeMapping(key) == MappingSummary(disabled))
            #expect(try await store.listMappings(of: "s") == [disabled])
            let enabled = try await store.stream("s").mapping("m").enable()
            #expect(enabled.isEnabled && enabled.state == .enabled && enabled.revision == 3)
            #expect(enabled.lastAction?.actor.isEmpty == false)
        }
    }

    @Test(arguments: StoreKind.all) func `an action that is based on an older revision is refused (STORE-A1)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, _ in
            try await store.controlMapping(
                MappingControl(key, expectedRevision: 0, configuration: [2], actor: "a"))
            await expect(.mappingChanged) {
                try await store.controlMapping(
                    MappingControl(key, expectedRevision: 0, configuration: [3], actor: "b"))
            }
            await expect(.mappingChanged) {
                // Within one commit each action is the next revision; nothing of it is done.
                try await store.commit([
                    .control(MappingControl(key, expectedRevision: 1, isEnabled: false, actor: "b")),
                    .control(MappingControl(key, expectedRevision: 1, configuration: [4], actor: "b")),
                ])
            }
            let now = try await store.describeMapping(key)
            #expect(now.configuration == [2] && now.isEnabled && now.revision == 1)
            try await store.committed(
                .control(MappingControl(key, expectedRevision: 1, isEnabled: false, actor: "b")),
                .control(MappingControl(key, expectedRevision: 2, configuration: [4], actor: "b")))
            let after = try await store.describeMapping(key)
            #expect(after.configuration == [4] && !after.isEnabled && after.revision == 3)
        }
    }

    @Test(arguments: StoreKind.all) func `values outside their limits are refused`(kind: StoreKind) async throws {
        try await test(kind) { store, _ in
            for control in [
                MappingControl(key, isEnabled: false, actor: ""),
                MappingControl(key, isEnabled: false, actor: String(repeating: "a", count: 257)),
                MappingControl(key, isEnabled: false, actor: "a", reason: String(repeating: "r", count: 1025)),
                MappingControl(key, configuration: [UInt8](repeating: 1, count: 262_145), actor: "a"),
            ] {
                await expect(.invalidArgument) { try await store.controlMapping(control) }
            }
            for (mapping, code) in [
                (MappingID(stream: "s", name: "other"), ShardlineError.Code.mappingNotFound),
                (MappingID(stream: "none", name: "m"), .streamNotFound),
            ] {
                await expect(code) { try await store.controlMapping(MappingControl(mapping, actor: "a")) }
                await expect(code) { try await store.mappingHistory(mapping) }
                await expect(code) { try await store.summarizeMapping(mapping) }
            }
            for claim in [
                MappingClaim(owner: ""), MappingClaim(owner: String(repeating: "o", count: 257)),
                MappingClaim(lease: .zero), MappingClaim(lease: .seconds(Int64.max / 2)),
            ] {
                await expect(.invalidArgument) { try await store.claimMapping(key, with: claim) }
            }
            let untouched = try await store.describeMapping(key)
            #expect(untouched.revision == 0)
        }
    }

    @Test(arguments: StoreKind.all) func `the last hundred actions are kept (STORE-A1)`(kind: StoreKind) async throws {
        try await test(kind) { store, _ in
            for number in 1...105 {
                try await store.committed(.control(MappingControl(key, isEnabled: number % 2 == 0, actor: "\(number)")))
            }
            let history = try await store.mappingHistory(key)
            #expect(history.map(\.revision) == Array(6...105))
            #expect(history.allSatisfy { $0.actor == "\($0.revision)" })
            #expect(try await store.describeMapping(key).revision == 105)
        }
    }

    @Test(arguments: StoreKind.all)
    func `an update outlives a claim that brings the settings of the one before (STORE-A2)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, _ in
            func run(_ settings: [UInt8]) async throws -> MappingDescription {
                let claimed = try await store.claimMapping(
                    key, with: MappingClaim(configuration: settings, owner: "worker"))
                try await store.releaseMapping(key, epoch: claimed.epoch)
                return claimed
            }
            try await store.controlMapping(MappingControl(key, configuration: [2], isEnabled: false, actor: "ops"))
            // The program has not changed since the mapping was created.
            let same = try await run([1])
            #expect(same.configuration == [2] && !same.isEnabled && same.revision == 1)
            // A program with other settings has the last word, and is remembered.
            let other = try await run([5])
            #expect(other.configuration == [5] && !other.isEnabled && other.revision == 2)
            #expect(other.lastAction?.actor == "worker" && other.lastAction?.changedSettings == true)
            try await store.controlMapping(MappingControl(key, configuration: [6], actor: "ops"))
            #expect(try await run([5]).configuration == [6])
        }
    }

    @Test(arguments: StoreKind.all) func `a claim names its owner and what it has applied (STORE-A3)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, _ in
            let claimed = try await store.claimMapping(key, with: MappingClaim(owner: "worker 7"))
            #expect(claimed.holder == MappingHolder(owner: "worker 7", epoch: claimed.epoch, revision: 0))
            do {
                _ = try await store.claimMapping(key)
                Issue.record("a second claim was granted")
            } catch let error as ShardlineError {
                #expect(error.code == .mappingBusy && error.message.contains("worker 7"), "\(error)")
            }
            try await store.controlMapping(MappingControl(key, isEnabled: false, actor: "ops"))
            #expect(try await store.describeMapping(key).state == .disabling)
            try await store.renewMapping(
                key, epoch: claimed.epoch, with: MappingRenewal(failureStream: nil, revision: 1))
            #expect(try await store.describeMapping(key).state == .disabled)
            try await store.controlMapping(MappingControl(key, isEnabled: true, actor: "ops"))
            #expect(try await store.describeMapping(key).state == .updating)
            try await store.releaseMapping(key, epoch: claimed.epoch)
            #expect(try await store.describeMapping(key).holder == nil)
            await expect(.fenced) {
                try await store.renewMapping(
                    key, epoch: claimed.epoch, with: MappingRenewal(failureStream: nil, revision: 1))
            }
        }
    }

    @Test(arguments: StoreKind.all) func `a claim with a lease holds until it is over, and is renewed (STORE-A3)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, time in
            let claim = MappingClaim(owner: "first", lease: .seconds(10))
            let first = try await store.claimMapping(key, with: claim)
            #expect(first.holder?.expiresAt == time.wallTime + .seconds(10))
            time.advance(by: .seconds(9))
            let renewed = try await store.renewMapping(
                key, epoch: first.epoch, with: MappingRenewal(failureStream: nil, revision: 0))
            #expect(renewed.epoch == first.epoch)
            time.advance(by: .seconds(9))
            do {
                _ = try await store.claimMapping(key)
                Issue.record("a claim that holds was taken over")
            } catch let error as ShardlineError {
                let until = "\(time.wallTime + .seconds(1))"
                #expect(error.code == .mappingBusy && error.message.contains(until), "\(error)")
            }
            await expect(.mappingBusy) { try await store.deleteMapping(key) }
            time.advance(by: .seconds(1))
            #expect(try await !store.describeMapping(key).isClaimed)
            let second = try await store.claimMapping(key, with: MappingClaim(owner: "second"))
            #expect(second.epoch > first.epoch && second.holder?.owner == "second")
            await expect(.fenced) { try await store.commit([.checkpoint(key, epoch: first.epoch, at: 0)]) }
            await expect(.fenced) {
                try await store.renewMapping(
                    key, epoch: first.epoch, with: MappingRenewal(failureStream: nil, revision: 0))
            }
            // Its late release ends nothing.
            try await store.releaseMapping(key, epoch: first.epoch)
            #expect(try await store.describeMapping(key).holder?.owner == "second")
            time.advance(by: .seconds(100_000))
            await expect(.mappingBusy) { try await store.claimMapping(key) }
        }
    }

    @Test(arguments: StoreKind.all) func `who waits for a change hears of it (STORE-A4)`(kind: StoreKind) async throws {
        try await test(kind) { store, _ in
            guard let notifying = store as? any NotifyingStore else { return }
            var known = try await store.summarizeMapping(key)
            for change in 0..<4 {
                let before = known
                async let next = notifying.waitForChange(of: key, since: before)
                switch change {
                case 0: try await store.controlMapping(MappingControl(key, isEnabled: false, actor: "a"))
                case 1: try await store.seekMapping(key, to: .latest, shard: nil)
                case 2: _ = try await store.claimMapping(key)
                default: try await store.controlMapping(MappingControl(key, configuration: [9], actor: "a"))
                }
                known = try await next
                #expect(known.isChanged(since: before))
            }
            let last = known
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await notifying.waitForChange(of: key, since: last) }
                group.cancelAll()
                do {
                    try await group.waitForAll()
                    Issue.record("a cancelled wait has ended")
                } catch is CancellationError {}
            }
            await expect(.streamNotFound) {
                async let gone = notifying.waitForChange(of: key, since: last)
                try await store.deleteStream("s", force: true)
                return try await gone
            }
        }
    }
}
