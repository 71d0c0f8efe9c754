import DiskAccess
import Synchronization

/// A queue from any number of tasks and threads to one reading task. The reader is resumed outside the lock.
final class Mailbox<Post: Sendable>: Sendable {
    private struct State {
        var posts: [Post] = []
        var reader = WaitList<Void, Void>()
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
        state.withLock { state in
            state.posts.append(post)
            guard !state.reader.isEmpty, wakes() else { return Resumptions<Void>() }
            return state.reader.answerFirst(with: ())
        }.resume()
    }

    /// Wakes the reader if there is a post.
    func nudge() {
        state.withLock { $0.posts.isEmpty ? Resumptions() : $0.reader.answerFirst(with: ()) }.resume()
    }

    /// Replaces the contents of `posts` with all posts since the last call, in order and at least one; the old array's
    /// memory is reused. Only one task may read. Cancelling the task doesn't end the wait: a cancellation is a post.
    func take(into posts: inout [Post]) async {
        posts.removeAll(keepingCapacity: true)
        await withListedWaiter { waiter in
            state.withLock { $0.posts.isEmpty ? $0.reader.add(waiter) : .answered(()) }
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
