import Synchronization

/// What a pool has seen of lines that its children wrote beyond the one for each event.
///
/// A function that does so does it mostly each time, and after about the same time. So once one has come, new children's
/// first answers wait for as long as that took, and a line that comes within that time still fails the event.
final class SecondLines: Sendable {
    private struct State {
        var count = 0
        var window: Int32 = 20
    }

    private let state = Mutex(State())

    /// How long a second line is waited for after a child's first answer, in milliseconds: 20 to 500.
    var window: Int32 { state.withLock { $0.window } }

    /// Notes a line that came so many milliseconds after an answer, and answers how many there were where an operator
    /// is to be told of this one: the first, and at each doubling.
    func note(after milliseconds: Int64) -> Int? {
        state.withLock { state in
            state.count += 1
            state.window = max(state.window, Int32(min(500, 2 * milliseconds + 20)))
            return state.count & (state.count - 1) == 0 ? state.count : nil
        }
    }
}
