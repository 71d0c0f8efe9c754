import StreamModel

/// A record in a parking stream: the record as its shard has it, and its place among those of its key
/// (Documentation/Formats/ParkedRecords.md).
package struct ParkedRecord: Sendable {
    static let version: UInt8 = 1
    /// The most bytes that it takes beside the record's own encoding.
    package static let overhead = 1 + 6 * Varint.longest

    /// The place of the record among those of its key.
    package let place: ParkingOrder.Place
    /// The record, with its own shard, number, arrival and keys.
    package let run: RecordRun

    /// The bytes of a record of a run.
    package static func bytes(of run: RecordRun, at index: Int, place: ParkingOrder.Place) -> [UInt8] {
        let start = Int(run.chunk.offsets[Int(run.range.lowerBound) + index])
        let end = Int(run.chunk.offsets[Int(run.range.lowerBound) + index + 1])
        var bytes: [UInt8] = [version]
        bytes.reserveCapacity(end - start + 40)
        Varint.append(place.episode, to: &bytes)
        Varint.append(place.order, to: &bytes)
        Varint.append(UInt64(run.shard.number), to: &bytes)
        Varint.append(run.shardCreationSecond, to: &bytes)
        Varint.append(run.firstSequence.rawValue + UInt64(index), to: &bytes)
        let arrival = run.arrival.milliseconds
        Varint.append(UInt64(bitPattern: arrival << 1 ^ arrival >> 63), to: &bytes)
        bytes += run.chunk.bytes[start..<end]
        return bytes
    }

    /// Reads a record of a parking stream's run. Throws `corrupt`.
    package init(_ carrier: RecordRun, at index: Int) throws {
        let found = try Found(carrier, at: index)
        place = found.place
        run = RecordRun(
            bytes: carrier.chunk.bytes, offsets: [UInt32(found.bytes.lowerBound), UInt32(found.bytes.upperBound)],
            range: 0..<1, shard: found.shard, shardCreationSecond: found.shardCreationSecond,
            firstSequence: found.number, arrival: found.arrival)
    }

    /// Reads a record of a parking stream, which is copied. Throws `corrupt`.
    package init(_ carrier: Record) throws {
        var bytes: [UInt8] = []
        RecordEncoding.append(NewRecord(Array(carrier.bytes), partitionKey: carrier.partitionKey), to: &bytes)
        try self.init(
            RecordRun(
                bytes: bytes, offsets: [0, UInt32(bytes.count)], range: 0..<1, shard: carrier.shard,
                shardCreationSecond: carrier.shardCreationSecond, firstSequence: carrier.sequenceNumber,
                arrival: carrier.approximateArrivalTimestamp), at: 0)
    }

    /// What a record of a parking stream says, without a copy of anything.
    struct Found {
        var place: ParkingOrder.Place
        var shard: ShardID
        var shardCreationSecond: UInt64
        var number: SequenceNumber
        /// The arrival that the record's own one is encoded against.
        var arrival: Timestamp
        /// The record's encoding in the carrier's chunk.
        var bytes: Range<Int>
        /// Its partition key there.
        var key: Range<Int>

        /// Reads a record of a parking stream's run. Throws `corrupt`.
        init(_ carrier: borrowing RecordRun, at index: Int) throws {
            let layout = carrier.layout(of: index)
            guard let found = Self(carrier.chunk.bytes, layout.dataStart..<layout.end) else {
                throw ShardlineError(
                    .corrupt,
                    "record \(carrier.kinesisSequenceNumber(at: index)) is no record of a parking stream (allowed: what a mapping parked, by this version or an older one)"
                )
            }
            self = found
        }

        private init?(_ bytes: [UInt8], _ place: Range<Int>) {
            guard !place.isEmpty, bytes[place.lowerBound] == version else { return nil }
            let span = bytes.span
            var at = place.lowerBound + 1
            func number() -> UInt64? {
                guard let value = Varint.read(span, &at), at <= place.upperBound else { return nil }
                return value
            }
            // Anybody may have put it there: a number or a time that no record has would be one that none can be written
            // with.
            guard let episode = number(), let order = number(), order > 0, order <= Int64.max, let shard = number(),
                shard < 1 << 31,
                let creation = number(), creation <= UInt64(Timestamp.plausible.upperBound) / 1000,
                let sequence = number(), (1..<SequenceNumber.max.rawValue).contains(sequence), let zigzag = number()
            else { return nil }
            let arrival = Int64(bitPattern: zigzag >> 1) ^ -Int64(bitPattern: zigzag & 1)
            guard Timestamp.plausible.contains(arrival), let layout = RecordEncoding.layout(in: span, at: at),
                layout.end == place.upperBound, Self.isUTF8(bytes, layout.keyStart..<layout.dataStart)
            else { return nil }
            self.place = ParkingOrder.Place(episode: episode, order: order)
            self.shard = ShardID(UInt32(shard))
            shardCreationSecond = creation
            self.number = SequenceNumber(sequence)
            self.arrival = Timestamp(milliseconds: arrival)
            self.bytes = at..<layout.end
            key = layout.keyStart..<layout.dataStart
        }

        private static func isUTF8(_ bytes: [UInt8], _ place: Range<Int>) -> Bool {
            for index in place where bytes[index] >= 0x80 {
                return String(validating: bytes[place], as: UTF8.self) != nil
            }
            return true
        }
    }
}
