/// Memory whose address stays the same as long as the object lives, for I/O without a copy.
///
/// The bytes of a Swift array have no lasting address. The creator fills the memory before it shares the object; after
/// that it is only read.
package final class OwnedBytes: @unchecked Sendable {
    package let count: Int
    package let mutableBase: UnsafeMutableRawPointer

    /// Uninitialized memory of `count` bytes. An `alignment` of 4,096 suits O_DIRECT.
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
    /// The bytes as a buffer to fill; valid as long as the object lives.
    package var room: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: mutableBase, count: count) }

    deinit { mutableBase.deallocate() }
}
