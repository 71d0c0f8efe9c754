/// Values by shard number.
///
/// Shard numbers are given out in order and never reused (STORE-J4), so a value is found by index instead of by hash;
/// at full load that happens several times for every run of records. A page is freed when its last value is removed.
package struct ShardTable<Value: Sendable>: Sendable {
    fileprivate static var pageSize: Int { 64 }

    fileprivate struct Page: Sendable {
        var values: [Value?]
        var count = 0
    }

    private var pages: [Page?] = []
    /// The number of values.
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

    /// Changes the value of `key` in place. Returns false where there is no value.
    mutating func update(_ key: ShardNumber, _ change: (inout Value) -> Void) -> Bool {
        let (page, place) = Self.place(of: key)
        guard page < pages.count else { return false }
        return Self.update(&pages[page], place, change)
    }

    // The page is passed inout: reading it first would retain it.
    private static func update(_ page: inout Page?, _ place: Int, _ change: (inout Value) -> Void) -> Bool {
        guard page != nil else { return false }
        return update(&page!.values[place], change)
    }

    private static func update(_ value: inout Value?, _ change: (inout Value) -> Void) -> Bool {
        guard value != nil else { return false }
        change(&value!)
        return true
    }

    /// Reads the value of `key` without copying it; nil where there is no value.
    func read<Result>(_ key: ShardNumber, _ body: (borrowing Value) -> Result) -> Result? {
        let (page, place) = Self.place(of: key)
        guard page < pages.count, let values = pages[page]?.values, let value = values[place] else { return nil }
        return body(value)
    }

    /// Removes and returns the value.
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

    /// The shard numbers in ascending order.
    package var keys: [ShardNumber] { map(\.key) }
    /// The values in the order of their shard numbers.
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
