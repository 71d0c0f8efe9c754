import DiskAccess
import Glibc
import TestSupport
import Testing

/// The seam over the machine's own file system.
@Suite struct POSIXFileSystemTests {
    private let disk = POSIXFileSystem()

    /// The error that `body` throws.
    private func failure<Value>(_ body: () throws(FileError) -> Value) -> FileError? {
        do throws(FileError) {
            _ = try body()
            return nil
        } catch {
            return error
        }
    }

    @Test func `pieces are written one after the other and read back`() throws {
        let directory = TestDirectory()
        let file = try disk.open(directory.path + "/f", .create)
        // More than one system call takes.
        let pieces = (0..<2500).map { index in
            [UInt8](repeating: UInt8(index % 251), count: index % 7).withUnsafeBytes { OwnedBytes($0) }
        }
        try file.writeAll(pieces.map(\.buffer), at: 10)
        let expected = pieces.flatMap { Array($0.buffer) }
        #expect(try file.size() == 10 + expected.count)
        #expect(try file.bytes(at: 10, count: expected.count + 100) == expected)
        try file.synchronize()
        try file.truncate(to: 12)
        #expect(try disk.status(file.path) == FileStatus(size: 12, isDirectory: false))
    }

    @Test func `whole pages go past the page cache where the file's system can do that, and never more than they are`()
        throws
    {
        let directory = TestDirectory()
        let file = try disk.open(directory.path + "/f", .create)
        try file.writeAll(Array("head".utf8), at: 0)
        let pages = OwnedBytes(uninitialized: 8 * Page.size, alignment: Page.size)
        for index in 0..<pages.count { pages.room[index] = UInt8(truncatingIfNeeded: index * 7) }
        let written = try file.writeDirect(pages.buffer, at: Page.size)
        // A disk in memory, as some machines' folder for temporary files is, may refuse: then nothing was written.
        #expect(written == pages.count || written == 0)
        guard written > 0 else { return }
        try file.synchronize()
        #expect(try file.size() == 9 * Page.size)
        #expect(try file.bytes(at: Page.size, count: pages.count) == Array(pages.buffer))
        #expect(try Array(file.bytes(at: 0, count: 5)) == Array("head".utf8) + [0])
        // Where the multiples don't fit nothing is written, and the other way is open.
        let oblique = UnsafeRawBufferPointer(rebasing: pages.buffer[1...Page.size])
        #expect(try file.writeDirect(oblique, at: 100) == 0)
        #expect(try file.size() == 9 * Page.size)
    }

    @Test func `names are listed in order, moved and removed`() throws {
        let directory = TestDirectory()
        for name in ["b", "a", "c"] { _ = try disk.open("\(directory.path)/\(name)", .create) }
        try disk.createDirectory(directory.path + "/d")
        try disk.createDirectory(directory.path + "/d")
        #expect(try disk.list(directory.path) == ["a", "b", "c", "d"])
        try disk.rename(directory.path + "/a", to: directory.path + "/e")
        try disk.remove(directory.path + "/b")
        try disk.synchronizeDirectory(directory.path)
        #expect(try disk.list(directory.path) == ["c", "d", "e"])
        #expect(try disk.status(directory.path + "/d")?.isDirectory == true)
        #expect(try disk.status(directory.path + "/a") == nil)
        #expect(try disk.freeSpace(at: directory.path) > 0)
    }

    @Test func `errors name the operation, the path and the reason`() throws {
        let directory = TestDirectory()
        let missing = failure { () throws(FileError) in try disk.open(directory.path + "/none", .read) }
        #expect(missing == FileError(.open, directory.path + "/none", code: ENOENT))
        #expect(missing?.isMissing == true)
        #expect(missing?.description == "can't open '\(directory.path)/none': No such file or directory")
        _ = try disk.open(directory.path + "/f", .create)
        #expect(failure { () throws(FileError) in try disk.open(directory.path + "/f", .create) }?.code == EEXIST)
        #expect(failure { () throws(FileError) in try disk.createDirectory(directory.path + "/f") }?.code == EEXIST)
        #expect(FileError(.write, "f", code: ENOSPC).isNoSpace)
        #expect(FileError(.open, "f", code: EACCES).isPermission)
    }

    /// A pipe that nobody writes to would be waited for, for ever.
    @Test(.timeLimit(.minutes(1)), arguments: ["pipe", "folder", "/dev/null"])
    func `what is no regular file is not opened`(name: String) throws {
        let directory = TestDirectory()
        let path = name.hasPrefix("/") ? name : "\(directory.path)/\(name)"
        if name == "pipe" { #expect(mkfifo(path, 0o600) == 0) }
        if name == "folder" { try disk.createDirectory(path) }
        for mode in [FileMode.read, .readWrite] {
            let error = failure { () throws(FileError) in try disk.open(path, mode) }
            #expect(error?.isInWay == true, "\(error as Any)")
        }
        #expect(failure { () throws(FileError) in try disk.lock(path) }?.isInWay == true)
        let error = failure { () throws(FileError) in try disk.lockForReading(path) }
        #expect(error?.description == "can't lock '\(path)': it is no regular file")
    }

    @Test func `its owner gets a file back that nobody may write`() throws {
        let directory = TestDirectory()
        let file = try disk.open(directory.path + "/f", .create)
        #expect(chmod(file.path, 0o440) == 0)
        try disk.giveToOwner(file.path)
        var facts = stat()
        #expect(stat(file.path, &facts) == 0 && facts.st_mode & 0o777 == 0o600)
    }

    @Test func `a lock is held once and given up with its object`() throws {
        let directory = TestDirectory()
        let path = directory.path + "/lock"
        guard case .acquired(let lock) = try disk.lock(path) else {
            Issue.record("the first to ask must get it")
            return
        }
        guard case .held(let process) = try disk.lock(path) else {
            Issue.record("it was given out twice")
            return
        }
        #expect(process == getpid())
        lock.release()
        guard case .acquired = try disk.lock(path) else {
            Issue.record("it was not given up")
            return
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct ThreadsTests {
    @Test func `blocking calls run on threads of their own, at most as many as are allowed`() async throws {
        let threads = BlockingThreads(limit: 2)
        let running = Monitor((now: 0, most: 0))
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 1...50 {
                group.addTask {
                    try await threads.run {
                        running.withLock { running in
                            running.now += 1
                            running.most = max(running.most, running.now)
                        }
                        sched_yield()
                        running.withLock { $0.now -= 1 }
                        return index
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 1275)
        #expect((1...2).contains(running.withLock { $0.most }))
    }

    @Test func `what a blocking call throws arrives`() async {
        await #expect(throws: FileError(.read, "f", code: EIO)) {
            try await BlockingThreads.shared.run { throw FileError(.read, "f", code: EIO) }
        }
    }

    @Test func `a thread sleeps until it is woken, and its end is told`() async {
        let monitor = Monitor(0)
        let thread = WorkerThread(name: "test") {
            _ = monitor.wait(atMost: nil) { value -> Void? in value == 1 ? () : nil }
            monitor.withLock { $0 = 2 }
        }
        monitor.withLock { $0 = 1 }
        monitor.wakeAll()
        await thread.finished()
        #expect(monitor.withLock { $0 } == 2)
        #expect(monitor.wait(atMost: .milliseconds(1)) { value -> Int? in value == 3 ? value : nil } == nil)
    }
}
