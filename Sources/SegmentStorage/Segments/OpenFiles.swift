import DiskAccess
import StreamModel

/// How a store lives with the number of files that its process may have open at once: it takes up to a quarter for the
/// journal and another one for segments that are read; the rest is for what a flush writes, for the metadata, for
/// sockets and for functions in processes of their own.
struct OpenFiles: Hashable, Sendable {
    /// With fewer no store is opened: it would fail later, in the middle of work.
    static let fewest = 64
    /// More segments never stay open.
    static let mostSegments = 256

    /// What the process may have open.
    let limit: Int

    /// The most files of the journal, when they are of the usual size.
    var journalFiles: Int { max(4, limit / 4) }
    /// The most segments that stay open for readers.
    var segments: Int { min(Self.mostSegments, max(4, limit / 4)) }

    /// Throws `notAccessible` where there are too few.
    func require() throws {
        guard limit < Self.fewest else { return }
        throw ShardlineError(
            .notAccessible,
            "this process may have \(limit) files open at once, and a store needs \(Self.fewest): raise the limit, for instance with 'ulimit -n 1024'"
        )
    }
}
