import StreamModel
import Testing

@testable import SegmentStorage

/// How a store lives with a limit on open files.
struct OpenFilesTests {
    @Test func `a process with fewer than 64 open files opens no store, and is told why`() throws {
        try OpenFiles(limit: 64).require()
        let error = #expect(throws: ShardlineError.self) { try OpenFiles(limit: 17).require() }
        #expect(error?.code == .notAccessible)
        #expect(
            error?.message
                == "this process may have 17 files open at once, and a store needs 64: raise the limit, for instance with 'ulimit -n 1024'"
        )
    }

    @Test(arguments: [64, 100, 256, 1024, 1 << 20]) func `journal and segments take half of them at most`(limit: Int) {
        let files = OpenFiles(limit: limit)
        #expect(files.journalFiles + files.segments <= limit / 2)
        #expect(files.segments <= 256)
    }
}
