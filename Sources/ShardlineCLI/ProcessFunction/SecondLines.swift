import Synchronization

/// What a pool knows about lines that its children wrote in addition to the one for each event.
///
/// A function that writes a second line usually does so each time, and after about the same time. Once one has come,
/// the first answers of new children are held for that time, and a line that comes within it still fails the event.
final class SecondLines: Sendable {
    private struct State {
        var count = 0
        var window: Int32 = 20
    }

    private let state = Mutex(State())

    /// How long to wait for a second line after a child's first answer, in milliseconds: 20 to 500.
    var window: Int32 { state.withLock { $0.window } }

    /// Counts a second line that came the given number of milliseconds after an answer. Returns the count where the
    /// operator should be told: for the first line, and at each doubling.
    func note(after milliseconds: Int64) -> Int? {
        state.withLock { state in
            state.count += 1
            state.window = max(state.window, Int32(min(500, 2 * milliseconds + 20)))
            return state.count & (state.count - 1) == 0 ? state.count : nil
        }
    }
}
