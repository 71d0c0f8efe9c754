import Synchronization
import Testing

@testable import DiskAccess

/// A semaphore on a ``WaitList``, with many tasks that are answered and cancelled on many threads at once. What is counted
/// does not depend on who is faster.
@Suite struct WaiterStressTests {
    private final class Semaphore: Sendable {
        struct State {
            var free: Int
            var waiters = WaitList<Void, Bool>()
            var granted = 0
        }

        let state: Mutex<State>

        init(_ permits: Int) { state = Mutex(State(free: permits)) }

        func acquire() async -> Bool {
            await withListedWaiter(cancelled: false) { waiter in
                state.withLock { state in
                    guard state.free > 0 else { return state.waiters.add(waiter) }
                    state.free -= 1
                    state.granted += 1
                    return .answered(true)
                }
            } remove: { id in
                state.withLock { $0.waiters.remove(id) }
            }
        }

        func release() {
            state.withLock { state in
                if state.waiters.isEmpty { state.free += 1 } else { state.granted += 1 }
                return state.waiters.answerFirst(with: true)
            }.resume()
        }
    }

    private final class Counts: Sendable {
        let inside = Atomic(0)
        let most = Atomic(0)
        let granted = Atomic(0)
        let refused = Atomic(0)
    }

    @Test func `no permit is lost and none is granted twice while tasks are cancelled`() async {
        let (tasks, permits) = (4000, 3)
        let semaphore = Semaphore(permits)
        let counts = Counts()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<tasks {
                let task = Task {
                    guard await semaphore.acquire() else {
                        counts.refused.add(1, ordering: .relaxed)
                        return
                    }
                    counts.granted.add(1, ordering: .relaxed)
                    let now = counts.inside.add(1, ordering: .acquiringAndReleasing).newValue
                    counts.most.max(now, ordering: .relaxed)
                    counts.inside.subtract(1, ordering: .acquiringAndReleasing)
                    semaphore.release()
                }
                // Every other task is cancelled by a further one, at any moment of its life.
                if number.isMultiple(of: 2) { group.addTask { task.cancel() } }
                group.addTask { await task.value }
            }
        }
        let state = semaphore.state.withLock { $0 }
        #expect(counts.granted.load(ordering: .relaxed) + counts.refused.load(ordering: .relaxed) == tasks)
        #expect(counts.granted.load(ordering: .relaxed) == state.granted)
        #expect(counts.granted.load(ordering: .relaxed) >= tasks / 2)
        #expect(counts.most.load(ordering: .relaxed) <= permits)
        #expect(state.free == permits)
        #expect(state.waiters.isEmpty)
    }

    private final class Numbers: Sendable {
        let list = Mutex(WaitList<Int, Int>())
        let isDone = Atomic(false)
    }

    @Test func `a thread's answers and cancellations at the same moment reach each task once`() async {
        let rounds = 2000
        let numbers = Numbers()
        let thread = WorkerThread(name: "answers") {
            while !numbers.isDone.load(ordering: .acquiring) {
                numbers.list.withLock { list in list.first.map { list.answerFirst(with: $0) } ?? Resumptions() }
                    .resume()
            }
        }
        let ends = await withTaskGroup(of: Bool.self, returning: [Bool].self) { group in
            for number in 0..<rounds {
                let task = Task { () -> Bool in
                    let answer = await withListedWaiter(cancelled: -1) { waiter in
                        numbers.list.withLock { $0.add(waiter, for: number) }
                    } remove: { id in
                        numbers.list.withLock { $0.remove(id) }
                    }
                    return answer == number || answer == -1
                }
                group.addTask {
                    task.cancel()
                    return await task.value
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        numbers.isDone.store(true, ordering: .releasing)
        await thread.finished()
        #expect(ends.count == rounds)
        #expect(ends.allSatisfy { $0 })
        #expect(numbers.list.withLock { $0.isEmpty })
    }
}
