import Synchronization
import TestSupport
import Testing

@testable import DiskAccess

/// A list of waiters in the state of an owner, as the product's types have them.
private final class Desk: Sendable {
    struct State {
        var waiters = WaitList<Int, String>()
        var watchers = WaitList<Int, Void>()
    }

    let state = Mutex(State())

    /// Waits for an answer. `before` and `after` run on the waiting task, right before and after it gets its place.
    func wait(
        _ number: Int = 0, before: () -> Void = {}, after: () -> Void = {}
    ) async -> String {
        await withListedWaiter(cancelled: "cancelled") { waiter in
            before()
            let (registration, watchers) = state.withLock { state in
                let registration = state.waiters.add(waiter, for: number)
                let count = state.waiters.count
                return (registration, state.watchers.answerAll(where: { $0 <= count }, with: ()))
            }
            watchers.resume()
            after()
            return registration
        } remove: { id in
            state.withLock { $0.waiters.remove(id) }
        }
    }

    /// Returns when the given number of tasks wait.
    func waiting(_ count: Int) async {
        await withListedWaiter { waiter in
            state.withLock { $0.waiters.count >= count ? .answered(()) : $0.watchers.add(waiter, for: count) }
        }
    }

    func answerFirst(with answer: String) { state.withLock { $0.waiters.answerFirst(with: answer) }.resume() }

    var requests: [Int] { state.withLock { $0.waiters.requests } }
}

private final class Log: Sendable {
    let lines = Mutex<[String]>([])
}

extension WaitList {
    /// What the waiters ask for, in their order.
    fileprivate var requests: [Request] { [head].compactMap { $0?.request } + others.map(\.request) }
}

private func cancelThisTask() { withUnsafeCurrentTask { $0!.cancel() } }

@Suite struct WaiterTests {
    @Test func `waiters are answered in the order in which they came`() async {
        let desk = Desk()
        let order = Log()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<5 {
                group.addTask {
                    let answer = await desk.wait(number)
                    order.lines.withLock { $0.append("\(number) \(answer)") }
                }
                await desk.waiting(number + 1)
            }
            #expect(desk.requests == [0, 1, 2, 3, 4])
            for number in 0..<5 {
                desk.answerFirst(with: "answer \(number)")
                await group.next()
            }
        }
        #expect(order.lines.withLock { $0 } == (0..<5).map { "\($0) answer \($0)" })
        #expect(desk.requests == [])
    }

    @Test func `a task that is cancelled before it waits gets no place`() async {
        let desk = Desk()
        let answer = await Task {
            cancelThisTask()
            return await desk.wait()
        }.value
        #expect(answer == "cancelled")
        #expect(desk.requests == [])
    }

    @Test func `a cancellation between the handler and the place is not missed`() async {
        let desk = Desk()
        let answer = await Task { await desk.wait(before: cancelThisTask) }.value
        #expect(answer == "cancelled")
        #expect(desk.requests == [])
    }

    @Test func `a task that is cancelled as soon as it has its place leaves it`() async {
        let desk = Desk()
        let answer = await Task { await desk.wait(after: cancelThisTask) }.value
        #expect(answer == "cancelled")
        #expect(desk.requests == [])
    }

    @Test func `a task that is cancelled while it waits leaves its place, and the others keep theirs`() async {
        let desk = Desk()
        let tasks = await withTaskGroup(of: String.self, returning: [String].self) { group in
            group.addTask { await desk.wait(1) }
            await desk.waiting(1)
            let second = Task { await desk.wait(2) }
            await desk.waiting(2)
            group.addTask { await desk.wait(3) }
            await desk.waiting(3)
            second.cancel()
            #expect(await second.value == "cancelled")
            #expect(desk.requests == [1, 3])
            desk.answerFirst(with: "one")
            desk.answerFirst(with: "three")
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(tasks.sorted() == ["one", "three"])
        #expect(desk.requests == [])
    }

    @Test func `an answer that comes before a cancellation counts, and the other way round`() async {
        let desk = Desk()
        let answered = await Task {
            await desk.wait(after: {
                desk.answerFirst(with: "answer")
                cancelThisTask()
            })
        }.value
        #expect(answered == "answer")
        let cancelled = await Task {
            await desk.wait(after: {
                cancelThisTask()
                desk.answerFirst(with: "answer")
            })
        }.value
        #expect(cancelled == "cancelled")
        #expect(desk.requests == [])
    }

    @Test func `a cancelled task keeps its place where cancellation has no effect`() async {
        let list = Mutex(WaitList<Void, String>())
        let answer = await Task {
            cancelThisTask()
            return await withListedWaiter { waiter in
                let registration = list.withLock { $0.add(waiter) }
                list.withLock { $0.answerFirst(with: "answer") }.resume()
                return registration
            }
        }.value
        #expect(answer == "answer")
    }

    @Test func `an answer at once needs no place`() async {
        let seen: Int = await withListedWaiter { _ in .answered(7) }
        let alsoSeen: Int = await withListedWaiter(cancelled: 0) { _ in
            .answered(8)
        } remove: { _ in
            nil
        }
        #expect((seen, alsoSeen) == (7, 8))
    }

    @Test func `waiters are resumed in order, and only when the resumptions run`() {
        let seen = Mutex<[String]>([])
        let lock = Mutex(WaitList<Int, String>())
        for number in 1...6 {
            let waiter = Waiter<String> { answer in
                // Stops the process where the lock is still held.
                lock.withLock { list in seen.withLock { $0.append("\(number) \(answer) \(list.count)") } }
            }
            guard case .waiting = lock.withLock({ $0.add(waiter, for: number) }) else { return }
        }
        var first = lock.withLock { $0.answerFirst(with: "a") }
        let even = lock.withLock { $0.answerAll(where: { $0.isMultiple(of: 2) }, with: "b") }
        let none = lock.withLock { $0.answerAll(where: { $0 > 6 }, with: "c") }
        let rest = lock.withLock { $0.answerAll(with: "d") }
        #expect(none.isEmpty)
        #expect(seen.withLock { $0 } == [])
        first.append(contentsOf: even)
        first.append(contentsOf: none)
        first.append(contentsOf: rest)
        first.resume()
        #expect(seen.withLock { $0 } == ["1 a 0", "2 b 0", "4 b 0", "6 b 0", "3 d 0", "5 d 0"])
        #expect(lock.withLock { $0.answerFirst(with: "e") }.isEmpty)
    }

    @Test func `a waiter with an earlier request goes before later ones, and after equal ones`() {
        var list = WaitList<Int, Void>()
        let waiters = (0..<6).map { _ in Waiter<Void> {} }
        for (waiter, request) in zip(waiters, [5, 3, 9, 5, 1, 9]) {
            guard case .waiting = list.add(waiter, for: request, before: { $0 > request }) else { return }
        }
        #expect(list.requests == [1, 3, 5, 5, 9, 9])
        #expect(list.first == 1)
        #expect(list.remove(waiters[0].id)?.id == waiters[0].id)
        #expect(list.remove(waiters[0].id) == nil)
        #expect(list.requests == [1, 3, 5, 9, 9])
        #expect(list.remove(waiters[3].id) != nil)
        #expect(list.requests == [1, 3, 9, 9])
    }

    @Test func `a waiter that was answered can't be removed again, and is not kept`() {
        final class Token: Sendable {}
        weak var kept: Token?
        var list = WaitList<Void, Void>()
        do {
            let token = Token()
            kept = token
            let waiter = Waiter<Void> { withExtendedLifetime(token) {} }
            _ = list.add(waiter)
            let resumptions = list.answerAll(with: ())
            #expect(list.remove(waiter.id) == nil)
            #expect(kept != nil)
            resumptions.resume()
        }
        #expect(kept == nil)
        #expect(list.isEmpty)
    }
}

@Suite struct WaiterCallbackTests {
    @Test func `a call with a callback returns its answer, from any thread`() async throws {
        let here: Int = await withWaiter { $0.resume(returning: 1) }
        let there: Int = await withWaiter { waiter in _ = WorkerThread(name: "answers") { waiter.resume(returning: 2) }
        }
        #expect((here, there) == (1, 2))
        struct Refused: Error {}
        await #expect(throws: Refused.self) {
            try await withWaiter { (waiter: Waiter<Result<Int, any Error>>) in waiter.resume(throwing: Refused()) }
                .get()
        }
    }

    @Test(arguments: [true, false])
    func `one who answers is told of a cancellation, whenever it comes`(isEarly: Bool) async {
        let call = Mutex<(waiter: Waiter<String>?, isCancelled: Bool)>((nil, false))
        // Answers a cancelled call, as soon as it knows both of the call and of its cancellation.
        @Sendable func work() {
            let waiter = call.withLock { call -> Waiter<String>? in
                call.isCancelled && call.waiter != nil ? call.waiter.take() : nil
            }
            waiter?.resume(returning: "told")
        }
        let answer = await Task {
            if isEarly { cancelThisTask() }
            return await withWaiter { waiter in
                // A new call is not cancelled.
                call.withLock { $0 = (waiter, false) }
                if !isEarly { cancelThisTask() }
            } onCancel: {
                call.withLock { $0.isCancelled = true }
                work()
            }
        }.value
        #expect(answer == "told")
    }
}

@Suite struct OneTimeSignalTests {
    @Test func `the first value is kept, and all waiters get it`() async throws {
        let signal = OneTimeSignal<Int>()
        #expect(signal.value == nil)
        let values = await withTaskGroup(of: Int?.self, returning: [Int?].self) { group in
            for number in 0..<10 {
                group.addTask {
                    number.isMultiple(of: 2) ? try? await signal.wait() : await signal.waitIgnoringCancellation()
                }
            }
            #expect(signal.send(1))
            #expect(!signal.send(2))
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(values == Array(repeating: 1, count: 10))
        #expect(try await signal.wait() == 1)
        #expect(signal.value == 1)
    }

    @Test func `a cancelled task waits no longer, unless it asks for that`() async throws {
        let signal = OneTimeSignal<Int>()
        let cancelled = Task { try await signal.wait() }
        let patient = Task { await signal.waitIgnoringCancellation() }
        cancelled.cancel()
        patient.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        signal.send(3)
        #expect(await patient.value == 3)
        // A value that is there is returned to a cancelled task, too.
        let late = Task {
            cancelThisTask()
            return try await signal.wait()
        }
        #expect(try await late.value == 3)
    }

    @Test func `the end of a thread is awaited also by cancelled tasks`() async {
        let goes = OneTimeSignal<Void>()
        let held = Monitor(true)
        let thread = WorkerThread(name: "held") { _ = held.wait(atMost: nil) { $0 ? nil : true } }
        let waiting = Task {
            goes.send(())
            await thread.finished()
        }
        await goes.waitIgnoringCancellation()
        waiting.cancel()
        held.withLock { $0 = false }
        held.wakeAll()
        await waiting.value
        await thread.finished()
    }
}
