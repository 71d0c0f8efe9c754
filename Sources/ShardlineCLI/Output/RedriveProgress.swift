import EventSource
import StreamModel
import StreamStorage

/// How far a redrive of keys is.
struct RedriveProgress: Sendable {
    /// The keys that flow again.
    var flowing = 0
    /// Those that are being handed back, and their waiting records.
    var releasing = 0
    var waiting = 0
    /// Those of which a record has failed again.
    var failed = 0

    var isOver: Bool { releasing == 0 }

    /// How far it is, of keys that were parked before.
    init(of before: [ParkedKey], now: [ParkedKey], isAsked: Bool) {
        let found = Dictionary(now.map { (UTF8Key($0.partitionKey), $0) }) { first, _ in first }
        for key in before {
            guard let now = found[UTF8Key(key.partitionKey)] else {
                flowing += 1
                continue
            }
            if now.failedReleases > key.failedReleases, now.state == .parked {
                failed += 1
            } else if now.state == .releasing || isAsked {
                releasing += 1
                waiting += now.recordCount
            } else {
                // Somebody has parked it again.
                failed += 1
            }
        }
    }

    /// `18 records of 2 keys are left`.
    var line: String {
        "\(Readable.count(waiting, "record")) of \(Readable.count(releasing, "key", "keys")) \(waiting == 1 ? "is" : "are") left"
    }

    var summary: String { "\(Readable.count(flowing, "key")) \(flowing == 1 ? "flows" : "flow") again" }

    /// What is told where keys are parked again.
    func failure(of mapping: MappingID) -> String {
        "\(Readable.count(failed, "key")) \(failed == 1 ? "has" : "have") a record that failed again, and \(failed == 1 ? "stays" : "stay") parked; `shardline mapping keys \(mapping.stream) \(mapping.name)` says why"
    }

    /// Shows what is left until nothing of these keys is being handed back.
    static func watched(
        _ mapping: StreamMapping, _ keys: [ParkedKey], _ timeSource: any TimeSource
    ) async throws -> RedriveProgress {
        var last = ""
        while true {
            // Until the request is done, its keys may not be released yet.
            let isAsked = try await mapping.hasRequests()
            let progress = RedriveProgress(of: keys, now: try await mapping.parkedKeys(), isAsked: isAsked)
            if progress.isOver { return progress }
            if progress.line != last {
                last = progress.line
                Output.error.say(last)
            }
            try await timeSource.sleep(until: timeSource.monotonicTime + .milliseconds(500))
        }
    }
}
