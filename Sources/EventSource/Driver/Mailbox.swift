import Synchronization

/// Where the parts of a mapping leave what has happened, for the one task that decides about it.
final class Mailbox<Post: Sendable>: Sendable {
    private struct State {
        var posts: [Post] = []
        var reader: CheckedContinuation<[Post], Never>?
    }
    private let state = Mutex(State())

    /// Leaves a post; wakes the reader.
    func post(_ post: Post) { self.post(post) { true } }

    /// Leaves a post and wakes the reader only where `wakes` says so: what nobody waits for is read with the next.
    ///
    /// `wakes` is asked under the mailbox's lock. So a reader that begins to care before it looks into the mailbox
    /// either finds the post or is woken by it.
    func post(_ post: Post, wakes: () -> Bool) {
        let woken = state.withLock { state -> (reader: CheckedContinuation<[Post], Never>, posts: [Post])? in
            state.posts.append(post)
            guard let reader = state.reader, wakes() else { return nil }
            state.reader = nil
            defer { state.posts = [] }
            return (reader, state.posts)
        }
        woken?.reader.resume(returning: woken!.posts)
    }

    /// Wakes the reader if any post is there.
    func nudge() {
        let woken = state.withLock { state -> (reader: CheckedContinuation<[Post], Never>, posts: [Post])? in
            guard let reader = state.reader, !state.posts.isEmpty else { return nil }
            state.reader = nil
            defer { state.posts = [] }
            return (reader, state.posts)
        }
        woken?.reader.resume(returning: woken!.posts)
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
