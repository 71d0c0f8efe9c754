/// The one way to the disk: everything that a store does with files goes through here, so that a simulated disk can
/// take the real one's place.
///
/// All calls block: only threads of our own may make them, never a thread of Swift's cooperative pool.
package protocol FileSystem: Sendable {
    /// Opens a file.
    func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File
    /// Makes a directory that only its owner may enter (0700); does nothing where it is there already.
    func createDirectory(_ path: String) throws(FileError)
    /// Makes such a directory that was not there; `EEXIST` where anything has this name, a link included.
    func createNewDirectory(_ path: String) throws(FileError)
    /// Removes a directory that has nothing in it.
    func removeDirectory(_ path: String) throws(FileError)
    /// The names in a directory, sorted, without `.` and `..`.
    func list(_ directory: String) throws(FileError) -> [String]
    /// What is at a path; nil where nothing is.
    func status(_ path: String) throws(FileError) -> FileStatus?
    /// The path without links, `.` and `..`; where nothing is at it yet, its directory's with its name behind. Nil where
    /// there is no such directory.
    func canonicalPath(_ path: String) -> String?
    /// Gives a file another name in place of what had it; durable after ``synchronizeDirectory(_:)``.
    func rename(_ path: String, to newPath: String) throws(FileError)
    /// Takes a file's name away; durable after ``synchronizeDirectory(_:)``.
    func remove(_ path: String) throws(FileError)
    /// Makes the names in a directory durable.
    func synchronizeDirectory(_ path: String) throws(FileError)
    /// The bytes that this process could still write on the disk of `path`.
    func freeSpace(at path: String) throws(FileError) -> Int
    /// Takes the file as a lock and writes this process' number into it, or says who has it.
    func lock(_ path: String) throws(FileError) -> LockOutcome
    /// Takes all rights but its owner's from a file or directory, and answers whether there were others. Passes over what
    /// is neither, such as links and sockets.
    func keepToOwner(_ path: String) throws(FileError) -> Bool
    /// Lets its owner read and write a file, and nobody else (0600).
    func giveToOwner(_ path: String) throws(FileError)
    /// Takes the file, which must be there, as a lock that several readers may have at a time and no owner beside them.
    /// Changes nothing of it.
    func lockForReading(_ path: String) throws(FileError) -> LockOutcome
}

extension FileSystem {
    /// Nothing to take where files have no rights, as on a simulated disk.
    package func keepToOwner(_ path: String) throws(FileError) -> Bool { false }
    package func giveToOwner(_ path: String) throws(FileError) {}
    /// A simulated disk has no links.
    package func canonicalPath(_ path: String) -> String? { path }
    /// A file system that knows one sort of lock takes that.
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
    /// A new file for reading and writing that only its owner may use (0600); an error where it is there already.
    case create
}

/// What is at a path.
package struct FileStatus: Hashable, Sendable {
    package var size: Int
    package var isDirectory: Bool
    /// Whether it has bytes at offsets; pipes, terminals and directories have none.
    package var isRegularFile: Bool

    /// A directory or a regular file, unless something else is said.
    package init(size: Int, isDirectory: Bool, isRegularFile: Bool? = nil) {
        self.size = size
        self.isDirectory = isDirectory
        self.isRegularFile = isRegularFile ?? !isDirectory
    }
}

/// What became of an attempt to lock.
package enum LockOutcome: Sendable {
    /// The lock is ours as long as the object lives.
    case acquired(any FileLock)
    /// Somebody has it; the process' number where it could be read.
    case held(by: Int32?)
}

/// A lock that is held until ``release()`` or the object's end.
package protocol FileLock: AnyObject, Sendable {
    /// Gives the lock up; more calls do nothing.
    func release()
}

/// The system's unit of files in memory.
package enum Page {
    package static let size = 4096
}

/// An open file; closed by the end of the object.
package protocol File: AnyObject, Sendable {
    var path: String { get }
    /// The file's length in bytes.
    func size() throws(FileError) -> Int
    /// Writes the pieces one behind the other from `offset`; returns how many bytes of them went out, which may be
    /// fewer than all. At most 1,024 pieces.
    func write(_ pieces: ArraySlice<UnsafeRawBufferPointer>, at offset: Int) throws(FileError) -> Int
    /// Writes `bytes` past the system's page cache, for what nobody reads soon: it costs the processor a fraction of a
    /// write through the cache, whose new pages are slow to get. The memory's address, its length and `offset` have to be
    /// multiples of ``Page/size``. Returns how many bytes went out, a multiple of that; the rest, or all of it, has to be
    /// written the other way.
    func writeDirect(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// Reads from `offset` into `room`; returns how many bytes came, 0 at the end of the file.
    func read(into room: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// Makes what was written durable, the length included.
    func synchronize() throws(FileError)
    /// Asks the disk to begin writing this part; a hint, no promise of any kind.
    func beginWriting(_ range: Range<Int>)
    /// Takes what is on the disk already from the system's page cache, so that it is read from the disk next; a hint. What
    /// was changed and not written stays.
    func forgetCached()
    /// Sets the length.
    func truncate(to size: Int) throws(FileError)
}

/// A write that did not get through to its end.
package struct WriteFailure: Error, Sendable {
    /// How many bytes went out before it.
    package var written: Int
    package var cause: FileError
}

extension File {
    /// There is no cache to go past on a simulated disk.
    package func writeDirect(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int { 0 }
    /// Nothing to forget there either.
    package func forgetCached() {}

    /// Writes all pieces from `offset`, going on behind short writes.
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

    /// Fills `room` from `offset` as far as the file goes; returns how many bytes came.
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
