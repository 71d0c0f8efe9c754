import Synchronization

/// Decoded pieces of segments, the ones used last, within a bound of bytes (M4).
///
/// Two readers that miss the same piece at once both read it; the second one's takes the place of the first's.
final class PieceCache: Sendable {
    /// What a store keeps unless it is told otherwise.
    static let defaultLimit = 8 << 20

    enum Piece: Sendable {
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

    struct Key: Hashable, Sendable {
        var segment: UInt64
        var offset: UInt64
    }

    private struct State {
        var pieces: [Key: (piece: Piece, used: UInt64)] = [:]
        var bytes = 0
        var clock: UInt64 = 0
    }
    private let state = Mutex(State())
    let limit: Int

    init(limit: Int = PieceCache.defaultLimit) { self.limit = limit }

    subscript(key: Key) -> Piece? {
        state.withLock { state in
            state.clock += 1
            state.pieces[key]?.used = state.clock
            return state.pieces[key]?.piece
        }
    }

    func insert(_ piece: Piece, for key: Key) {
        let memory = piece.memory
        // One that would drive out all others is read anew each time.
        guard memory <= limit / 2 else { return }
        state.withLock { state in
            state.clock += 1
            if let known = state.pieces.updateValue((piece, state.clock), forKey: key) {
                state.bytes -= known.piece.memory
            }
            state.bytes += memory
            guard state.bytes > limit else { return }
            // Down to three quarters, so that this is not done for every piece.
            for (key, entry) in state.pieces.sorted(by: { $0.value.used < $1.value.used }) {
                guard state.bytes > limit / 4 * 3 else { break }
                state.pieces[key] = nil
                state.bytes -= entry.piece.memory
            }
        }
    }

    /// Drops what is kept of a segment.
    func forget(_ segment: UInt64) {
        state.withLock { state in
            for (key, entry) in state.pieces where key.segment == segment {
                state.pieces[key] = nil
                state.bytes -= entry.piece.memory
            }
        }
    }

    /// Bytes that the kept pieces take.
    var memory: Int { state.withLock { $0.bytes } }
}
