import StreamModel

/// What never changes of a stream.
struct StreamFacts: Hashable {
    var id: StreamID
    var initialShards: Int
}

/// Streams and mappings that are deleted and recreated under the same name.
///
/// The stream is known here by a name of its own for each time that it was made (`s`, `s#2`, `s#3`): none of the records
/// of one may ever be seen in another, and no checkpoint of a mapping that was deleted in one that was made after it.
/// What a crash has left in doubt is decided by the next opening, once and permanently.
extension Judge {
    /// Whether something is there, as far as anybody knows.
    enum Presence: Hashable { case absent, making, there, deleting }

    /// What the stream is called that was created as the n-th of its name.
    private static func name(_ generation: Int) -> String { generation <= 1 ? "s" : "s#\(generation)" }
    /// What the stream that is read is known by.
    package var stream: String { Self.name(generation) }
    /// What the stream will be known by into which somebody puts who begins now.
    package var streamOfPuts: String { Self.name(isStream == .making ? generation + 1 : generation) }

    /// How long a stream keeps its records.
    func retention(of stream: String) -> Int64 {
        retention[String(stream.prefix { $0 != "#" })] ?? .max
    }

    // MARK: The stream

    package mutating func willMakeStream() {
        if isStream == .absent { isStream = .making }
    }

    package mutating func hasMadeStream() {
        guard isStream == .making else { return }
        generation += 1
        isStream = .there
    }

    /// It was surely not made.
    package mutating func hasNotMadeStream() { if isStream == .making { isStream = .absent } }

    package mutating func willDeleteStream() {
        isStream = .deleting
        for name in mappings.keys { mappings[name]!.isQuiet = false }
    }

    package mutating func hasDeletedStream() {
        isStream = .absent
        attributes.isStreamGone = true
        recordSizes = [Self.initialRecordSize]
        deleted.insert(stream)
        for name in isMapping.keys { isMapping[name] = .absent }
    }

    /// It was surely not deleted.
    package mutating func hasNotDeletedStream() { isStream = .there }

    /// Somebody describes the stream, which is surely there: its id is the same each time, and no other one had it; nor
    /// does it forget with how many shards it was created.
    package mutating func sawStream(id: StreamID, initialShards: Int) {
        guard isStream == .there else { return }
        let facts = StreamFacts(id: id, initialShards: initialShards)
        if let known = streamFacts[stream], known != facts {
            fail("the stream \(stream) was \(known), and is \(facts)")
        }
        if let other = streamFacts.filter({ $0.value.id == id && $0.key != stream }).keys.min() {
            fail("the stream \(stream) has the id \(id) of \(other)")
        }
        streamFacts[stream] = facts
    }

    /// Nobody changes anything, and somebody looks whether the stream is there.
    package mutating func sawStream(isThere: Bool) {
        switch (isStream, isThere) {
        case (.there, true), (.absent, false): break
        case (.there, false): fail("the stream \(stream) was there and is gone")
        case (.absent, true): fail("the stream \(stream), which was deleted, is there again")
        case (.making, true): hasMadeStream()
        case (.making, false): isStream = .absent
        case (.deleting, true): isStream = .there
        case (.deleting, false): hasDeletedStream()
        }
    }

    // MARK: Mappings

    /// The mapping is about to be made or gone on with.
    package mutating func willMakeMapping(_ name: String) {
        let was = isMapping[name] ?? .absent
        guard was == .absent || was == .making, was == .absent || mappings[name]?.stream != streamOfPuts else { return }
        isMapping[name] = .making
        // Nothing of an earlier one counts.
        var new = MappingModel(stream: streamOfPuts)
        if let old = mappings[name] {
            new.seeks = old.seeks + 1
            new.isSought = old.isSought
        }
        mappings[name] = new
    }

    /// It is there, on this stream.
    package mutating func madeMapping(_ name: String, on stream: String) {
        // It may have been deleted with its stream before anybody heard that it was there.
        guard !deleted.contains(stream) else { return }
        if mappings[name] == nil { mappings[name] = MappingModel(stream: stream) }
        if isMapping[name] != .deleting { isMapping[name] = .there }
    }

    package mutating func willDeleteMapping(_ name: String) {
        // It may be gone with its stream.
        if isMapping[name] == .there { isMapping[name] = .deleting }
        mappings[name]?.isQuiet = false
    }
    /// Whether the mapping is surely there, on the stream that is.
    package func isKnown(_ name: String) -> Bool {
        isMapping[name] == .there && isStream == .there && mappings[name]?.stream == stream
    }
    package mutating func hasDeletedMapping(_ name: String) { isMapping[name] = .absent }
    /// It was surely not deleted, unless with its stream.
    package mutating func hasNotDeletedMapping(_ name: String) {
        if isMapping[name] == .deleting { isMapping[name] = .there }
    }

    /// Nobody changes anything, and somebody looks which mappings are there.
    package mutating func sawMappings(_ there: [String]) {
        for name in Set(there).union(isMapping.keys).sorted() {
            switch (isMapping[name] ?? .absent, there.contains(name)) {
            case (.there, true), (.absent, false): break
            case (.there, false): fail("the mapping \(name) was there and is gone")
            case (.absent, true): fail("the mapping \(name), which was deleted, is there again")
            case (_, let isThere): isMapping[name] = isThere ? .there : .absent
            }
        }
        if Set(there).count < there.count { fail("a mapping is there twice: \(there)") }
    }
}
