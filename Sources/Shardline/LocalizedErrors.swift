package import DiskAccess
public import EventSource
public import FoundationEssentials
package import SegmentStorage
public import StreamModel
public import StreamStorage

// These conformances make Foundation's `localizedDescription` the message; without them it is "The operation could not
// be completed" and a number. They are in this module because the model doesn't import Foundation. The event source
// already links FoundationEssentials for JSON.

extension ShardlineError: LocalizedError {
    /// The message.
    public var errorDescription: String? { message }
}

extension BatchFailure: LocalizedError {
    /// The text for logs and failure documents.
    public var errorDescription: String? { description }
}

extension PermanentFailure: LocalizedError {
    /// The text for logs and failure documents.
    public var errorDescription: String? { description }
}

extension MalformedRecord: LocalizedError {
    /// The text for logs and failure documents.
    public var errorDescription: String? { description }
}

extension UnacknowledgedRecords: LocalizedError {
    /// The numbers of records that are acknowledged, in doubt and not written.
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
