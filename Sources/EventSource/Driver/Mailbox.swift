import Synchronization

/// Where the parts of a shard's driver leave what has happened, for the one task that decides.
final class Mailbox<Post: Sendable>: Sendable {
    private struct State {
        var posts: [Post] = []
        var reader: CheckedContinuation<[Post], Never>?
    }
    private let state = Mutex(State())

    /// Leaves a post; wakes the reader.
    func post(_ post: Post) {
        let reader = state.withLock { state -> CheckedContinuation<[Post], Never>? in
            guard let reader = state.reader else {
                state.posts.append(post)
                return nil
            }
            state.reader = nil
            return reader
        }
        reader?.resume(returning: [post])
    }

    /// All posts since the last call, at least one, in their order. Only one task reads. A cancelled task waits too:
    /// cancellation is a post.
    func take() async -> [Post] {
        await withCheckedContinuation { continuation in
            let posts = state.withLock { state -> [Post] in
                guard !state.posts.isEmpty else {
                    state.reader = continuation
                    return []
                }
                defer { state.posts = [] }
                return state.posts
            }
            if !posts.isEmpty { continuation.resume(returning: posts) }
        }
    }
}
