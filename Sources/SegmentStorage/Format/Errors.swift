import DiskAccess
import StreamModel

/// The process that holds the directory of a store that is in use.
package struct StoreHolder: Error, Hashable {
    /// The process id, where it could be read.
    package var process: Int32?
}

extension ShardlineError {
    /// What a failed file operation means to the store's caller.
    package init(_ error: FileError, doing what: String) {
        let code: Code =
            if error.isNoSpace {
                .diskFull
            } else if error.isPermission || error.isMissing || error.isInWay {
                .notAccessible
            } else if error.operation == .read {
                .readFailed
            } else {
                .storeFailed
            }
        let remedy =
            if error.isReadOnly {
                "; that file system can only be read: mount it for writing, or work on a copy (`shardline backup` makes one)"
            } else if error.isPermission {
                "; give this user the right to read and write there"
            } else if error.isInWay {
                "; a store's files are regular ones: take it away, and put the file back where the store had one"
            } else {
                ""
            }
        self.init(code, "\(what): \(error)\(remedy)", cause: error)
    }
}

/// Runs `body` and converts a file error into an error that says what was being done.
package func describing<Result>(_ what: String, _ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as FileError {
        throw ShardlineError(error, doing: what)
    }
}
