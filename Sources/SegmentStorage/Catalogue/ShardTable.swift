/// Values by shard key.
///
/// Keys are given out one after the other and never again (STORE-J4), so a value is found by counting instead of
/// hashing, which at full load is done several times for every run of records. What is removed leaves its page when the
/// page is empty.
package struct ShardTable<Value: Sendable>: Sendable {
    fileprivate static var pageSize: Int { 64 }

    fileprivate struct Page: Sendable {
        var values: [Value?]
        var count = 0
    }

    private var pages: [Page?] = []
    /// How many values there are.
    package private(set) var count = 0

    init() {}

    var isEmpty: Bool { count == 0 }

    package subscript(key: ShardNumber) -> Value? {
        get {
            let (page, place) = Self.place(of: key)
            guard page < pages.count else { return nil }
            return pages[page]?.values[place]
        }
        _modify {
            let (page, place) = Self.place(of: key)
            if page >= pages.count || pages[page] == nil { addPage(page) }
            let wasThere = pages[page]!.values[place] != nil
            defer {
                let isThere = pages[page]!.values[place] != nil
                if isThere != wasThere {
                    count += isThere ? 1 : -1
                    pages[page]!.count += isThere ? 1 : -1
                }
                if pages[page]!.count == 0 { pages[page] = nil }
            }
            yield &pages[page]!.values[place]
        }
    }

    /// Changes the value of `key` in place; false where there is none.
    mutating func update(_ key: ShardNumber, _ change: (inout Value) -> Void) -> Bool {
        let (page, place) = Self.place(of: key)
        guard page < pages.count else { return false }
        return Self.update(&pages[page], place, change)
    }

    // Passed on in place: to ask first whether it is there would count a reference to the page.
    private static func update(_ page: inout Page?, _ place: Int, _ change: (inout Value) -> Void) -> Bool {
        guard page != nil else { return false }
        return update(&page!.values[place], change)
    }

    private static func update(_ value: inout Value?, _ change: (inout Value) -> Void) -> Bool {
        guard value != nil else { return false }
        change(&value!)
        return true
    }

    /// Looks at the value of `key` where it lies; nil where there is none.
    func read<Result>(_ key: ShardNumber, _ body: (borrowing Value) -> Result) -> Result? {
        let (page, place) = Self.place(of: key)
        guard page < pages.count, let values = pages[page]?.values, let value = values[place] else { return nil }
        return body(value)
    }

    /// Takes the value out; answers what was there.
    @discardableResult
    package mutating func removeValue(forKey key: ShardNumber) -> Value? {
        guard let value = self[key] else { return nil }
        self[key] = nil
        return value
    }

    private static func place(of key: ShardNumber) -> (page: Int, place: Int) {
        let number = Int(key.rawValue)
        return (number / pageSize, number % pageSize)
    }

    private mutating func addPage(_ page: Int) {
        while pages.count <= page { pages.append(nil) }
        pages[page] = Page(values: Array(repeating: nil, count: Self.pageSize))
    }

    /// The keys, rising.
    package var keys: [ShardNumber] { map(\.key) }
    /// The values in the order of their keys.
    package var values: [Value] { map(\.value) }
}

extension ShardTable: Sequence {
    package struct Iterator: IteratorProtocol {
        fileprivate let pages: [Page?]
        private var place = 0

        fileprivate init(_ pages: [Page?]) { self.pages = pages }

        package mutating func next() -> (key: ShardNumber, value: Value)? {
            while place / ShardTable.pageSize < pages.count {
                guard let page = pages[place / ShardTable.pageSize] else {
                    place += ShardTable.pageSize
                    continue
                }
                let found = place
                place += 1
                if let value = page.values[found % ShardTable.pageSize] { return (ShardNumber(UInt32(found)), value) }
            }
            return nil
        }
    }

    package func makeIterator() -> Iterator { Iterator(pages) }
}

extension ShardTable: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (ShardNumber, Value)...) {
        self.init()
        for (key, value) in elements { self[key] = value }
    }
}

extension ShardTable: Equatable where Value: Equatable {
    package static func == (left: ShardTable, right: ShardTable) -> Bool {
        left.count == right.count && left.allSatisfy { right[$0.key] == $0.value }
    }
}

extension ShardTable: Hashable where Value: Hashable {
    package func hash(into hasher: inout Hasher) {
        for (key, value) in self {
            hasher.combine(key)
            hasher.combine(value)
        }
    }
}
