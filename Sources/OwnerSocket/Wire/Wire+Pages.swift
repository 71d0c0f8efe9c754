import StreamModel
import StreamStorage

// Summaries, single shards and pages.

extension WireWriter {
    mutating func write(_ stream: StreamSummary) {
        write(stream.name)
        write(stream.id.value)
        write(stream.createdAt)
        write(stream.retention)
        write(Int64(stream.maximumRecordSize))
        write(stream.isFailureStream)
        write(Int64(stream.openShardCount))
        write(Int64(stream.shardCount))
    }

    mutating func write(_ look: ShardLook) {
        write(look.streamID.value)
        write(look.streamCreatedAt)
        write(look.retention)
        write(look.shard)
        write(each: look.children) { $0.write($1) }
    }

    mutating func write(_ query: StreamQuery) {
        write(optional: query.after) { $0.write($1) }
        write(query.prefix)
        write(Int64(query.limit))
        write(query.plainOnly)
    }

    mutating func write(_ page: StreamSummaryPage) {
        write(each: page.streams) { $0.write($1) }
        write(page.hasMore)
    }

    mutating func write(_ query: ShardQuery) {
        write(query.stream)
        write(optional: query.after) { $0.write($1) }
        write(Int64(query.limit))
        write(query.openOnly)
    }

    mutating func write(_ page: ShardPage) {
        write(page.streamID.value)
        write(each: page.shards) { $0.write($1) }
        write(page.hasMore)
    }
}

extension WireReader {
    mutating func streamSummary() throws -> StreamSummary {
        StreamSummary(
            name: try string(), id: StreamID(try number()), createdAt: try timestamp(), retention: try duration(),
            maximumRecordSize: Int(try number(Int64.self)), isFailureStream: try bool(),
            openShardCount: try recordCount(), shardCount: try recordCount())
    }

    mutating func shardLook() throws -> ShardLook {
        ShardLook(
            streamID: StreamID(try number()), streamCreatedAt: try timestamp(), retention: try duration(),
            shard: try shardDescription(), children: try each { try $0.shardDescription() })
    }

    mutating func streamQuery() throws -> StreamQuery {
        StreamQuery(
            after: try optional { try $0.string() }, prefix: try string(), limit: Int(try number(Int64.self)),
            plainOnly: try bool())
    }

    mutating func streamSummaryPage() throws -> StreamSummaryPage {
        StreamSummaryPage(streams: try each { try $0.streamSummary() }, hasMore: try bool())
    }

    mutating func shardQuery() throws -> ShardQuery {
        ShardQuery(
            try string(), after: try optional { try $0.shard() }, limit: Int(try number(Int64.self)),
            openOnly: try bool())
    }

    mutating func shardPage() throws -> ShardPage {
        ShardPage(
            streamID: StreamID(try number()), shards: try each { try $0.shardDescription() }, hasMore: try bool())
    }
}

// Parked keys.

extension WireWriter {
    mutating func write(_ query: ParkedKeyQuery) {
        write(query.mapping)
        write(optional: query.shard) { $0.write($1) }
        write(optional: query.after) { $0.write($1) }
        write(Int64(query.limit))
    }

    private mutating func write(_ place: ParkedKeyQuery.Place) {
        write(place.shard)
        write(place.partitionKey)
    }

    mutating func write(_ page: ParkedKeyPage) {
        write(each: page.keys) { writer, key in
            writer.write(key.shard)
            writer.write(key.partitionKey)
            writer.write(key.value)
        }
        write(optional: page.next) { $0.write($1) }
    }
}

extension WireReader {
    mutating func parkedKeyQuery() throws -> ParkedKeyQuery {
        ParkedKeyQuery(
            try mappingID(), shard: try optional { try $0.shard() }, after: try optional { try $0.parkedPlace() },
            limit: Int(try number(Int64.self)))
    }

    private mutating func parkedPlace() throws -> ParkedKeyQuery.Place {
        ParkedKeyQuery.Place(shard: try shard(), partitionKey: try string())
    }

    mutating func parkedKeyPage() throws -> ParkedKeyPage {
        let keys = try each { reader in
            StoredParkedKey(shard: try reader.shard(), partitionKey: try reader.string(), value: try reader.array())
        }
        return ParkedKeyPage(keys: keys, next: try optional { try $0.parkedPlace() })
    }
}
