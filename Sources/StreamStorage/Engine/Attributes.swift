import StreamModel

/// What an attribute belongs to.
public enum AttributeOwner: Hashable, Sendable {
    /// An account of the store: 0 to 256 bytes of UTF-8, which the store does not interpret. Its attributes stay until they
    /// are removed.
    case account(String)
    /// A stream. Its attributes are deleted with it; a later stream of the same name has none of them.
    case stream(String)
    /// A consumer of a stream: 1 to 256 bytes of UTF-8. The store does not know which consumers there are. Their
    /// attributes are deleted with the stream.
    case consumer(String, of: String)

    /// The stream's name; nil: an account.
    package var stream: String? {
        switch self {
        case .account: nil
        case .stream(let name), .consumer(_, of: let name): name
        }
    }

    /// The account or the consumer; empty for a stream.
    package var part: String {
        switch self {
        case .account(let name), .consumer(let name, of: _): name
        case .stream: ""
        }
    }

    /// Throws `invalidArgument` for names outside their limits.
    public func validate() throws {
        switch self {
        case .account(let name):
            guard name.utf8.count <= 256 else {
                throw ShardlineError(
                    .invalidArgument, "an account is named with at most 256 bytes, not \(name.utf8.count)")
            }
        case .stream: break
        case .consumer(let name, of: _):
            guard (1...256).contains(name.utf8.count) else {
                throw ShardlineError(
                    .invalidArgument, "a consumer is named with 1 to 256 bytes, not \(name.utf8.count)")
            }
        }
    }
}

/// A named value that an engine's user keeps durably beside streams, such as a tag or a policy.
public struct Attribute: Hashable, Sendable {
    /// Its name among those of its owner.
    public var name: String
    /// Its value, opaque to the store.
    public var value: [UInt8]
    /// Another number after each change, also where it was removed and set again. It says nothing of the order of changes.
    public var revision: UInt64

    /// An attribute with these facts.
    public init(name: String, value: [UInt8], revision: UInt64) {
        self.name = name
        self.value = value
        self.revision = revision
    }
}

/// Sets, removes or checks one attribute, as part of a commit (``Change/attribute(_:)``).
public struct AttributeChange: Hashable, Sendable {
    /// What the attribute has to be before the change; where it is something else, the whole commit is refused with
    /// `attributeChanged`.
    public enum Expectation: Hashable, Sendable {
        /// Anything, also absent.
        case any
        /// Not there.
        case absent
        /// There, with this ``Attribute/revision``.
        case revision(UInt64)
    }

    /// What is done.
    public enum Action: Hashable, Sendable {
        /// It gets this value: at most 64 KiB.
        case set([UInt8])
        /// It is removed; nothing happens where it is absent.
        case remove
        /// Nothing: the commit only depends on what is expected.
        case check
    }

    /// Whose attribute it is.
    public var owner: AttributeOwner
    /// The attribute's name: 1 to 512 bytes of UTF-8. Names are compared by their bytes.
    public var name: String
    /// What it has to be before. Default: anything.
    public var expected: Expectation
    /// What is done.
    public var action: Action

    /// A change of one attribute. A commit may change an attribute once.
    public init(_ owner: AttributeOwner, _ name: String, _ action: Action, expected: Expectation = .any) {
        self.owner = owner
        self.name = name
        self.expected = expected
        self.action = action
    }

    /// The most bytes of a value.
    public static let valueLimit = 64 << 10
    /// The most attributes of one owner.
    public static let countLimit = 10_000
    /// The most bytes of names and values in one commit: 4 MiB.
    public static let commitLimit = 4 << 20

    /// The bytes of name and value.
    package var byteCount: Int {
        if case .set(let value) = action { name.utf8.count + value.count } else { name.utf8.count }
    }

    /// Throws `invalidArgument` for values outside their limits.
    public func validate() throws {
        try owner.validate()
        guard (1...512).contains(name.utf8.count) else {
            throw ShardlineError(
                .invalidArgument, "an attribute is named with 1 to 512 bytes, not \(name.utf8.count)")
        }
        if case .set(let value) = action, value.count > Self.valueLimit {
            throw ShardlineError(
                .invalidArgument, "the value of an attribute has at most 65,536 bytes, not \(value.count)")
        }
    }
}

/// An attribute that a stream is created with.
public struct NewAttribute: Hashable, Sendable {
    /// Its name: 1 to 512 bytes of UTF-8.
    public var name: String
    /// Its value: at most 64 KiB.
    public var value: [UInt8]

    /// An attribute with this name and value.
    public init(_ name: String, _ value: [UInt8]) {
        self.name = name
        self.value = value
    }

    /// The changes that give a new stream these attributes. Throws `invalidArgument` for values outside their limits and
    /// names that come twice, `commitTooLarge`.
    public static func changes(_ attributes: [NewAttribute], of stream: String) throws -> [AttributeChange] {
        let changes = attributes.map { AttributeChange(.stream(stream), $0.name, .set($0.value)) }
        var checks = AttributeChecks()
        for change in changes { try checks.add(change, revision: nil, count: 0) }
        try Change.checkSize(of: changes.map { .attribute($0) })
        return changes
    }
}

/// The checks that every store makes of the attribute changes of one commit, in their order, before it makes any of them.
public struct AttributeChecks: Sendable {
    private struct Place: Hashable {
        var owner: AttributeOwner
        var name: UTF8Key
    }
    private var changed: Set<Place> = []
    private var added: [AttributeOwner: Int] = [:]

    /// No change was checked yet.
    public init() {}

    /// Throws where the change must not be made: `attributeChanged`, `invalidArgument`.
    ///
    /// - Parameters:
    ///   - revision: that of the attribute now; nil: it is absent.
    ///   - count: the number of attributes that the owner has now.
    public mutating func add(_ change: AttributeChange, revision: UInt64?, count: Int) throws {
        try change.validate()
        guard changed.insert(Place(owner: change.owner, name: UTF8Key(change.name))).inserted else {
            throw ShardlineError(.invalidArgument, "one commit changes the attribute '\(change.name)' once")
        }
        let isExpected =
            switch change.expected {
            case .any: true
            case .absent: revision == nil
            case .revision(let expected): revision == expected
            }
        guard isExpected else {
            throw ShardlineError(
                .attributeChanged,
                "the attribute '\(change.name)' was changed meanwhile: look at it and decide again")
        }
        guard case .set = change.action, revision == nil else { return }
        added[change.owner, default: 0] += 1
        guard count + added[change.owner, default: 0] <= AttributeChange.countLimit else {
            throw ShardlineError(
                .invalidArgument, "an owner has at most \(AttributeChange.countLimit) attributes; remove some")
        }
    }
}

/// Which attributes are asked for.
public struct AttributeQuery: Hashable, Sendable {
    /// Whose attributes.
    public var owner: AttributeOwner
    /// Only those whose name begins with these bytes. Default: all.
    public var prefix: String
    /// Only those after this name. Default: from the first one.
    public var after: String?
    /// At most this many: 1 to 10,000. Default: 1,000. A page may hold fewer and not be the last.
    public var limit: Int

    /// A query with these facts.
    public init(_ owner: AttributeOwner, prefix: String = "", after: String? = nil, limit: Int = 1_000) {
        self.owner = owner
        self.prefix = prefix
        self.after = after
        self.limit = limit
    }

    /// Throws `invalidArgument` for values outside their limits.
    public func validate() throws {
        try owner.validate()
        guard (1...AttributeChange.countLimit).contains(limit) else {
            throw ShardlineError(
                .invalidArgument, "a page of attributes has 1 to \(AttributeChange.countLimit), not \(limit)")
        }
    }
}

/// Attributes as they were at one moment, in the order of their names' bytes.
public struct AttributePage: Hashable, Sendable {
    /// The attributes; at least one where there is any.
    public var attributes: [Attribute]
    /// Whether more follow: ask again after the last one's name.
    public var hasMore: Bool

    /// A page with these facts.
    public init(attributes: [Attribute], hasMore: Bool) {
        self.attributes = attributes
        self.hasMore = hasMore
    }

    /// The bytes of names and values after which a page ends: it crosses a socket in one message.
    private static let byteLimit = 1 << 20

    /// The page of `query` from all attributes of its owner.
    public init(_ all: some Sequence<Attribute>, _ query: AttributeQuery) {
        let after = query.after.map { UTF8Key($0) }
        let found = all.filter { attribute in
            attribute.name.utf8.starts(with: query.prefix.utf8) && after.map { $0 < UTF8Key(attribute.name) } ?? true
        }.sorted { UTF8Key($0.name) < UTF8Key($1.name) }
        var bytes = 0
        let page = found.prefix(query.limit).prefix { attribute in
            defer { bytes += attribute.name.utf8.count + attribute.value.count }
            return bytes < Self.byteLimit
        }
        self.init(attributes: Array(page), hasMore: page.count < found.count)
    }
}

extension StoreEngine {
    /// Makes changes of attributes durably, all or none.
    ///
    /// Throws `attributeChanged`, `invalidArgument`, `commitTooLarge`, `streamNotFound`, `outcomeUnknown`, `diskFull`,
    /// `storeFailed`, `closed`.
    public func changeAttributes(_ changes: [AttributeChange]) async throws {
        switch try await commit(changes.map { .attribute($0) }) {
        case .committed: return
        case .unknown(let cause):
            throw ShardlineError(
                .outcomeUnknown, "whether the attributes were changed is not known; look before trying again",
                cause: cause)
        case .conflict, .sealed:
            throw ShardlineError(
                .storeFailed, "the store refused a change of attributes as if it had been an append to a shard")
        }
    }

    /// For engines without attributes: throws `invalidArgument` where some are given.
    @discardableResult
    public func createStream(
        _ name: String, settings: StreamSettings, attributes: [NewAttribute]
    ) async throws -> StreamDescription {
        guard attributes.isEmpty else { throw ShardlineError(.invalidArgument, "this store has no attributes") }
        return try await createStream(name, settings: settings)
    }

    /// For engines without attributes: throws `invalidArgument`.
    public func attributes(_ query: AttributeQuery) async throws -> AttributePage {
        throw ShardlineError(.invalidArgument, "this store has no attributes")
    }
}
