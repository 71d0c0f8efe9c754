import CPrefetch

/// Memory that is read soon, fetched while something else is done.
///
/// With a thousand shards the records of a batch, or of a block of a segment, lie in as many places as they are: most of
/// what it takes to walk them is waiting for memory, unless somebody has asked for it in time.
package enum Prefetch {
    /// An encoded record of common length, or what begins one that is longer.
    package static let record = 192

    /// Has the processor fetch `count` bytes from `address` on. Nothing is read, so an address of what is gone does no
    /// harm.
    @inline(__always)
    package static func bytes(_ count: Int, at address: UInt) {
        for line in stride(from: 0, to: UInt(count), by: 64) {
            shardline_prefetch(UnsafeRawPointer(bitPattern: address &+ line))
        }
    }
}
