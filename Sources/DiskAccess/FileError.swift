import Glibc

/// A failed file operation: the operation, its path and the system's error number.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The operation that failed.
    package enum Operation: String, Sendable, CaseIterable {
        case open, read, write, synchronize, synchronizeDirectory = "synchronize the directory"
        case rename, remove, truncate, list, createDirectory = "create the directory"
        case askForSpace = "ask for the free space of", lock, status = "look at", changeRights = "change the rights of"
    }

    package var operation: Operation
    package var path: String
    /// The system's error number (`errno`), or ``notRegular``.
    package var code: Int32

    /// The code for a pipe, a device or a folder in place of a file: the system opens those without an error.
    package static let notRegular: Int32 = -1

    package init(_ operation: Operation, _ path: String, code: Int32) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// The disk or the quota is full.
    package var isNoSpace: Bool { code == ENOSPC || code == EDQUOT }
    /// There is no such file or directory.
    package var isMissing: Bool { code == ENOENT }
    /// Something has this name already.
    package var isThereAlready: Bool { code == EEXIST }
    /// The target of a rename is a directory that is not empty, or is not a directory.
    package var isTaken: Bool { code == EEXIST || code == ENOTEMPTY || code == ENOTDIR }
    /// Rights are missing, or the file system can only be read.
    package var isPermission: Bool { code == EACCES || code == EPERM || code == EROFS }
    /// The file system can only be read.
    package var isReadOnly: Bool { code == EROFS }
    /// Something other than a regular file has the file's name.
    package var isInWay: Bool { code == Self.notRegular || code == EISDIR }
    /// The file system or the kernel does not support what was asked, such as O_DIRECT.
    package var isUnsupported: Bool { code == EINVAL || code == EOPNOTSUPP }

    package var description: String {
        let reason = code == Self.notRegular ? "it is no regular file" : String(cString: strerror(code))
        return "can't \(operation.rawValue) '\(path)': \(reason)"
    }
}
