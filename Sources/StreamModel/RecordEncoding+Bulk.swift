/// Operations on all records of a put at once. Written for speed: the loops touch no reference count, and bytes go to
/// raw memory, which was measured to cost a fifth of appending to an array.
extension RecordEncoding {
    /// The bytes that each record takes in a chunk (without an arrival delta), in the records' order.
    package static func sizes(of records: [NewRecord]) -> [Int] {
        [Int](unsafeUninitializedCapacity: records.count) { sizes, count in
            records.withUnsafeBufferPointer { records in
                for index in records.indices {
                    sizes.initializeElement(at: index, to: size(of: records[index]))
                }
            }
            count = records.count
        }
    }

    /// The bytes of keys and data of all records together.
    package static func payload(of records: [NewRecord]) -> Int {
        records.withUnsafeBufferPointer { records in
            var bytes = 0
            for index in records.indices { bytes += records[index].partitionKey.utf8.count + records[index].data.count }
            return bytes
        }
    }

    /// A chunk of some records, and the offset of each; the last offset is the end.
    ///
    /// - Parameters:
    ///   - places: which of `order` to take; without an order, which of the records.
    ///   - sizes: the bytes of each record, in the same order.
    package static func chunk(
        of records: [NewRecord], _ places: Range<Int>, order: [Int]?, sizes: [Int]
    ) -> (bytes: [UInt8], offsets: [UInt32]) {
        precondition(places.upperBound <= records.count && places.upperBound <= sizes.count)
        var total = 0
        for place in places { total += sizes[place] }
        var offsets: [UInt32] = []
        let bytes = [UInt8](unsafeUninitializedCapacity: total) { room, count in
            let base = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(room.baseAddress))
            offsets = [UInt32](unsafeUninitializedCapacity: places.count + 1) { offsets, offsetCount in
                records.withUnsafeBufferPointer { records in
                    var at = 0
                    for place in places {
                        let index = order?[place] ?? place
                        // The size was computed from the same record, so this shows that there is enough room.
                        precondition(at + sizes[place] <= total && index < records.count)
                        offsets.initializeElement(at: place - places.lowerBound, to: UInt32(at))
                        if let base {
                            let end = write(records.baseAddress! + index, to: base + at)
                            precondition(end == base + at + sizes[place])
                        }
                        at += sizes[place]
                    }
                    offsets.initializeElement(at: places.count, to: UInt32(at))
                }
                offsetCount = places.count + 1
            }
            count = total
        }
        return (bytes, offsets)
    }

    /// Copies the record that begins at `start` into another run, which begins `later` milliseconds before the record's
    /// own. `room` must hold the record and one more number. Returns the bytes written and the new arrival delta.
    package static func copy(
        _ chunk: Span<UInt8>, at start: Int, later: UInt64, to room: UnsafeMutableRawBufferPointer
    ) -> (count: Int, arrivalDelta: UInt64) {
        // The journal makes chunks, and chunks that are read are validated first.
        let layout = layout(in: chunk, at: start)!
        let rest = (layout.hashKeyStart ?? layout.keyStart)..<layout.end
        precondition(room.count >= rest.count + 3 * Varint.longest)
        let delta = layout.arrivalDelta + later
        let flags: UInt64 = layout.hashKeyStart == nil ? 1 : 3
        let begin = room.baseAddress!
        var at = Varint.write(UInt64(layout.dataStart - layout.keyStart) << 2 | flags, to: begin)
        at = Varint.write(UInt64(layout.end - layout.dataStart), to: at)
        at = Varint.write(delta, to: at)
        chunk.extracting(rest).withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { at.copyMemory(from: base, byteCount: bytes.count) }
        }
        return (at - begin + rest.count, delta)
    }

    /// Writes `record`, without an arrival delta, at `place`, where there must be room for it. Returns the place after
    /// it.
    private static func write(
        _ record: UnsafePointer<NewRecord>, to place: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer {
        var key = record.pointee.partitionKey
        let flags: UInt64 = record.pointee.explicitHashKey == nil ? 0 : 2
        var at = Varint.write(UInt64(key.utf8.count) << 2 | flags, to: place)
        at = Varint.write(UInt64(record.pointee.data.count), to: at)
        if let hashKey = record.pointee.explicitHashKey {
            at.storeBytes(of: hashKey.value.bigEndian, as: UInt128.self)
            at += 16
        }
        key.withUTF8 { bytes in
            if let base = bytes.baseAddress { at.copyMemory(from: base, byteCount: bytes.count) }
            at += bytes.count
        }
        record.pointee.data.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { at.copyMemory(from: base, byteCount: bytes.count) }
            at += bytes.count
        }
        return at
    }
}

extension NewRecord {
    /// Throws the error of ``validate(maximumRecordSize:)`` for the first of the records that can't be put.
    package static func validate(_ records: [NewRecord], maximumRecordSize: Int) throws {
        try records.withUnsafeBufferPointer { records in
            for index in records.indices {
                let key = records[index].partitionKey.utf8.count
                // A key that is neither empty nor long needs no closer look.
                if key > 0, key <= Limits.partitionKeyLength.upperBound,
                    records[index].data.count <= maximumRecordSize
                {
                    continue
                }
                try records[index].validate(maximumRecordSize: maximumRecordSize)
            }
        }
    }
}
