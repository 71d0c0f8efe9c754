import DiskAccess
import TestSupport
import Testing

/// A directory of which only some files can be seen.
@Suite struct SelectedFilesTests {
    private let disk = MemoryFileSystem(contents: ["/d/a": [1], "/d/b": [2], "/d/f/a": [3], "/d/f/b": [4], "/e": [5]])

    @Test func `the files that were named are seen and read, and no others`() throws {
        let view = SelectedFiles(of: disk, in: "/d", names: ["a", "f", "f/b", "gone"])
        #expect(try view.list("/d") == ["a", "f"])
        #expect(try view.list("/d/f") == ["b"])
        #expect(try view.status("/d/a")?.size == 1)
        #expect(try view.open("/d/f/b", .read).bytes(at: 0, count: 9) == [4])
        for path in ["/d/b", "/d/f/a", "/d/gone", "/e", "/da"] {
            #expect(try view.status(path) == nil, "\(path)")
            #expect(throws: FileError.self, "\(path)") { try view.open(path, .read) }
        }
        #expect(throws: FileError.self) { try view.list("/") }
    }

    @Test func `nothing is changed through it`() throws {
        let view = SelectedFiles(of: disk, in: "/d", names: ["a", "f"])
        let before = disk.contents
        let changes: [() throws -> Void] = [
            { _ = try view.open("/d/a", .readWrite) }, { _ = try view.open("/d/new", .create) },
            { try view.remove("/d/a") }, { try view.rename("/d/a", to: "/d/c") }, { try view.createDirectory("/d/g") },
            { try view.createNewDirectory("/d/g") }, { try view.removeDirectory("/d/f") },
            { try view.synchronizeDirectory("/d") }, { _ = try view.lock("/d/lock") },
            { _ = try view.lockForReading("/d/lock") },
        ]
        for change in changes {
            let error = #expect(throws: FileError.self) { try change() }
            #expect(error?.isPermission == true)
        }
        #expect(disk.contents == before)
    }
}
