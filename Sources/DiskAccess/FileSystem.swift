/// The interface to the disk: all file operations of a store but SQLite's go through here, so that tests can use a
/// simulated disk.
///
/// All calls block. Only threads of Shardline's own may make them, never a thread of Swift's cooperative pool.
package protocol FileSystem: Sendable {
    /// Opens a file.
    func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File
    /// Makes a directory that only its owner may enter (0700); does nothing where it exists.
    func createDirectory(_ path: String) throws(FileError)
    /// Makes a new directory with the same rights; `EEXIST` where anything has this name, a link included.
    func createNewDirectory(_ path: String) throws(FileError)
    /// Removes an empty directory.
    func removeDirectory(_ path: String) throws(FileError)
    /// The names in a directory, sorted, without `.` and `..`.
    func list(_ directory: String) throws(FileError) -> [String]
    /// The status of what is at a path; nil where nothing is.
    func status(_ path: String) throws(FileError) -> FileStatus?
    /// The path without links, `.` and `..`. Where nothing is at the path yet: its directory's canonical path and its
    /// name. Nil where the directory does not exist.
    func canonicalPath(_ path: String) -> String?
    /// Renames a file, replacing what has the new name; durable after ``synchronizeDirectory(_:)``.
    func rename(_ path: String, to newPath: String) throws(FileError)
    /// Removes a file's name; durable after ``synchronizeDirectory(_:)``.
    func remove(_ path: String) throws(FileError)
    /// Makes the names in a directory durable.
    func synchronizeDirectory(_ path: String) throws(FileError)
    /// The bytes that this process could still write on the disk of `path`.
    func freeSpace(at path: String) throws(FileError) -> Int
    /// Takes an exclusive lock on the file, which is made where it is missing, and writes this process's number into
    /// it, or says which process has it.
    func lock(_ path: String) throws(FileError) -> LockOutcome
    /// Removes all rights but the owner's from a file or directory; returns whether there were others. Ignores anything
    /// else, such as links and sockets.
    func keepToOwner(_ path: String) throws(FileError) -> Bool
    /// Lets only the owner read and write a file (0600).
    func giveToOwner(_ path: String) throws(FileError)
    /// Takes a shared lock on the file, which must exist: several readers may hold it at a time, and no owner beside
    /// them. Does not change the file.
    func lockForReading(_ path: String) throws(FileError) -> LockOutcome
}

extension FileSystem {
    /// A simulated disk has no rights.
    package func keepToOwner(_ path: String) throws(FileError) -> Bool { false }
    package func giveToOwner(_ path: String) throws(FileError) {}
    /// A simulated disk has no links.
    package func canonicalPath(_ path: String) -> String? { path }
    /// A file system with only one kind of lock takes that.
    package func lockForReading(_ path: String) throws(FileError) -> LockOutcome { try lock(path) }
}

/// How a file is opened.
package enum FileMode: Sendable {
    /// For reading.
    case read
    /// For reading past the page cache; offsets, lengths and memory have to be multiples of 4,096.
    /// Refused by some file systems (``FileError/isUnsupported``), at opening or with the first read: see
    /// ``UncachedFile``.
    case readDirect
    /// For reading and writing.
    case readWrite
    /// A new file for reading and writing that only its owner may use (0600); an error where it exists.
    case create
}

/// What is at a path.
package struct FileStatus: Hashable, Sendable {
    package var size: Int
    package var isDirectory: Bool
    /// Whether it has bytes at offsets; pipes, terminals and directories have none.
    package var isRegularFile: Bool

    /// A directory or a regular file, unless `isRegularFile` says otherwise.
    package init(size: Int, isDirectory: Bool, isRegularFile: Bool? = nil) {
        self.size = size
        self.isDirectory = isDirectory
        self.isRegularFile = isRegularFile ?? !isDirectory
    }
}

/// The result of an attempt to lock.
package enum LockOutcome: Sendable {
    /// The lock is held until it is released or the object ends.
    case acquired(any FileLock)
    /// Another process has it, or this one; its process ID where it is known.
    case held(by: Int32?)
}

/// A lock that is held until ``release()`` or the object's end.
package protocol FileLock: AnyObject, Sendable {
    /// Releases the lock; further calls do nothing.
    func release()
}

/// The system's page.
package enum Page {
    package static let size = 4096
}

/// An open file; closed when the object ends.
package protocol File: AnyObject, Sendable {
    var path: String { get }
    /// The file's length in bytes.
    func size() throws(FileError) -> Int
    /// Writes the pieces one after the other from `offset`; returns the number of bytes written, which may be fewer
    /// than all. At most 1,024 pieces.
    func write(_ pieces: ArraySlice<UnsafeRawBufferPointer>, at offset: Int) throws(FileError) -> Int
    /// Writes `bytes` past the system's page cache, for data that is not read soon: it takes a fraction of the
    /// processor time of a write through the cache, where new pages are expensive. The memory's address, its length and
    /// `offset` have to be multiples of ``Page/size``. Returns the number of bytes written, a multiple of that and
    /// possibly 0; the caller writes the rest through the cache.
    func writeDirect(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// Reads from `offset` into `room`; returns the number of bytes read, 0 at the end of the file.
    func read(into room: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// Makes written bytes and the length durable. After an error it is not known what is durable. A retry may succeed
    /// although data is lost, so the caller must not retry.
    func synchronize() throws(FileError)
    /// Asks the system to begin writing this part to the disk; a hint without any guarantee.
    func beginWriting(_ range: Range<Int>)
    /// Removes the file's clean pages from the system's page cache, so that the next read comes from the disk; a hint.
    /// Dirty pages stay.
    func forgetCached()
    /// Sets the length.
    func truncate(to size: Int) throws(FileError)
}

/// A write that failed before its end.
package struct WriteFailure: Error, Sendable {
    /// The number of bytes written before the failure.
    package var written: Int
    package var cause: FileError
}

extension File {
    /// A simulated disk has no cache.
    package func writeDirect(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int { 0 }
    /// A simulated disk has no cache.
    package func forgetCached() {}

    /// Writes all pieces from `offset`, continuing after short writes.
    package func writeAll(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(WriteFailure) {
        var left = pieces[...]
        var written = 0
        while let first = left.first {
            if first.isEmpty {
                left.removeFirst()
                continue
            }
            var count: Int
            do {
                count = try write(left.prefix(1024), at: offset + written)
            } catch {
                throw WriteFailure(written: written, cause: error)
            }
            written += count
            while count > 0, let piece = left.first {
                if count >= piece.count {
                    count -= piece.count
                    left.removeFirst()
                } else {
                    left[left.startIndex] = UnsafeRawBufferPointer(rebasing: piece[count...])
                    count = 0
                }
            }
        }
    }

    /// Writes all of `bytes` at `offset`.
    package func writeAll(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        do throws(WriteFailure) { try writeAll([bytes], at: offset) } catch { throw error.cause }
    }

    /// Writes all of `bytes` at `offset`.
    package func writeAll(_ bytes: [UInt8], at offset: Int) throws(FileError) {
        let failure: FileError? = bytes.withUnsafeBytes { buffer in
            do throws(FileError) {
                try writeAll(buffer, at: offset)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Fills `room` from `offset` up to the end of the file; returns the number of bytes read.
    package func readAll(into room: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        var done = 0
        while done < room.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: room[done...]), at: offset + done)
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Up to `count` bytes from `offset`; fewer where the file ends before.
    package func bytes(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
        var failure: FileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(FileError) {
                initialized = try readAll(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            } catch {
                failure = error
                initialized = 0
            }
        }
        if let failure { throw failure }
        return bytes
    }
}
