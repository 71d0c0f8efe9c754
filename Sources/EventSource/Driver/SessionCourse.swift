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

    // Parked keys.
    private struct Request {
        let numbered: MappingRequest.Numbered
        /// The shards that were told and have not answered.
        var waiting: Set<ShardID>
        /// The shards that have done their part.
        var done: Set<ShardID> = []
        var isChecked = false
    }
    private var open: [UInt64: Request] = [:]
    private var requestCount: UInt64 = 0
    /// The requests that were removed.
    private var ended: Set<UTF8Key> = []
    private var runningShards: Set<ShardID> = []
    /// Whether released records are redriven.
    private var isRedriving = false
    /// Whether the lanes stop when that has ended.
    private var stopsAfterRedriving = false

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
        lanes.running > 0 || isRedriving && failure == nil && !isFenced
            || (!isOver && (!isStarted || (!isEnabled && !endedShards.isEmpty)))
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

    private mutating func start(_ starts: [MappingLanes.Start]) {
        for start in starts {
            runningShards.insert(start.shard.id)
            session.redrives.drives(start.shard.id, true)
            for request in start.requests { open[request.number]?.waiting.insert(start.shard.id) }
            workers.begin(start)
        }
    }

    /// Stops the lanes, after the released records that are being redriven: the lanes store how far that is.
    mutating func stopInOrder() {
        isOver = true
        session.redrives.stop()
        guard isRedriving, lanes.running > 0 else { return stopLanes() }
        stopsAfterRedriving = true
        pauses += 1
        workers.tellAll(.pause(pauses))
    }

    mutating func stopLanes() {
        isOver = true
        session.redrives.stop()
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
        runningShards.remove(shard)
        session.redrives.drives(shard, false)
        for number in open.keys { open[number]?.waiting.remove(shard) }
        switch end {
        case .stopped, .cancelled: break
        case .shardEnd: endedShards.append(shard)
        case .fenced:
            isFenced = true
            stopLanes()
        case .damaged(let error), .paused(let error): damage = error
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
        // Also where it was disabled and enabled before this was noticed.
        if mapping.isEnabled { session.breaker.reset() }
        if let settings, settings !== session.settings.value {
            session.settings.value = settings
            failureStream = settings.failureStream
            session.permits.limit(to: settings.configuration.concurrency)
            session.metrics.countsShards(settings.configuration.shardMetrics)
            workers.tellAll(.settings(settings))
        }
        guard mapping.isEnabled != isEnabled else { return true }
        isEnabled = mapping.isEnabled
        session.redrives.enable(isEnabled)
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
        guard applied < revision || hasNews,
            isEnabled || !isStarted || resting.count == lanes.running && !isRedriving
        else { return nil }
        applied = revision
        hasNews = false
        return MappingRenewal(failureStream: failureStream, revision: revision)
    }

    // MARK: Parked keys

    /// Released records are redriven from now on, or no longer.
    mutating func redriving(_ isBusy: Bool) {
        isRedriving = isBusy
        if !isBusy, stopsAfterRedriving {
            stopsAfterRedriving = false
            stopLanes()
        }
    }

    /// Tells the shards of what operators have asked for, by the names of the requests, and they don't know.
    mutating func add(_ found: [UTF8Key: MappingRequest]) {
        guard !isOver else { return }
        let known = Set(open.values.map { UTF8Key($0.numbered.name) }).union(ended)
        for (name, request) in found.sorted(by: { $0.key < $1.key }) where !known.contains(name) {
            requestCount += 1
            let numbered = MappingRequest.Numbered(number: requestCount, name: name.string, request: request)
            open[requestCount] = Request(numbered: numbered, waiting: runningShards)
            lanes.requests.append(numbered)
            for shard in runningShards.sorted() {
                workers.tell(shard, .event(numbered.event))
            }
        }
    }

    mutating func applied(_ shard: ShardID, _ numbers: [UInt64]) {
        for number in numbers where open[number]?.waiting.remove(shard) != nil {
            open[number]?.done.insert(shard)
            open[number]?.isChecked = false
        }
    }

    /// The requests for which no running shard has anything to do, each with the shards that have done their part.
    mutating func requestsToCheck() -> [(MappingRequest.Numbered, Set<ShardID>)] {
        guard isStarted else { return [] }
        var due: [(MappingRequest.Numbered, Set<ShardID>)] = []
        for (number, request) in open.sorted(by: { $0.key < $1.key })
        where request.waiting.isEmpty && !request.isChecked {
            open[number]?.isChecked = true
            due.append((request.numbered, request.done))
        }
        return due
    }

    /// What these requests need could not be found out.
    mutating func notChecked(_ numbers: [UInt64]) { for number in numbers { open[number]?.isChecked = false } }

    /// The shards that requests still need, by the requests' numbers; none: the request is removed.
    mutating func checked(_ left: [UInt64: Set<ShardID>]) {
        for (number, shards) in left where shards.isEmpty {
            // A list of requests that was read before is not to bring it back.
            if let request = open.removeValue(forKey: number) { ended.insert(UTF8Key(request.numbered.name)) }
            lanes.requests.removeAll { $0.number == number }
        }
    }
}
