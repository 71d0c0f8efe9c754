import CPrefetch

/// Fetches memory into the cache that is read soon.
///
/// With a thousand shards each record of a batch, or of a segment's block, is in another place. Walking them is mostly
/// waiting for memory unless it was prefetched.
package enum Prefetch {
    /// The size of an encoded record of common length, or the beginning of a longer one.
    package static let record = 192

    /// Asks the processor to fetch `count` bytes from `address` on. Nothing is read, so an address that was freed does
    /// no harm.
    @inline(__always)
    package static func bytes(_ count: Int, at address: UInt) {
        for line in stride(from: 0, to: UInt(count), by: 64) {
            shardline_prefetch(UnsafeRawPointer(bitPattern: address &+ line))
        }
    }
}
