import StreamModel

/// The description of a stream that each section repeats, so that the catalogue can be rebuilt from segments alone.
///
///     u32 number · u32 creation ms, low half · i64 retention ms · u16 bytes of the name · u16 0 · u32 shards
///     the name · then 64 bytes for each shard:
///     u32 key · u32 number · u64 first hash, low · u64 high · u64 last hash, low · u64 high
///     u32 parent · u32 adjacent · u64 creation second · u64 first sequence
///
/// Parent and adjacent are shard ids' numbers, 0xFFFFFFFF where the shard has no such parent. The creation is 0 in
/// stores of earlier versions.
package struct StreamDescriptor: Hashable, Sendable {
    package struct Shard: Hashable, Sendable {
        package static let size = 64
        package var key: UInt32
        package var number: UInt32
        package var range: HashKeyRange
        package var parent: UInt32?
        package var adjacent: UInt32?
        package var creationSecond: UInt64
        package var firstSequence: UInt64

        package init(
            key: UInt32, number: UInt32, range: HashKeyRange, parent: UInt32?, adjacent: UInt32?,
            creationSecond: UInt64, firstSequence: UInt64
        ) {
            self.key = key
            self.number = number
            self.range = range
            self.parent = parent
            self.adjacent = adjacent
            self.creationSecond = creationSecond
            self.firstSequence = firstSequence
        }
    }

    /// The stream's number in its store.
    package var id: UInt64
    /// The low half of the creation time in milliseconds, which is part of the stream's id; 0 where it is not known.
    package var created: UInt32
    package var name: String
    package var retention: Int64
    package var shards: [Shard]

    package init(id: UInt64, created: UInt32 = 0, name: String, retention: Int64, shards: [Shard]) {
        self.id = id
        self.created = created
        self.name = name
        self.retention = retention
        self.shards = shards
    }

    private static let fixedSize = 24

    /// The descriptors as contents of parts, each at most `limit` bytes. A stream with many shards continues in the
    /// next part.
    package static func parts(of streams: [StreamDescriptor], limit: Int) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var part: [UInt8] = []
        for stream in streams {
            let head = fixedSize + stream.name.utf8.count
            var rest = stream.shards[...]
            repeat {
                if part.count + head + Shard.size > limit {
                    parts.append(part)
                    part = []
                }
                let fitting = rest.prefix((limit - part.count - head) / Shard.size)
                rest = rest.dropFirst(fitting.count)
                stream.append(fitting, to: &part)
            } while !rest.isEmpty
        }
        if !part.isEmpty { parts.append(part) }
        return parts
    }

    /// Appends the descriptor with only these of its shards.
    package func append(_ shards: ArraySlice<Shard>, to bytes: inout [UInt8]) {
        LittleEndian.append(UInt64(created) << 32 | id, to: &bytes)
        LittleEndian.append(retention, to: &bytes)
        LittleEndian.append(UInt16(name.utf8.count), to: &bytes)
        LittleEndian.append(0 as UInt16, to: &bytes)
        LittleEndian.append(UInt32(shards.count), to: &bytes)
        bytes.append(contentsOf: name.utf8)
        for shard in shards {
            LittleEndian.append(shard.key, to: &bytes)
            LittleEndian.append(shard.number, to: &bytes)
            for hashKey in [shard.range.first.value, shard.range.last.value] {
                LittleEndian.append(UInt64(truncatingIfNeeded: hashKey), to: &bytes)
                LittleEndian.append(UInt64(hashKey >> 64), to: &bytes)
            }
            LittleEndian.append(shard.parent ?? .max, to: &bytes)
            LittleEndian.append(shard.adjacent ?? .max, to: &bytes)
            LittleEndian.append(shard.creationSecond, to: &bytes)
            LittleEndian.append(shard.firstSequence, to: &bytes)
        }
    }

    package static func decode(_ bytes: [UInt8], _ content: Range<Int>) throws(FormatDamage) -> [StreamDescriptor] {
        var streams: [StreamDescriptor] = []
        var at = content.lowerBound
        while at < content.upperBound {
            guard content.upperBound - at >= fixedSize else { throw FormatDamage("a stream's descriptor is cut short") }
            let nameBytes = Int(LittleEndian.read(UInt16.self, from: bytes, at: at + 16))
            let count = Int(LittleEndian.read(UInt32.self, from: bytes, at: at + 20))
            let shardsStart = at + fixedSize + nameBytes
            guard shardsStart + count * Shard.size <= content.upperBound else {
                throw FormatDamage("a stream's descriptor is cut short")
            }
            let retention = LittleEndian.read(Int64.self, from: bytes, at: at + 8)
            guard let name = String(validating: bytes[at + fixedSize..<shardsStart], as: UTF8.self),
                LittleEndian.read(UInt16.self, from: bytes, at: at + 18) == 0, Timestamp.plausible.contains(retention)
            else { throw FormatDamage("a stream's descriptor says what can't be") }
            var stream = StreamDescriptor(
                id: UInt64(LittleEndian.read(UInt32.self, from: bytes, at: at)),
                created: LittleEndian.read(UInt32.self, from: bytes, at: at + 4), name: name, retention: retention,
                shards: [])
            for index in 0..<count { stream.shards.append(shard(bytes, at: shardsStart + index * Shard.size)) }
            // A stream with many shards may continue from the previous part; `merged` joins the pieces.
            streams.append(stream)
            at = shardsStart + count * Shard.size
        }
        return streams
    }

    private static func shard(_ bytes: [UInt8], at start: Int) -> Shard {
        func word(_ offset: Int) -> UInt64 { LittleEndian.read(UInt64.self, from: bytes, at: start + offset) }
        func short(_ offset: Int) -> UInt32 { LittleEndian.read(UInt32.self, from: bytes, at: start + offset) }
        func hashKey(_ offset: Int) -> HashKey { HashKey(UInt128(word(offset + 8)) << 64 | UInt128(word(offset))) }
        func optional(_ value: UInt32) -> UInt32? { value == .max ? nil : value }
        return Shard(
            key: short(0), number: short(4), range: HashKeyRange(first: hashKey(8), last: hashKey(24)),
            parent: optional(short(40)), adjacent: optional(short(44)), creationSecond: word(48),
            firstSequence: word(56))
    }

    /// One descriptor for each stream, sorted by id. A later descriptor of the same stream or shard replaces the
    /// earlier one.
    package static func merged(_ descriptors: [StreamDescriptor]) -> [StreamDescriptor] {
        var streams: [UInt64: StreamDescriptor] = [:]
        for descriptor in descriptors {
            guard let known = streams[descriptor.id] else {
                streams[descriptor.id] = descriptor
                continue
            }
            var shards = Dictionary(known.shards.map { ($0.key, $0) }, uniquingKeysWith: { $1 })
            for shard in descriptor.shards { shards[shard.key] = shard }
            var merged = descriptor
            merged.shards = shards.values.sorted { $0.key < $1.key }
            streams[descriptor.id] = merged
        }
        return streams.values.sorted { $0.id < $1.id }
    }
}
