import CPosix
import Glibc
import Synchronization

/// The machine's own file system.
package struct POSIXFileSystem: FileSystem {
    package init() {}

    /// The absolute path, for a process with another working directory.
    package static func absolute(_ path: String) throws(FileError) -> String {
        if path.hasPrefix("/") { return path }
        guard let directory = getcwd(nil, 0) else { throw FileError(.status, path, code: errno) }
        defer { free(directory) }
        return String(cString: directory) + "/" + path
    }

    package func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
        let flags =
            switch mode {
            case .read: O_RDONLY
            case .readDirect: O_RDONLY | shardline_open_direct_flag()
            case .readWrite: O_RDWR
            case .create: O_RDWR | O_CREAT | O_EXCL
            }
        return POSIXFile(descriptor: try openRegular(.open, path, flags), path: path)
    }

    /// Opens regular files only: opening or reading a pipe in a file's place could block forever.
    private func openRegular(
        _ operation: FileError.Operation, _ path: String, _ flags: Int32
    ) throws(FileError) -> Int32 {
        // O_CLOEXEC everywhere: a child process must not inherit files, least of all the lock. O_NONBLOCK has no effect
        // on regular files.
        let descriptor = try retrying(operation, path) { Glibc.open(path, flags | O_CLOEXEC | O_NONBLOCK, 0o600) }
        var facts = stat()
        let code = fstat(descriptor, &facts) == 0 ? nil : errno
        if code == nil, facts.st_mode & S_IFMT == S_IFREG { return descriptor }
        close(descriptor)
        throw FileError(operation, path, code: code ?? FileError.notRegular)
    }

    package func createDirectory(_ path: String) throws(FileError) {
        guard mkdir(path, 0o700) != 0 else { return }
        let code = errno
        if code == EEXIST, let status = try status(path), status.isDirectory { return }
        throw FileError(.createDirectory, path, code: code)
    }

    package func createNewDirectory(_ path: String) throws(FileError) {
        guard mkdir(path, 0o700) == 0 else { throw FileError(.createDirectory, path, code: errno) }
    }

    package func removeDirectory(_ path: String) throws(FileError) {
        guard rmdir(path) == 0 else { throw FileError(.remove, path, code: errno) }
    }

    package func list(_ directory: String) throws(FileError) -> [String] {
        guard let stream = opendir(directory) else { throw FileError(.list, directory, code: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        if errno != 0 { throw FileError(.list, directory, code: errno) }
        return names.sorted()
    }

    package func status(_ path: String) throws(FileError) -> FileStatus? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw FileError(.status, path, code: errno)
        }
        let kind = status.st_mode & S_IFMT
        return FileStatus(size: Int(status.st_size), isDirectory: kind == S_IFDIR, isRegularFile: kind == S_IFREG)
    }

    package func canonicalPath(_ path: String) -> String? {
        func real(_ path: String) -> String? {
            guard let real = realpath(path, nil) else { return nil }
            defer { free(real) }
            return String(cString: real)
        }
        if let path = real(path) { return path }
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        return real(directory).map { $0 + "/" + path[(slash.map { path.index(after: $0) } ?? path.startIndex)...] }
    }

    package func rename(_ path: String, to newPath: String) throws(FileError) {
        guard Glibc.rename(path, newPath) == 0 else { throw FileError(.rename, path, code: errno) }
    }

    package func remove(_ path: String) throws(FileError) {
        guard unlink(path) == 0 else { throw FileError(.remove, path, code: errno) }
    }

    package func synchronizeDirectory(_ path: String) throws(FileError) {
        let descriptor = try retrying(.synchronizeDirectory, path) {
            Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        defer { close(descriptor) }
        // A failed fsync is never retried, not even after EINTR: a second one may succeed although the first one's data
        // is lost.
        guard fsync(descriptor) == 0 else { throw FileError(.synchronizeDirectory, path, code: errno) }
    }

    package func freeSpace(at path: String) throws(FileError) -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw FileError(.askForSpace, path, code: errno) }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    package func lock(_ path: String) throws(FileError) -> LockOutcome {
        let descriptor = try openRegular(.lock, path, O_RDWR | O_CREAT)
        if let holder = try holder(of: descriptor, path, LOCK_EX) { return holder }
        let lock = POSIXLock(descriptor: descriptor)
        // The process ID is only for messages, so a disk that is too full for it does not keep the store from opening.
        let number = Array("\(getpid())\n".utf8)
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, number, number.count, 0)
        return .acquired(lock)
    }

    package func keepToOwner(_ path: String) throws(FileError) -> Bool {
        // The descriptor follows no link, so that a link can't make this change another file's rights.
        let descriptor = Glibc.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            if [ENOENT, ELOOP, ENXIO].contains(errno) { return false }
            throw FileError(.changeRights, path, code: errno)
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw FileError(.changeRights, path, code: errno) }
        let kind = facts.st_mode & S_IFMT
        guard kind == S_IFREG || kind == S_IFDIR, facts.st_mode & 0o077 != 0 else { return false }
        guard fchmod(descriptor, facts.st_mode & 0o700) == 0 else {
            throw FileError(.changeRights, path, code: errno)
        }
        return true
    }

    package func giveToOwner(_ path: String) throws(FileError) {
        let descriptor = try openRegular(.changeRights, path, O_RDONLY | O_NOFOLLOW)
        defer { close(descriptor) }
        guard fchmod(descriptor, 0o600) == 0 else { throw FileError(.changeRights, path, code: errno) }
    }

    package func lockForReading(_ path: String) throws(FileError) -> LockOutcome {
        let descriptor = try openRegular(.lock, path, O_RDONLY)
        return try holder(of: descriptor, path, LOCK_SH) ?? .acquired(POSIXLock(descriptor: descriptor))
    }

    /// Takes the lock and returns nil; or closes the descriptor and says which process has the lock.
    private func holder(of descriptor: Int32, _ path: String, _ kind: Int32) throws(FileError) -> LockOutcome? {
        guard flock(descriptor, kind | LOCK_NB) != 0 else { return nil }
        let code = errno
        defer { close(descriptor) }
        guard code == EWOULDBLOCK else { throw FileError(.lock, path, code: code) }
        // The system knows the holder. The file has the holder's process ID as the holder sees it, such as in a
        // container.
        var facts = stat()
        if fstat(descriptor, &facts) == 0,
            let process = ProcessState.lockHolder(device: facts.st_dev, file: facts.st_ino)
        {
            return .held(by: process)
        }
        let copy = try retrying(.lock, path) { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) }
        let text = try POSIXFile(descriptor: copy, path: path).bytes(at: 0, count: 32)
        let digits = text.prefix { (0x30...0x39).contains($0) }
        let process = Int32(String(decoding: digits, as: UTF8.self))
        // A reader writes no number: the file then names an earlier owner, which is gone.
        return .held(by: process.flatMap { kill($0, 0) == 0 || errno == EPERM ? $0 : nil })
    }

    private func retrying(
        _ operation: FileError.Operation, _ path: String, _ call: () -> Int32
    ) throws(FileError) -> Int32 {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw FileError(operation, path, code: errno) }
        }
    }
}

/// An open file descriptor. Any thread may call any member; the lock of `direct` is not held during a write.
private final class POSIXFile: File {
    let path: String
    private let descriptor: Int32

    /// A second descriptor, for writing past the page cache.
    private enum Direct {
        case unknown
        case open(Int32)
        /// The file system accepted the flag and then refused to write.
        case refused(Int32)
        /// The file system does not support it, or the process has no descriptor left.
        case none
    }
    private let direct = Mutex(Direct.unknown)

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        close(descriptor)
        direct.withLock { direct in
            switch direct {
            case .open(let descriptor), .refused(let descriptor): close(descriptor)
            case .unknown, .none: break
            }
        }
    }

    func size() throws(FileError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError(.status, path, code: errno) }
        return Int(status.st_size)
    }

    func write(_ pieces: ArraySlice<UnsafeRawBufferPointer>, at offset: Int) throws(FileError) -> Int {
        let vectors = pieces.map {
            iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
        }
        while true {
            let count = pwritev(descriptor, vectors, Int32(vectors.count), off_t(offset))
            if count > 0 { return count }
            // Zero bytes without an error would be retried forever.
            if count == 0 { throw FileError(.write, path, code: ENOSPC) }
            if errno != EINTR { throw FileError(.write, path, code: errno) }
        }
    }

    func writeDirect(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        // A misaligned write fails on every file system, so it does not disable direct writes for the file.
        guard offset % Page.size == 0, bytes.count % Page.size == 0, Int(bitPattern: bytes.baseAddress) % Page.size == 0
        else { return 0 }
        let opened = direct.withLock { direct -> Int32? in
            if case .unknown = direct {
                let opened = Glibc.open(path, O_WRONLY | shardline_open_direct_flag() | O_CLOEXEC | O_NONBLOCK)
                direct = opened >= 0 ? .open(opened) : .none
            }
            guard case .open(let descriptor) = direct else { return nil }
            return descriptor
        }
        guard let opened else { return 0 }
        var done = 0
        // The caller continues a write that was cut inside a page, as on a full disk.
        while done < bytes.count, done % Page.size == 0 {
            let count = pwrite(opened, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count > 0 {
                done += count
            } else if count == 0 {
                break
            } else if errno == EINVAL || errno == EOPNOTSUPP {
                // The file system accepted the flag at opening and refuses the write, or the device has larger blocks.
                // Later direct writes would fail too, so the file is written through the cache from now on.
                stopWritingDirect()
                break
            } else if errno != EINTR {
                throw FileError(.write, path, code: errno)
            }
        }
        return done - done % Page.size
    }

    private func stopWritingDirect() {
        direct.withLock { direct in
            // Closed together with the file, since another thread may be about to write to it.
            if case .open(let descriptor) = direct { direct = .refused(descriptor) }
        }
    }

    func read(into room: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        while true {
            let count = pread(descriptor, room.baseAddress, room.count, off_t(offset))
            if count >= 0 { return count }
            if errno != EINTR { throw FileError(.read, path, code: errno) }
        }
    }

    func synchronize() throws(FileError) {
        // Never retried, see synchronizeDirectory.
        guard fdatasync(descriptor) == 0 else { throw FileError(.synchronize, path, code: errno) }
    }

    func beginWriting(_ range: Range<Int>) {
        _ = shardline_begin_writing(descriptor, Int64(range.lowerBound), Int64(range.count))
    }

    func forgetCached() { _ = shardline_forget_cached(descriptor) }

    func truncate(to size: Int) throws(FileError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw FileError(.truncate, path, code: errno) }
    }
}

/// A flock(2) lock. The system releases it when the descriptor is closed, also by the end of the process.
private final class POSIXLock: FileLock {
    private let descriptor: Mutex<Int32?>

    init(descriptor: Int32) { self.descriptor = Mutex(descriptor) }

    func release() {
        descriptor.withLock { descriptor in
            if let open = descriptor { close(open) }
            descriptor = nil
        }
    }

    deinit { release() }
}
