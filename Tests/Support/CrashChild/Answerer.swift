import Foundation
import Glibc
import StreamModel

/// The function of the crash tests as a process: reads an event a line, says in a file what it was given, and answers
/// a line (ESM-E1, ESM-R4, ESM-R20).
struct Answerer {
    let reporter: Reporter

    /// What is looked at of an event.
    private struct Event: Decodable {
        struct Item: Decodable {
            var kinesis: Kinesis
        }
        struct Kinesis: Decodable {
            var partitionKey: String
            var sequenceNumber: String
            var data: Data
        }
        // Lambda's name.
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var Records: [Item]
    }

    func run() throws {
        reporter.send(.opened)
        while let line = readLine(strippingNewline: false) {
            // The process that writes the events was killed in the middle of this one.
            guard line.hasSuffix("\n") else { return }
            let event = try JSONDecoder().decode(Event.self, from: Data(line.utf8))
            let answer = answer(try event.Records.map { try parts($0.kinesis) }) + "\n"
            var bytes = Array(answer.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { write(1, $0.baseAddress!, $0.count) }
                guard count > 0 else { return }
                bytes = bytes.dropFirst(count)
            }
        }
    }

    private func parts(_ item: Event.Kinesis) throws -> (number: KinesisSequenceNumber, stamp: Stamp, checksum: UInt32)
    {
        let data = Array(item.data)
        guard let number = KinesisSequenceNumber(item.sequenceNumber) else {
            reporter.fail("the function was given the sequence number '\(item.sequenceNumber)'")
        }
        guard let stamp = Stamp(data), stamp.key == item.partitionKey else {
            reporter.fail("the function was given the damaged record \(item.sequenceNumber)")
        }
        return (number, stamp, Stamp.checksum(data))
    }

    private func answer(_ records: [(number: KinesisSequenceNumber, stamp: Stamp, checksum: UInt32)]) -> String {
        guard let first = records.first else { reporter.fail("the function was given no records") }
        // Halves that begin with the same record fail again, until it is alone.
        if records.count > 1, first.number.sequenceNumber.rawValue % 5 == 0 {
            return #"{"errorMessage":"passing trouble","errorType":"PassingTrouble"}"#
        }
        let place = Place(CrashStore.mapped, first.number.shard.number, first.number.sequenceNumber.rawValue)
        var digest = Digest()
        for (count, record) in records.enumerated() {
            if record.stamp.isMalformed {
                var reports: [Report] = count == 0 ? [] : [.handled(first: place, count: count, digest: digest.value)]
                reports.append(
                    .refused(Place(place.stream, place.shard, record.number.sequenceNumber.rawValue)))
                reporter.send(reports)
                return #"{"batchItemFailures":[{"itemIdentifier":"\#(record.number)","permanent":true}]}"#
            }
            digest.add(record.checksum)
        }
        reporter.send(.handled(first: place, count: records.count, digest: digest.value))
        return "{}"
    }
}
