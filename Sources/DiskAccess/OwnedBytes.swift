/// Memory whose address stays the same as long as the object lives: what is handed to the disk without a copy.
///
/// The bytes of a Swift array have no lasting address. Written by its maker before it is shared, only read after.
package final class OwnedBytes: @unchecked Sendable {
    package let count: Int
    package let mutableBase: UnsafeMutableRawPointer

    /// Memory of this size, not filled; `alignment` 4,096 suits O_DIRECT.
    package init(uninitialized count: Int, alignment: Int = 16) {
        self.count = count
        mutableBase = .allocate(byteCount: max(count, 1), alignment: alignment)
    }

    /// A copy of `bytes`.
    package convenience init(_ bytes: UnsafeRawBufferPointer) {
        self.init(uninitialized: bytes.count)
        if let base = bytes.baseAddress { mutableBase.copyMemory(from: base, byteCount: bytes.count) }
    }

    /// The bytes; valid as long as the object lives.
    package var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: mutableBase, count: count) }
    /// The bytes for being filled; valid as long as the object lives.
    package var room: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: mutableBase, count: count) }

    deinit { mutableBase.deallocate() }
}
