import Synchronization

/// The most recently used pieces of segments, decoded, within a limit in bytes (STORE-M4).
///
/// Calls may come from any thread; no call holds two locks. Two readers that miss the same piece at the same time both
/// read it, and the later insertion replaces the earlier.
package final class PieceCache: Sendable {
    /// The limit of a store by default, in bytes.
    static let defaultLimit = 8 << 20

    package enum Piece: Sendable {
        case block(Block)
        case slices([Slice])
        case directory([SegmentIndex.PartReference])

        var memory: Int {
            switch self {
            case .block(let block): block.memory
            case .slices(let slices): slices.count * MemoryLayout<Slice>.stride + 64
            case .directory(let parts): parts.count * MemoryLayout<SegmentIndex.PartReference>.stride + 64
            }
        }
    }

    package struct Key: Hashable, Sendable {
        var segment: UInt64
        var offset: UInt64
    }

    /// A piece and when it was last used. It is an object, so that a look-up copies no piece.
    private final class Entry {
        let piece: Piece
        let memory: Int
        var used: UInt64

        init(_ piece: Piece, memory: Int, used: UInt64) {
            self.piece = piece
            self.memory = memory
            self.used = used
        }
    }

    /// A part of the cache with a lock of its own.
    private final class Stripe: Sendable {
        struct State: ~Copyable {
            var pieces: [Key: Entry] = [:]
            var bytes = 0
            var clock: UInt64 = 0
        }
        let state = Mutex(State())
    }

    // Threads that read for a thousand shards look pieces up all the time. With a single lock they were measured to
    // spend two thirds of their time handing it over.
    private let stripes: [Stripe]
    package let limit: Int

    package init(limit: Int = PieceCache.defaultLimit) {
        self.limit = limit
        // Each stripe has its share of the limit, which must hold several blocks.
        stripes = (0..<max(1, min(8, limit / (16 * Block.rawLimit)))).map { _ in Stripe() }
    }

    private func stripe(_ key: Key) -> Stripe {
        // The multiplications spread the pieces of a segment evenly over the stripes.
        let mixed = (key.offset ^ key.segment &* 0x9E37_79B9) &* 0x9E37_79B9_7F4A_7C15
        return stripes[Int(mixed >> 32) % stripes.count]
    }

    subscript(key: Key) -> Piece? {
        stripe(key).state.withLock { state in
            guard let entry = state.pieces[key] else { return nil }
            state.clock += 1
            entry.used = state.clock
            return entry.piece
        }
    }

    package func insert(_ piece: Piece, for key: Key) {
        let memory = piece.memory
        let limit = limit / stripes.count
        // A piece that would evict all others is not cached.
        guard memory <= limit / 2 else { return }
        stripe(key).state.withLock { state in
            state.clock += 1
            if let known = state.pieces.updateValue(Entry(piece, memory: memory, used: state.clock), forKey: key) {
                state.bytes -= known.memory
            }
            state.bytes += memory
            guard state.bytes > limit else { return }
            // Evicts down to three quarters, so that not every insertion sorts.
            let oldest = state.pieces.map { ($0.value.used, $0.key, $0.value.memory) }.sorted { $0.0 < $1.0 }
            for (_, key, memory) in oldest {
                guard state.bytes > limit / 4 * 3 else { break }
                state.pieces[key] = nil
                state.bytes -= memory
            }
        }
    }

    /// Drops the pieces of a segment.
    package func forget(_ segment: UInt64) {
        for stripe in stripes {
            stripe.state.withLock { state in
                for (key, entry) in state.pieces where key.segment == segment {
                    state.pieces[key] = nil
                    state.bytes -= entry.memory
                }
            }
        }
    }

    /// The memory that the cached pieces take, in bytes.
    var memory: Int { stripes.reduce(0) { $0 + $1.state.withLock { $0.bytes } } }
}
