import DiskAccess
import Foundation
import Shardline
import StreamModel
import StreamStorage

/// Reads everything that a store holds and says it.
struct Auditor {
    let store: any StoreEngine
    let reporter: Reporter

    func run() async throws {
        // What a read took for now: a clock that is set back between a read and the end does not bring records back.
        var latest = SystemTimeSource().wallTime
        for stream in try await store.listStreams() {
            for shard in stream.shards {
                var position = stream.name == CrashStore.brief ? shard.trimHorizon : SequenceNumber.zero
                if stream.name == CrashStore.brief {
                    // For who looks into a failure: what had expired, and when that was asked.
                    reporter.send([
                        .measured("horizon/\(shard.id.number)", Int(position.rawValue)),
                        .measured("tip/\(shard.id.number)", Int(shard.tip.rawValue)),
                        .measured("asked", Int(SystemTimeSource().wallTime.milliseconds)),
                    ])
                }
                while true {
                    let result = try await store.read(
                        ReadRequest(stream: stream.name, shard: shard.id, after: position))
                    latest = max(latest, SystemTimeSource().wallTime)
                    if let lost = result.lost { reporter.fail("\(stream.name) \(shard.id) has lost \(lost)") }
                    if let expired = result.expired, stream.name != CrashStore.brief {
                        reporter.fail("\(expired) of \(stream.name) \(shard.id) have expired")
                    }
                    reporter.send(try result.batch.map { try report($0, in: stream) })
                    let isAtEnd = result.batch.isEmpty && result.next == position
                    position = result.next
                    if isAtEnd {
                        guard position == shard.tip || CrashStore.Mode.isInterval && shard.tip > position else {
                            reporter.fail(
                                "reading \(stream.name) \(shard.id) ends at \(position), its tip is \(shard.tip)")
                        }
                        break
                    }
                }
            }
        }
        for mapping in try await store.listMappings(of: nil) {
            reporter.send(
                mapping.checkpoints.map {
                    .checkpoint(Place(CrashStore.mapped, $0.shard.number, $0.position.rawValue))
                })
        }
        reporter.send([.measured("now", Int(latest.milliseconds)), .ended])
    }

    private func report(_ record: Record, in stream: StreamDescription) throws -> Report {
        let data = Array(record.bytes)
        if stream.isFailureStream {
            let number = try JSONDecoder().decode(Letter.self, from: Data(data)).record.sequenceNumber
            guard let original = KinesisSequenceNumber(number) else {
                reporter.fail("a dead-letter document names a record '\(number)'")
            }
            return .document(of: Place(CrashStore.mapped, original.shard.number, original.sequenceNumber.rawValue))
        }
        return .found(
            Place(stream.name, record.shard.number, record.sequenceNumber.rawValue), key: record.partitionKey,
            checksum: Stamp.checksum(data), Stamp(data))
    }

    /// What is looked at of a dead-letter document (ESM-D10).
    private struct Letter: Decodable {
        struct Original: Decodable {
            var sequenceNumber: String
        }
        var record: Original
    }
}
