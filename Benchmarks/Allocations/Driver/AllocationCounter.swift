import Glibc

/// The counter of `malloc_counter.c`, if it was loaded in front of the C library.
struct AllocationCounter {
    private let read: @convention(c) () -> UInt

    init?() {
        guard let symbol = dlsym(nil, "shardline_allocations") else { return nil }
        read = unsafeBitCast(symbol, to: (@convention(c) () -> UInt).self)
    }

    /// Allocations of all threads since the process began.
    var now: Int { Int(read()) }

    /// Whether an allocation is seen at all.
    var counts: Bool {
        let before = now
        free(Self.memory())
        return now > before
    }

    /// Not inlined, or the compiler would see that nobody needs it.
    @inline(never)
    private static func memory() -> UnsafeMutableRawPointer? { malloc(1000) }
}
