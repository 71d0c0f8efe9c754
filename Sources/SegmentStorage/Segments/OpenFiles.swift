import DiskAccess
import StreamModel

/// How a store divides the number of files that its process may have open. The journal takes up to a quarter, segments
/// that are open for reading another quarter. The rest is for the files that a flush writes, the metadata, sockets and
/// child processes of functions.
struct OpenFiles: Hashable, Sendable {
    /// The lowest limit with which a store is opened. With a lower one it would fail later.
    static let fewest = 64
    /// The most segments that stay open, whatever the limit.
    static let mostSegments = 256

    /// The number of files that the process may have open.
    let limit: Int

    /// The most journal files, if they have the usual size.
    var journalFiles: Int { max(4, limit / 4) }
    /// The most segments that stay open for readers.
    var segments: Int { min(Self.mostSegments, max(4, limit / 4)) }

    /// Throws `notAccessible` where the limit is too low.
    func require() throws {
        guard limit < Self.fewest else { return }
        throw ShardlineError(
            .notAccessible,
            "this process may have \(limit) files open at once, and a store needs \(Self.fewest): raise the limit, for instance with 'ulimit -n 1024'"
        )
    }
}
