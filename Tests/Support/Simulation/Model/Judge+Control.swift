/// Control actions on mappings: what was acknowledged is kept in its place, what was refused was not done, and a mapping
/// that is disabled is left alone (STORE-A1, ESM-L1, ESM-L2).
extension Judge {
    /// A control action, known by its reason, which no other has.
    package struct Action: Hashable, Sendable {
        package var reason: String
        /// The revision that it gives the mapping if it is done.
        package var revision: UInt64
        package var isEnabled: Bool?
        package var batchSize: Int?
        package init(reason: String, revision: UInt64, isEnabled: Bool? = nil, batchSize: Int? = nil) {
            self.reason = reason
            self.revision = revision
            self.isEnabled = isEnabled
            self.batchSize = batchSize
        }
    }

    /// What a store says of a mapping's control actions, all at one moment.
    package struct Controlled: Sendable {
        package var revision: UInt64
        package var isEnabled: Bool
        package var batchSize: Int?
        /// The revision and the reason of each action that is kept, and what it has set.
        package var history: [(revision: UInt64, reason: String, isEnabled: Bool?, changedSettings: Bool)]
        package init(
            revision: UInt64, isEnabled: Bool, batchSize: Int?,
            history: [(revision: UInt64, reason: String, isEnabled: Bool?, changedSettings: Bool)]
        ) {
            self.revision = revision
            self.isEnabled = isEnabled
            self.batchSize = batchSize
            self.history = history
        }
    }

    /// The action is about to be done.
    package mutating func willControl(_ name: String, _ action: Action) {
        mappings[name]?.openActions[action.reason] = action
        if action.isEnabled != false { mappings[name]?.isQuiet = false }
    }

    /// It was acknowledged. `isStale`: it was based on a revision that the mapping no longer has.
    package mutating func hasControlled(_ name: String, _ action: Action, isStale: Bool) {
        if isStale { return fail("the stale action '\(action.reason)' on \(name) was accepted (STORE-A1)") }
        guard mappings[name]?.openActions.removeValue(forKey: action.reason) != nil else { return }
        mappings[name]?.actions[action.revision] = action
    }

    /// It was surely not done.
    package mutating func hasNotControlled(_ name: String, _ action: Action) {
        guard mappings[name]?.openActions.removeValue(forKey: action.reason) != nil else { return }
        mappings[name]?.refusedActions.insert(action.reason)
    }

    /// The store says that the mapping is disabled, and that no invocation is left.
    package mutating func isDisabled(_ name: String) {
        guard isMapping[name] == .there else { return }
        if let running = mappings[name]?.lanes.values.first(where: { !$0.running.isEmpty || !$0.redriving.isEmpty }) {
            return fail("\(name) is disabled, and the function still has \(running.running.sorted())")
        }
        mappings[name]?.isQuiet = true
    }

    /// Nobody changes anything, and somebody looks at a mapping's control actions.
    package mutating func sawActions(of name: String, _ seen: Controlled) {
        guard let known = mappings[name], isMapping[name] == .there else { return }
        let revisions = seen.history.map(\.revision)
        let first = seen.revision > UInt64(revisions.count) ? seen.revision - UInt64(revisions.count) + 1 : 1
        guard seen.revision == 0 && revisions.isEmpty || revisions == Array(first...max(first, seen.revision)) else {
            return fail("\(name) has revision \(seen.revision) and the actions \(revisions) (STORE-A1)")
        }
        let enabled = seen.history.last { $0.isEnabled != nil }?.isEnabled ?? true
        if seen.isEnabled != enabled {
            return fail("\(name) is enabled: \(seen.isEnabled), its last action says \(enabled)")
        }
        for action in known.openActions.values {
            if let place = seen.history.first(where: { $0.reason == action.reason }) {
                var done = action
                done.revision = place.revision
                mappings[name]?.actions[place.revision] = done
            } else {
                mappings[name]?.refusedActions.insert(action.reason)
            }
        }
        mappings[name]?.openActions = [:]
        for (revision, action) in known.actions.sorted(by: { $0.key < $1.key }) where revision >= first {
            guard let place = seen.history.first(where: { $0.revision == revision }), place.reason == action.reason,
                place.isEnabled == action.isEnabled, place.changedSettings == (action.batchSize != nil)
            else {
                return fail("the action '\(action.reason)' on \(name) is gone from revision \(revision) (STORE-A1)")
            }
        }
        if let ghost = seen.history.first(where: { known.refusedActions.contains($0.reason) }) {
            return fail("the action '\(ghost.reason)' on \(name) was refused, and is there")
        }
        let last = seen.history.last { $0.changedSettings }.flatMap { mappings[name]?.actions[$0.revision]?.batchSize }
        if let last, seen.batchSize != last {
            return fail("\(name) has batches of \(seen.batchSize ?? 0), and was given \(last) (STORE-A1)")
        }
    }

    // MARK: Attempts

    /// Where a unit stands and how far it goes.
    package struct Unit: Hashable, Sendable {
        package var shard: Shard
        package var first: UInt64
        package var last: UInt64
        package init(_ shard: Shard, _ first: UInt64, _ last: UInt64) {
            self.shard = shard
            self.first = first
            self.last = last
        }
    }

    /// A run of the mapping begins: attempts are counted again.
    package mutating func beganRun(_ name: String) { mappings[name]?.attempts = [:] }
    /// The run goes on elsewhere: nothing follows from its attempts any more.
    package mutating func forgetAttempts(of name: String) { mappings[name]?.attempts = nil }

    /// The function gets a unit for this attempt, which counts on from the one before (ESM-A9, ESM-L2).
    package mutating func attempts(_ name: String, _ unit: Unit, attempt: Int) {
        guard let failed = mappings[name]?.attempts?[unit] else { return }
        mappings[name]?.attempts?[unit] = nil
        if attempt <= failed {
            fail(
                "\(name) tries \(unit.shard) \(unit.first)...\(unit.last) as attempt \(attempt), after \(failed) that failed"
            )
        }
    }

    /// The attempt has failed.
    package mutating func attemptFailed(_ name: String, _ unit: Unit, attempt: Int) {
        mappings[name]?.attempts?[unit] = attempt
    }
}
