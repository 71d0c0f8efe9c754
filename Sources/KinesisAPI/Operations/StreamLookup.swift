import StreamModel
import StreamStorage

// Finds what requests name.
extension KinesisOperations {
    /// The stream that a request names (API-N-3).
    func address(_ call: OperationCall) throws(ServiceError) -> StreamAddress {
        let name = call.text("StreamName")
        guard let arn = call.text("StreamARN") else {
            guard let name else { throw .invalidArgument("Either StreamName or StreamARN should be provided.") }
            return StreamAddress(account: call.caller.account, region: call.caller.region, name: name)
        }
        let address = try self.address(arn: arn, call)
        if let name, name != address.name {
            throw .invalidArgument("StreamName \(name) and StreamARN \(arn) do not name the same stream.")
        }
        return address
    }

    /// An ARN's account and region win over the caller's (API-N-3); another region is not served to the caller.
    func address(arn: String, _ call: OperationCall) throws(ServiceError) -> StreamAddress {
        guard let address = StreamAddress(arn: arn), TextPattern.name.matches(address.name), address.name.count <= 128
        else {
            throw .invalidArgument("Invalid stream ARN: \(arn).")
        }
        guard address.region == call.caller.region else { throw StreamFacts.notFound(address) }
        return address
    }

    /// The stream that a request names, with what it shows. One that is being deleted counts.
    func describedStream(_ call: OperationCall) async throws -> StreamFacts {
        try await describedStream(try address(call))
    }

    func describedStream(_ address: StreamAddress) async throws -> StreamFacts {
        let name = scope.storeName(of: address)
        if let remains = transitions.remains(of: name) { return remains }
        return try await facts(address, storeName: name)
    }

    /// The same, without one that is being deleted.
    func stream(_ call: OperationCall) async throws -> StreamFacts { try await stream(try address(call)) }

    func stream(_ address: StreamAddress) async throws -> StreamFacts {
        let name = scope.storeName(of: address)
        guard transitions.remains(of: name) == nil else { throw StreamFacts.notFound(address) }
        return try await facts(address, storeName: name)
    }

    private func facts(_ address: StreamAddress, storeName name: String) async throws -> StreamFacts {
        do {
            let summary = try await engine.summarizeStream(name)
            return StreamFacts(
                address: address, storeName: name, summary: summary, properties: try await properties(of: name),
                transition: transitions.state(of: name))
        } catch let error as ShardlineError where error.code == .streamNotFound || error.code == .invalidArgument {
            throw StreamFacts.notFound(address)
        }
    }

    func properties(of storeName: String) async throws -> StreamProperties {
        StreamProperties(
            try await engine.attributes(
                AttributeQuery(.stream(storeName), prefix: StreamProperties.prefix, limit: 100)
            ).attributes)
    }

    /// All attributes whose names begin so.
    func attributes(of owner: AttributeOwner, prefix: String) async throws -> [Attribute] {
        let first = AttributeQuery(owner, prefix: prefix)
        return try await allPages(from: first) { query, all in
            let page = try await engine.attributes(query)
            all += page.attributes
            guard page.hasMore, let last = page.attributes.last else { return false }
            query.after = last.name
            return true
        }
    }

    /// What all pages of a list hold together.
    ///
    /// - Parameter add: adds a page and makes its query the next one's; false where no page follows.
    func allPages<Query, Item>(
        from first: Query, _ add: (_ query: inout Query, _ all: inout [Item]) async throws -> Bool
    ) async rethrows -> [Item] {
        var query = first
        var all: [Item] = []
        while try await add(&query, &all) {}
        return all
    }

    /// Changes a stream's properties, and shows the stream as updating.
    func change(
        _ stream: StreamFacts, isUpdating: Bool = true, _ change: (inout StreamProperties) -> Void
    ) async throws {
        var properties = stream.properties
        change(&properties)
        let changes = properties.changes(from: stream.properties, of: .stream(stream.storeName))
        if !changes.isEmpty {
            try await mapping(stream.address) { try await self.engine.changeAttributes(changes) }
        }
        if isUpdating { transitions.begin(.updating, of: stream.storeName) }
    }

    /// Runs a call of the store, and answers `streamNotFound` as AWS does.
    func mapping<Value: Sendable>(
        _ address: StreamAddress, _ body: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await body()
        } catch let error as ShardlineError where error.code == .streamNotFound {
            throw StreamFacts.notFound(address)
        }
    }
}

extension KinesisOperations {
    /// Reads a shard's name (API-N-6).
    func shard(_ text: String, in address: StreamAddress) throws(ServiceError) -> ShardID {
        guard let shard = ShardID(lenient: text) else { throw Self.noShard(text, address) }
        return shard
    }

    /// API-N-6, API-Reshard-1.
    static func noShard(_ given: String, _ address: StreamAddress) -> ServiceError {
        .resourceNotFound("Could not find shard \(given) in \(address.inTexts).")
    }
}
