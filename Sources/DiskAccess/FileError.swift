import Glibc

/// Why the disk refused something: what was tried, on which path, and the system's error number.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was tried.
    package enum Operation: String, Sendable, CaseIterable {
        case open, read, write, synchronize, synchronizeDirectory = "synchronize the directory"
        case rename, remove, truncate, list, createDirectory = "create the directory"
        case askForSpace = "ask for the free space of", lock, status = "look at", changeRights = "change the rights of"
    }

    package var operation: Operation
    package var path: String
    /// The system's error number (`errno`), or ``notRegular``.
    package var code: Int32

    /// The code for a pipe, a device or a folder in a file's place: the system opens those without an error.
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
    /// What is to be replaced is a directory with something in it, or none.
    package var isTaken: Bool { code == EEXIST || code == ENOTEMPTY || code == ENOTDIR }
    /// Rights are missing, or the file system can only be read.
    package var isPermission: Bool { code == EACCES || code == EPERM || code == EROFS }
    /// The file system can only be read.
    package var isReadOnly: Bool { code == EROFS }
    /// Something that is no file stands in a file's place.
    package var isInWay: Bool { code == Self.notRegular || code == EISDIR }
    /// The file system or the kernel does not know what was asked, such as O_DIRECT.
    package var isUnsupported: Bool { code == EINVAL || code == EOPNOTSUPP }

    package var description: String {
        let reason = code == Self.notRegular ? "it is no regular file" : String(cString: strerror(code))
        return "can't \(operation.rawValue) '\(path)': \(reason)"
    }
}
