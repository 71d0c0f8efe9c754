import Foundation
import TestSupport
import Testing

@testable import DiskAccess

@Suite struct ProcessStateTests {
    @Test(
        arguments: [
            ("1 (sh) S 0 1 1", .running), ("1 (sh) R 0", .running), ("1 (a) T b) T 0", .stopped), ("1 () t 0", .traced),
            ("7 (x (y) z) D 0", .uninterruptible), ("1 (sh) Z 0", .ended), ("1 (sh) X 0", .ended), ("", .invisible),
            ("1 (sh)", .invisible), ("1 (\u{FF}) I 0", .running),
        ] as [(String, ProcessState)])
    func `the state is what follows the name, whatever that is`(text: String, state: ProcessState) {
        #expect(ProcessState(stat: Array(text.utf8)) == state)
    }

    @Test func `a process that is stopped, continued and ended is seen as that`() async throws {
        let folder = TestDirectory()
        let process = try SpawnedProcess(
            "/bin/sleep", ["60"], input: nil, output: folder.path("out"), errors: folder.path("err"), environment: [:])
        func wait(for states: [ProcessState]) -> Bool {
            for _ in 0..<2000 {
                if states.contains(ProcessState.of(process.pid)) { return true }
                usleep(1000)
            }
            return false
        }
        #expect(wait(for: [.running]))
        #expect(ProcessState.holder(process.pid) == "process \(process.pid)")
        kill(process.pid, SIGSTOP)
        #expect(wait(for: [.stopped]))
        #expect(
            ProcessState.holder(process.pid)
                == "process \(process.pid), which is stopped: continue it with `fg` in its terminal, or with `kill -CONT \(process.pid)`"
        )
        #expect(
            ProcessState.holder(process.pid, "end it first").hasSuffix("`kill -CONT \(process.pid)`; then end it first")
        )
        kill(process.pid, SIGCONT)
        #expect(wait(for: [.running]))
        #expect(ProcessState.holder(process.pid, "end it first") == "process \(process.pid): end it first")
        kill(process.pid, SIGKILL)
        #expect(wait(for: [.ended]))
        _ = process.end(waits: true)
        #expect(ProcessState.of(process.pid) == .invisible)
        #expect(ProcessState.of(0) == .invisible && ProcessState.of(-1) == .invisible)
        #expect(ProcessState.holder(nil) == "another process")
        #expect(ProcessState.holder(nil, "end it first") == "another process: end it first")
    }

    @Test func `who holds a lock is told by the system, whatever number stands in the file`() throws {
        let folder = TestDirectory()
        let disk = POSIXFileSystem()
        let path = folder.path("lock")
        // As a process in a container has it, which has another number there.
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        #expect(write(descriptor, "1\n", 2) == 2)
        guard case .held(let process) = try disk.lock(path) else {
            Issue.record("not held")
            return
        }
        #expect(process == getpid())
    }

    @Test func `the system's list of locks is read line by line`() throws {
        let folder = TestDirectory()
        let list = """
            1: POSIX  ADVISORY  WRITE 11 fe:01:77 0 EOF
            2: FLOCK  ADVISORY  WRITE 12 fe:01:78 0 EOF
            2: -> FLOCK  ADVISORY  WRITE 13 fe:01:77 0 EOF
            3: FLOCK  ADVISORY  WRITE 14 fe:02:77 0 EOF
            4: FLOCK  ADVISORY  READ  15 fe:01:77 0 EOF
            nonsense

            """
        try Data(list.utf8).write(to: folder.url("locks"))
        let device = dev_t(0xFE01)
        #expect(ProcessState.lockHolder(device: device, file: 77, in: folder.path("locks")) == 15)
        #expect(ProcessState.lockHolder(device: device, file: 79, in: folder.path("locks")) == nil)
        #expect(ProcessState.lockHolder(device: device, file: 77, in: folder.path("nosuch")) == nil)
    }
}
