import Synchronization

/// Where the parts of a mapping leave what has happened, for the one task that decides about it.
final class Mailbox<Post: Sendable>: Sendable {
    private struct State {
        var posts: [Post] = []
        var reader: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    /// Leaves a post; wakes the reader.
    func post(_ post: Post) { self.post(post) { true } }

    /// Leaves a post and wakes the reader only where `wakes` says so: what nobody waits for is read with the next.
    ///
    /// `wakes` is asked under the mailbox's lock. So a reader that begins to care before it looks into the mailbox
    /// either finds the post or is woken by it.
    func post(_ post: Post, wakes: () -> Bool) {
        let reader = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.posts.append(post)
            guard state.reader != nil, wakes() else { return nil }
            return state.reader.take()
        }
        reader?.resume()
    }

    /// Wakes the reader if any post is there.
    func nudge() {
        let reader = state.withLock { state in state.posts.isEmpty ? nil : state.reader.take() }
        reader?.resume()
    }

    /// All posts since the last call, at least one, in their order, in place of what `posts` has: its memory takes the
    /// next ones. Only one task reads. A cancelled task waits too: cancellation is a post.
    func take(into posts: inout [Post]) async {
        posts.removeAll(keepingCapacity: true)
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.posts.isEmpty { state.reader = continuation }
                return !state.posts.isEmpty
            }
            if isThere { continuation.resume() }
        }
        state.withLock { swap(&$0.posts, &posts) }
    }

    /// The same in an array of its own.
    func take() async -> [Post] {
        var posts: [Post] = []
        await take(into: &posts)
        return posts
    }
}
