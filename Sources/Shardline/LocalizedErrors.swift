package import DiskAccess
public import EventSource
public import FoundationEssentials
package import SegmentStorage
public import StreamModel
public import StreamStorage

// What a program shows with Foundation's `localizedDescription` is the message too; without these it would be "The
// operation could not be completed" and a number. They stand here since the model does without Foundation, and cost
// nothing: the event source reads and writes JSON with FoundationEssentials already.

extension ShardlineError: LocalizedError {
    /// The message.
    public var errorDescription: String? { message }
}

extension BatchFailure: LocalizedError {
    /// What is said of it in logs and documents.
    public var errorDescription: String? { description }
}

extension PermanentFailure: LocalizedError {
    /// What is said of it in logs and documents.
    public var errorDescription: String? { description }
}

extension MalformedRecord: LocalizedError {
    /// What is said of it in logs and documents.
    public var errorDescription: String? { description }
}

extension UnacknowledgedRecords: LocalizedError {
    /// How many records are acknowledged, in doubt and not written.
    public var errorDescription: String? { description }
}

// The causes of a ``ShardlineError``.

extension FileError: LocalizedError {
    package var errorDescription: String? { description }
}

extension FormatDamage: LocalizedError {
    package var errorDescription: String? { description }
}

extension MetadataError: LocalizedError {
    package var errorDescription: String? { description }
}
