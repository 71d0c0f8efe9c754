import DiskAccess
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Attributes of accounts, streams and consumers.
@Suite(.timeLimit(.minutes(1)))
struct AttributeContractTests {
    private static let owners: [AttributeOwner] = [
        .account(""), .account("1"), .stream("s"), .stream("t"), .consumer("s", of: "s"), .consumer("1", of: "s"),
    ]

    private func test(_ kind: StoreKind, _ body: @Sendable (any StoreEngine) async throws -> Void) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.createStream("t", shards: 1)
            try await body(store)
        }
    }

    private func values(_ store: any StoreEngine, _ owner: AttributeOwner) async throws -> [String: [UInt8]] {
        let page = try await store.attributes(AttributeQuery(owner))
        #expect(!page.hasMore)
        return Dictionary(uniqueKeysWithValues: page.attributes.map { ($0.name, $0.value) })
    }

    private func attribute(
        _ store: any StoreEngine, _ name: String, of owner: AttributeOwner
    ) async throws -> Attribute? {
        try await store.attributes(AttributeQuery(owner)).attributes.first { UTF8Key($0.name) == UTF8Key(name) }
    }

    @Test(arguments: StoreKind.all) func `each owner has attributes of its own (STORE-B1)`(kind: StoreKind) async throws
    {
        try await test(kind) { store in
            for owner in Self.owners { #expect(try await values(store, owner).isEmpty) }
            try await store.changeAttributes(
                Self.owners.enumerated().map { AttributeChange($1, "a", .set([UInt8($0)])) })
            for (index, owner) in Self.owners.enumerated() {
                #expect(try await values(store, owner) == ["a": [UInt8(index)]])
            }
            try await store.changeAttributes([AttributeChange(Self.owners[2], "a", .remove)])
            for (index, owner) in Self.owners.enumerated() {
                #expect(try await values(store, owner) == (index == 2 ? [:] : ["a": [UInt8(index)]]))
            }
        }
    }

    @Test(arguments: StoreKind.all) func `two writers of one attribute don't lose each other's change (STORE-B2)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store in
            let owner = AttributeOwner.stream("s")
            func set(_ value: UInt8, _ expected: AttributeChange.Expectation) -> AttributeChange {
                AttributeChange(owner, "tag", .set([value]), expected: expected)
            }
            await expect(.attributeChanged) { try await store.changeAttributes([set(1, .revision(7))]) }
            try await store.changeAttributes([set(1, .absent)])
            await expect(.attributeChanged) { try await store.changeAttributes([set(2, .absent)]) }
            let first = try #require(try await attribute(store, "tag", of: owner))
            try await store.changeAttributes([set(2, .revision(first.revision))])
            let second = try #require(try await attribute(store, "tag", of: owner))
            #expect(first.value == [1] && second.value == [2] && first.revision != second.revision)
            await expect(.attributeChanged) { try await store.changeAttributes([set(3, .revision(first.revision))]) }
            // The same value, removed and set again, is another revision.
            try await store.changeAttributes([
                AttributeChange(owner, "tag", .remove, expected: .revision(second.revision))
            ])
            await expect(.attributeChanged) {
                try await store.changeAttributes([
                    AttributeChange(owner, "tag", .check, expected: .revision(second.revision))
                ])
            }
            try await store.changeAttributes([AttributeChange(owner, "tag", .check, expected: .absent)])
            try await store.changeAttributes([set(2, .any)])
            let third = try #require(try await attribute(store, "tag", of: owner))
            #expect(third.value == [2] && ![first.revision, second.revision].contains(third.revision))
            try await store.changeAttributes([
                AttributeChange(owner, "tag", .remove), AttributeChange(owner, "no", .remove),
            ])
            #expect(try await values(store, owner).isEmpty)
        }
    }

    @Test(arguments: StoreKind.all) func `a commit changes all of its attributes or none (STORE-B2)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store in
            let owner = AttributeOwner.stream("s")
            try await store.changeAttributes([AttributeChange(owner, "a", .set([1]))])
            let others: [Change] = [
                .attribute(AttributeChange(owner, "b", .set([2]))), .attribute(AttributeChange(owner, "a", .set([2]))),
                .append(Append([NewRecord("x", partitionKey: "k")], to: "s")),
            ]
            for (refused, code) in [
                (AttributeChange(owner, "c", .check, expected: .revision(5)), ShardlineError.Code.attributeChanged),
                (AttributeChange(.stream("none"), "c", .set([])), .streamNotFound),
                (AttributeChange(owner, "b", .remove), .invalidArgument),
            ] {
                await expect(code) { _ = try await store.commit(others + [.attribute(refused)]) }
            }
            #expect(try await values(store, owner) == ["a": [1]])
            #expect(try await store.describeStream("s").shards[0].recordCount == 0)
            try await store.committed(others[0], others[1], others[2])
            #expect(try await values(store, owner) == ["a": [2], "b": [2]])
            #expect(try await store.describeStream("s").shards[0].recordCount == 1)
        }
    }

    @Test(arguments: StoreKind.all) func `they are listed by prefix, in pages (STORE-B3)`(kind: StoreKind) async throws
    {
        try await test(kind) { store in
            let owner = AttributeOwner.stream("s")
            let names = ["consumer/é", "consumer/e\u{301}", "tag/", "tag/a", "tag/b\0", "tag/b", "tagb", "\u{1F4A5}"]
            try await store.changeAttributes(names.map { AttributeChange(owner, $0, .set(Array($0.utf8))) })
            func page(_ prefix: String, after: String? = nil, _ limit: Int = 1_000) async throws -> ([String], Bool) {
                let page = try await store.attributes(
                    AttributeQuery(owner, prefix: prefix, after: after, limit: limit))
                #expect(page.attributes.allSatisfy { $0.value == Array($0.name.utf8) })
                return (page.attributes.map(\.name), page.hasMore)
            }
            let all = names.sorted { UTF8Key($0) < UTF8Key($1) }
            #expect(try await page("") == (all, false))
            #expect(try await page("tag/") == (["tag/", "tag/a", "tag/b", "tag/b\0"], false))
            #expect(try await page("tag/", 3) == (["tag/", "tag/a", "tag/b"], true))
            #expect(try await page("tag/", after: "tag/b", 3) == (["tag/b\0"], false))
            #expect(try await page("tag/", after: "tag/aa", 1) == (["tag/b"], true))
            #expect(try await page("x") == ([], false))
            await expect(.invalidArgument) { _ = try await page("", 0) }
            await expect(.invalidArgument) { _ = try await page("", 10_001) }
            await expect(.streamNotFound) { _ = try await store.attributes(AttributeQuery(.stream("none"))) }
            // Pages of large values end early.
            let values = [UInt8](repeating: 7, count: AttributeChange.valueLimit)
            try await store.changeAttributes(
                (0..<40).map { AttributeChange(.account("a"), "\(100 + $0)", .set(values)) })
            var found: [String] = []
            var pages = 0
            while true {
                let page = try await store.attributes(AttributeQuery(.account("a"), after: found.last))
                found += page.attributes.map(\.name)
                pages += 1
                guard page.hasMore else { break }
            }
            #expect(found == (100..<140).map { "\($0)" } && pages == 3)
        }
    }

    @Test(arguments: StoreKind.all) func `they go with their stream, also where another gets its name (STORE-B1)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store in
            try await store.changeAttributes(Self.owners.map { AttributeChange($0, "a", .set([1])) })
            try await store.deleteStream("s")
            await expect(.streamNotFound) {
                try await store.changeAttributes([AttributeChange(.stream("s"), "a", .remove)])
            }
            try await store.createStream("s", shards: 1)
            for owner in Self.owners {
                let isKept = owner.isAccountOrT
                #expect(try await values(store, owner) == (isKept ? ["a": [1]] : [:]), "\(owner)")
            }
        }
    }

    @Test(arguments: StoreKind.all) func `values outside their limits are refused`(kind: StoreKind) async throws {
        try await test(kind) { store in
            let owner = AttributeOwner.account("")
            func long(_ count: Int) -> String { String(repeating: "n", count: count) }
            let largest = [UInt8](repeating: 1, count: AttributeChange.valueLimit)
            for (owner, name, value) in [
                (owner, "", []), (owner, long(513), []), (owner, "a", largest + [1]), (.account(long(257)), "a", []),
                (.consumer("", of: "s"), "a", []), (.consumer(long(257), of: "s"), "a", []),
            ] as [(AttributeOwner, String, [UInt8])] {
                await expect(.invalidArgument) {
                    try await store.changeAttributes([AttributeChange(owner, name, .set(value))])
                }
            }
            await expect(.commitTooLarge) {
                try await store.changeAttributes((0..<64).map { AttributeChange(owner, "\($0)", .set(largest)) })
            }
            try await store.changeAttributes([
                AttributeChange(.account(long(256)), long(512), .set(largest)),
                AttributeChange(.consumer(long(256), of: "s"), "a", .set([])),
            ])
            for start in stride(from: 0, to: AttributeChange.countLimit, by: 5_000) {
                try await store.changeAttributes(
                    (start..<start + 5_000).map { AttributeChange(owner, "\($0)", .set([])) })
            }
            await expect(.invalidArgument) {
                try await store.changeAttributes([AttributeChange(owner, "one more", .set([]))])
            }
            try await store.changeAttributes([AttributeChange(owner, "17", .set([1]), expected: .any)])
            #expect(try await store.attributes(AttributeQuery(owner, limit: 10_000)).attributes.count == 10_000)
        }
    }
}

extension AttributeOwner {
    fileprivate var isAccountOrT: Bool {
        switch self {
        case .account: true
        case .stream(let name), .consumer(_, of: let name): name == "t"
        }
    }
}
