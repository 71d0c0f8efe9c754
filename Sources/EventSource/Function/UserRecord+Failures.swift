public import StreamModel

extension BatchFailure {
    /// Says that everything before the record of the stream that `user` is in is done. All user records of that record
    /// are delivered again, those before `user` too.
    ///
    /// - Parameters:
    ///   - user: the first user record that is not done. One of another unit fails the whole unit.
    ///   - cause: the reason in logs and failure documents.
    public init(from user: UserRecord, because cause: some Error) { self.init(from: user.record, because: cause) }

    /// Says that everything before the record of the stream that `user` is in is done, with the reason as text.
    public init(from user: UserRecord, because reason: String) { self.init(from: user.record, because: reason) }
}

extension PermanentFailure {
    /// Says that `user` can never be handled. The record of the stream that it is in is given up, with all of its user
    /// records.
    public init(_ user: UserRecord, because cause: some Error) { self.init(user.record, because: cause) }

    /// Says that `user` can never be handled, with the reason as text.
    public init(_ user: UserRecord, because reason: String) { self.init(user.record, because: reason) }
}
