import StreamModel
import StreamStorage

/// What a session has come to so far, and what its events lead to. The task that drives the session alone uses it.
struct SessionCourse {
    private var lanes: MappingLanes
    let workers: LaneWorkers
    let session: MappingSession
    private var isFenced = false
    /// The first of all; it ends the session.
    var failure: (any Error)? {
        didSet { if oldValue != nil { failure = oldValue } }
    }
    /// Of shards that can't be read: told once the others have come to their end.
    private var damage: (any Error)?
    /// Shards that have come to their ends, whose children have not been started yet.
    private var endedShards: [ShardID] = []
    /// Whether the first lanes have been started; not while the mapping is disabled.
    private var isStarted = false
    /// Whether no lane starts any more.
    private var isOver = false

    // Control actions.
    private let id: UInt64
    /// The revision that the lanes were told of, the newest one that was asked for, and the one that the store knows to
    /// be applied.
    private var revision: UInt64
    private var asked: UInt64
    private var applied: UInt64
    private var isEnabled: Bool
    private var failureStream: String?
    /// The number of pauses, and the shards that deliver nothing any more in the present one.
    private var pauses = 0
    private var resting: Set<ShardID> = []

    /// Whether the store has to be told, though no lane has to do anything.
    private var hasNews: Bool

    /// - Parameter failureStream: the one that the claim has named.
    init(
        lanes: MappingLanes, workers: LaneWorkers, session: MappingSession, claimed: MappingDescription,
        failureStream claimedStream: String?
    ) {
        self.lanes = lanes
        self.workers = workers
        self.session = session
        id = claimed.id
        (revision, asked, applied) = (claimed.revision, claimed.revision, claimed.revision)
        isEnabled = claimed.isEnabled
        failureStream = session.settings.value.failureStream
        hasNews = failureStream != claimedStream
    }

    /// Whether there are lanes, or will be once the mapping is enabled.
    var goesOn: Bool {
        lanes.running > 0 || (!isOver && (!isStarted || (!isEnabled && !endedShards.isEmpty)))
    }

    /// Starts the first lanes, and the children of all shards that have ended since the last call, together: a thousand
    /// may end at once.
    mutating func startWhatIsDue() async {
        guard !isOver, isEnabled else { return }
        do {
            if !isStarted {
                isStarted = true
                start(try await lanes.first())
            }
            guard !endedShards.isEmpty else { return }
            let ended = endedShards
            endedShards = []
            start(try await lanes.ready(after: ended))
        } catch {
            failure = error
            isOver = true
            workers.tellAll(.cancelled)
        }
    }

    private func start(_ starts: [MappingLanes.Start]) { for start in starts { workers.begin(start) } }

    mutating func stopLanes() {
        isOver = true
        // The stop is posted before the permits are closed, so that a lane whose call is refused doesn't retry it.
        workers.tellAll(.stop)
        session.permits.close()
    }

    /// Ends all lanes at once.
    mutating func endLanes(_ end: LaneEnd) {
        isOver = true
        workers.tellAll(.ended(end))
        session.permits.close()
    }

    /// The run's task was cancelled, as the lanes know already.
    mutating func cancel() { isOver = true }

    /// The claim is not the newest any more.
    mutating func fence() {
        isFenced = true
        endLanes(.fenced)
    }

    mutating func ended(_ shard: ShardID, _ end: LaneEnd) {
        lanes.ended(shard, end)
        resting.remove(shard)
        switch end {
        case .stopped, .cancelled: break
        case .shardEnd: endedShards.append(shard)
        case .fenced:
            isFenced = true
            stopLanes()
        case .damaged(let error): damage = error
        case .failed(let error):
            failure = error
            stopLanes()
        }
    }

    func result() throws -> MappingExecution.SessionEnd {
        try Task.checkCancellation()
        if let failure { throw failure }
        if isFenced { return .fenced }
        if let damage { throw damage }
        return .done
    }

    // MARK: Control actions

    /// Whether the claim of this session is the mapping's newest.
    func isThis(_ summary: MappingSummary) -> Bool { (summary.id, summary.epoch) == (id, session.epoch) }

    /// Notes that a revision is asked for; false if that was done before.
    mutating func asks(for revision: UInt64) -> Bool {
        guard revision > asked else { return false }
        asked = revision
        return true
    }

    /// Lets the lanes work as a mapping's newest revision says, with these settings; nil: with those before. False if
    /// they do already.
    mutating func control(_ mapping: MappingDescription, _ settings: SettingsInForce?) -> Bool {
        guard mapping.revision > revision, !isOver else { return false }
        revision = mapping.revision
        if let settings, settings !== session.settings.value {
            session.settings.value = settings
            failureStream = settings.failureStream
            session.permits.limit(to: settings.configuration.concurrency)
            session.metrics.countsShards(settings.configuration.shardMetrics)
            workers.tellAll(.settings(settings))
        }
        guard mapping.isEnabled != isEnabled else { return true }
        isEnabled = mapping.isEnabled
        guard isStarted else { return true }
        resting = []
        if isEnabled {
            workers.tellAll(.resume)
        } else {
            pauses += 1
            workers.tellAll(.pause(pauses))
        }
        return true
    }

    /// A shard delivers nothing any more.
    mutating func paused(_ shard: ShardID, _ number: Int) { if !isEnabled, number == pauses { resting.insert(shard) } }

    /// What the store is to be told: once, when the lanes do as the newest revision says.
    mutating func newlyApplied() -> MappingRenewal? {
        guard applied < revision || hasNews, isEnabled || !isStarted || resting.count == lanes.running else {
            return nil
        }
        applied = revision
        hasNews = false
        return MappingRenewal(failureStream: failureStream, revision: revision)
    }
}
