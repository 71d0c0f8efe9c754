package import StreamModel

extension StartingPosition {
    /// Throws `invalidArgument` for a time that no record can have arrived at yet, or before 1970 (ESM-S23). One before
    /// the oldest record is allowed, and means that.
    package func validate(now: Timestamp) throws {
        guard case .atTimestamp(let moment) = self else { return }
        guard moment <= now else {
            throw ShardlineError(
                .invalidArgument,
                "the starting position \(moment) is in the future, now it is \(now) (allowed: a time that has passed, or latest)"
            )
        }
        guard moment.milliseconds >= 0 else {
            throw ShardlineError(
                .invalidArgument,
                "the starting position \(moment) is before 1970 (allowed: a later time, or trim-horizon)")
        }
    }
}
