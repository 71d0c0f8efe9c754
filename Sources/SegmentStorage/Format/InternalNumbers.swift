/// A stream's number in its store. It is never reused: a stream that is recreated under an old name has another number.
package struct StreamNumber: Hashable, Comparable, Sendable {
    package let rawValue: UInt32
    package init(_ rawValue: UInt32) { self.rawValue = rawValue }
    package static func < (left: StreamNumber, right: StreamNumber) -> Bool { left.rawValue < right.rawValue }
}

/// A shard's number in its store, over all streams. It is never reused (STORE-J4).
package struct ShardNumber: Hashable, Comparable, Sendable {
    package let rawValue: UInt32
    package init(_ rawValue: UInt32) { self.rawValue = rawValue }
    package static func < (left: ShardNumber, right: ShardNumber) -> Bool { left.rawValue < right.rawValue }
}

/// A mapping's number in its store. It is never reused.
package struct MappingNumber: Hashable, Comparable, Sendable {
    let rawValue: UInt32
    init(_ rawValue: UInt32) { self.rawValue = rawValue }
    package static func < (left: MappingNumber, right: MappingNumber) -> Bool { left.rawValue < right.rawValue }
}
