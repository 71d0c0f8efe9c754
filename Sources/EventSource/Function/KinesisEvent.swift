import DataFormats
import StreamModel

/// The event for functions outside Swift: Lambda's event for Kinesis as one line of JSON (ESM-E1, ESM-E2).
package struct KinesisEvent: Sendable {
    private let names: ResourceNames
    /// Whether the event contains explicit hash keys, which Lambda's event doesn't.
    private let showsHashKeys: Bool
    /// Whether the event has an entry for each user record of an aggregate (ESM-S40, ESM-E11).
    private let deaggregates: Bool

    package init(names: ResourceNames, showsHashKeys: Bool = false, deaggregates: Bool = false) {
        self.names = names
        self.showsHashKeys = showsHashKeys
        self.deaggregates = deaggregates
    }

    /// The event of these records, without a newline. With a tumbling window of `shard` it has the members of ESM-E7.
    ///
    /// - Parameters:
    ///   - traceFields: the fields of the invocation's trace context (ESM-E12).
    ///   - invocation: the invocation of which the event tells; nil: of none (ESM-E13).
    package func json(
        of records: RecordBatch, window: LaneCore.WindowCall? = nil, shard: ShardID = ShardID(0),
        traceFields: [(name: String, value: String)] = [], invocation: InvocationContext? = nil
    ) -> [UInt8] {
        let trace = trace(traceFields)
        let size = records.reduce(Self.envelopeSize + (trace == nil ? 0 : Self.traceSize)) {
            $0 + self.size(of: $1) + 1
        }
        var writer = JSONWriter(reserving: size + (window.map { windowSize + $0.state.count } ?? 0))
        writer.object { event in
            write(records, to: &event)
            if let window { write(window, of: shard, to: &event) }
            if let trace {
                event.name("traceContext")
                event.raw(trace)
            }
            if let invocation {
                event.name("invocation")
                event.object { object in
                    object.member("requestId", invocation.requestID)
                    object.member("deadlineMs", Int(invocation.deadline.milliseconds))
                }
            }
        }
        return writer.bytes
    }

    /// The bytes that the trace context may take in an event. One that needs more is left out: the payload limit is
    /// measured before there is one (ESM-B4).
    package static let traceSize = 1024

    /// The most bytes that an event tells of its invocation (ESM-E13).
    package static let invocationSize =
        #","invocation":{"requestId":"00000000-0000-0000-0000-000000000000","deadlineMs":-9223372036854775808}"#.utf8
        .count

    private func trace(_ fields: [(name: String, value: String)]) -> [UInt8]? {
        guard !fields.isEmpty else { return nil }
        var writer = JSONWriter()
        writer.object { object in
            for field in fields {
                object.name(text: field.name)
                object.string(field.value)
            }
        }
        let name = #","traceContext":"#
        return name.utf8.count + writer.bytes.count <= Self.traceSize ? writer.bytes : nil
    }

    /// Writes the event of these records as a value.
    package func writeEvent(of records: RecordBatch, to writer: inout JSONWriter) {
        writer.object { write(records, to: &$0) }
    }

    private func write(_ records: RecordBatch, to event: inout JSONWriter) {
        event.name("Records")
        event.array { list in
            for record in records {
                for user in UserRecords(record, deaggregates: deaggregates) { write(user, to: &list) }
            }
        }
    }

    private func write(_ call: LaneCore.WindowCall, of shard: ShardID, to event: inout JSONWriter) {
        event.name("window")
        event.window(from: call.start, to: call.end)
        event.name("state")
        event.raw(call.state.isEmpty ? Array("{}".utf8) : call.state)
        event.member("shardId", shard.description)
        event.member("eventSourceARN", names.stream)
        event.member("isFinalInvokeForWindow", call.isFinal)
        event.member("isWindowTerminatedEarly", call.isTerminatedEarly)
    }

    /// The most bytes that a tumbling window adds to an event, without its state.
    package var windowSize: Int {
        Self.largestWindow.utf8.count + JSONWriter.size(ofString: names.stream)
    }

    private static let largestWindow =
        #","window":{"start":"-140000-12-09T07:04:00.000Z","end":"-140000-12-09T07:06:00.000Z"},"state":,"shardId":"shardId-184467440737095516","eventSourceARN":,"isFinalInvokeForWindow":false,"isWindowTerminatedEarly":false"#

    /// The bytes of an event without records: `{"Records":[]}`. Between two records is one comma.
    package static let envelopeSize = 14

    /// The bytes that `record` takes in an event, with the commas between its user records.
    package func size(of record: Record) -> Int {
        let users = UserRecords(record, deaggregates: deaggregates)
        return users.reduce(users.count - 1) { $0 + size(of: $1) }
    }

    private func size(of record: UserRecord) -> Int {
        // The size must be exact without writing the record: the fixed part plus everything that varies.
        let sequence = 56
        let milliseconds = record.approximateArrivalTimestamp.milliseconds
        let seconds = String(abs(milliseconds / 1000)).utf8.count + 4 + (milliseconds < 0 ? 1 : 0)
        let shard = record.shard.description.utf8.count
        let key = record.partitionKey
        // Without a key the member is left out, with its name.
        let keySize = key.isEmpty ? -#""partitionKey":,"#.utf8.count : JSONWriter.size(ofString: key)
        return Self.fixedSize + keySize + sequence + 2
            + Base64.size(of: record.dataByteCount) + 2 + seconds + shard + 1 + sequence + 2
            + JSONWriter.size(ofString: names.role) + JSONWriter.size(ofString: names.region)
            + JSONWriter.size(ofString: names.stream) + sizeOfAggregateMembers(of: record)
    }

    private func sizeOfAggregateMembers(of record: UserRecord) -> Int {
        let hashKey = explicitHashKey(of: record).map { Self.hashKeySize + $0.description.utf8.count } ?? 0
        guard record.isAggregated else { return hashKey }
        return hashKey + Self.aggregateSize + String(record.subSequenceNumber).utf8.count
    }

    private static let hashKeySize = #""explicitHashKey":"","#.utf8.count
    private static let aggregateSize = #""subSequenceNumber":,"aggregated":true,"#.utf8.count

    /// The bytes of everything but the varying values: names, colons, commas, brackets and constant values.
    private static let fixedSize =
        #"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":,"sequenceNumber":,"data":,"approximateArrivalTimestamp":},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":,"eventName":"aws:kinesis:record","invokeIdentityArn":,"awsRegion":,"eventSourceARN":}"#
        .utf8.count

    /// The explicit hash key that the event tells. Lambda's event has none; the libraries that take aggregates apart tell
    /// those of user records.
    private func explicitHashKey(of record: UserRecord) -> HashKey? {
        showsHashKeys || record.isAggregated ? record.explicitHashKey : nil
    }

    private func write(_ record: UserRecord, to writer: inout JSONWriter) {
        let sequenceNumber = record.kinesisSequenceNumber.description
        writer.object { entry in
            entry.name("kinesis")
            entry.object { kinesis in
                kinesis.member("kinesisSchemaVersion", "1.0")
                let key = record.partitionKey
                if !key.isEmpty { kinesis.member("partitionKey", key) }
                if let key = explicitHashKey(of: record) { kinesis.member("explicitHashKey", key.description) }
                kinesis.member("sequenceNumber", sequenceNumber)
                if record.isAggregated {
                    kinesis.member("subSequenceNumber", record.subSequenceNumber)
                    kinesis.member("aggregated", true)
                }
                kinesis.name("data")
                kinesis.base64(record.bytes)
                kinesis.name("approximateArrivalTimestamp")
                kinesis.seconds(ofMilliseconds: record.approximateArrivalTimestamp.milliseconds)
            }
            entry.member("eventSource", "aws:kinesis")
            entry.member("eventVersion", "1.0")
            entry.member("eventID", "\(record.shard):\(sequenceNumber)")
            entry.member("eventName", "aws:kinesis:record")
            entry.member("invokeIdentityArn", names.role)
            entry.member("awsRegion", names.region)
            entry.member("eventSourceARN", names.stream)
        }
    }
}

extension JSONWriter {
    /// The bounds of a tumbling window, as events and documents write them. Whole seconds have no fraction.
    mutating func window(from start: Timestamp, to end: Timestamp) {
        func text(_ time: Timestamp) -> String {
            let text = time.description
            return time.milliseconds % 1000 == 0 ? "\(text.dropLast(5))Z" : text
        }
        object { window in
            window.member("start", text(start))
            window.member("end", text(end))
        }
    }
}
