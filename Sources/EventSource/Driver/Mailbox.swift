import Synchronization

/// A queue from any number of tasks and threads to one reading task. The reader is resumed outside the lock.
final class Mailbox<Post: Sendable>: Sendable {
    private struct State {
        var posts: [Post] = []
        var reader: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    /// Adds a post and wakes the reader.
    func post(_ post: Post) { self.post(post) { true } }

    /// Adds a post, and wakes the reader only if `wakes` returns true. Otherwise the post is read together with the
    /// next one.
    ///
    /// `wakes` is called under the mailbox's lock. A reader that changes its answer to true before it calls
    /// ``take(into:)`` therefore either finds the post or is woken by it. `wakes` must not take a lock.
    func post(_ post: Post, wakes: () -> Bool) {
        let reader = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.posts.append(post)
            guard state.reader != nil, wakes() else { return nil }
            return state.reader.take()
        }
        reader?.resume()
    }

    /// Wakes the reader if there is a post.
    func nudge() {
        let reader = state.withLock { state in state.posts.isEmpty ? nil : state.reader.take() }
        reader?.resume()
    }

    /// Replaces the contents of `posts` with all posts since the last call, in order and at least one; the old array's
    /// memory is reused. Only one task may read. Cancelling the task doesn't end the wait: a cancellation is a post.
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

    /// The same, in a new array.
    func take() async -> [Post] {
        var posts: [Post] = []
        await take(into: &posts)
        return posts
    }
}
