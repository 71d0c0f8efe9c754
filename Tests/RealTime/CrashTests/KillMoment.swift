// CrashTests: what survives SIGKILL.
//
// A round starts a process that puts and consumes on a real directory, kills it at a random moment, opens the
// directory again in another process and compares what is there with what the killed one had said:
//
// - nothing acknowledged is missing or changed;
// - per shard the numbers rise without gaps, per producer and key its counters do, and no record is there twice;
// - what one call put is there whole or not at all, over all its shards and streams;
// - no checkpoint is past a record that was not handled, and the next process gets everything after it;
// - a record that was given up is in the dead-letter stream exactly once, if and only if the checkpoint is past it.
//
// Rounds pile up on one directory, whose store has settings so small that flushes, segments and the reuse of journal
// files happen within a round; every 20 rounds a new one begins. One kind of round works through the library, one
// through the command line.
//
// In some rounds (ChurnCrashTests) records expire after a second and shards are split and merged all the time, and in some
// of those acknowledgement does not wait for the sync (`.interval`): then what was acknowledged before the sync that is
// the last one to have come through must be there, and no number may be given twice.
//
// SIGKILL leaves the page cache as it is. So the same rounds also run under a preloaded library that remembers what was
// not synced and takes it back after each kill (Tests/Support/PowerLoss); that this finds a sync that is left out is shown by
// leaving out syncs.
//
// Environment: SHARDLINE_CRASH_ROUNDS, rounds of each kind (12); SHARDLINE_CRASH_SEED, to choose the moments of an
// earlier run again (its seed is printed). A directory that failed is kept, and its path printed.

/// When a process is killed.
enum KillMoment: Hashable, CustomStringConvertible {
    /// This long after its start: while it opens the store, or soon after.
    case afterStart(milliseconds: Int)
    /// This long after it has said that the store is open.
    case afterOpening(milliseconds: Int)
    /// As soon as it has said this many things.
    case afterReports(Int)

    var description: String {
        switch self {
        case .afterStart(let milliseconds): "\(milliseconds) ms after its start"
        case .afterOpening(let milliseconds): "\(milliseconds) ms after the store was open"
        case .afterReports(let count): "after \(count) reports"
        }
    }

    /// A moment of a kind and a distance that are both random.
    static func random(using generator: inout some RandomNumberGenerator) -> KillMoment {
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: .afterStart(milliseconds: Int.random(in: 0...120, using: &generator))
        case 1, 2: .afterReports(Int.random(in: 1...200, using: &generator))
        default: .afterOpening(milliseconds: Int.random(in: 0...300, using: &generator))
        }
    }
}

/// How many rounds there are and where their randomness begins.
struct RoundSettings: Hashable {
    var rounds = 12
    var seed: UInt64

    /// Reads the environment; what it does not say, or says wrongly, has its default.
    init(environment: [String: String], freshSeed: UInt64) {
        if let rounds = environment["SHARDLINE_CRASH_ROUNDS"].flatMap(Int.init), rounds > 0 { self.rounds = rounds }
        seed = environment["SHARDLINE_CRASH_SEED"].flatMap { UInt64($0) } ?? freshSeed
    }
}
