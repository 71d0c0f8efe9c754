import DiskAccess
import TestSupport
import Testing

/// The disk that the simulation stands on loses what a disk may lose, and nothing else.
@Suite struct SimulatedDiskTests {
    private static func disk() throws -> (MemoryFileSystem, any File) {
        let disk = MemoryFileSystem()
        let file = try disk.open("/f", .create)
        try file.writeAll([UInt8](repeating: 1, count: 1_536), at: 0)
        try file.synchronize()
        try disk.synchronizeDirectory("/")
        return (disk, file)
    }

    @Test func `each sector that was not synced is old or new by itself`() throws {
        let (disk, file) = try Self.disk()
        #expect(disk.doubts == [])
        try file.writeAll([UInt8](repeating: 2, count: 1_000), at: 100)
        #expect(disk.doubts == [.sector("/f", 0), .sector("/f", 1), .sector("/f", 2)])
        let torn = try #require(disk.afterCrash { $0 == .sector("/f", 1) }.bytes(of: "/f"))
        #expect(Array(torn[0..<512]) == [UInt8](repeating: 1, count: 512))
        #expect(Array(torn[512..<1_024]) == [UInt8](repeating: 2, count: 512))
        #expect(Array(torn[1_024...]) == [UInt8](repeating: 1, count: 512))
        try file.synchronize()
        #expect(disk.doubts == [])
    }

    @Test func `a sector that was written with what it held is in no doubt`() throws {
        let (disk, file) = try Self.disk()
        try file.writeAll([UInt8](repeating: 1, count: 1_536), at: 0)
        #expect(disk.doubts == [])
    }

    @Test func `a length that was not synced is old or new, and what was cut may come back`() throws {
        let (disk, file) = try Self.disk()
        try file.writeAll([7], at: 4_000)
        #expect(disk.doubts.contains(.size("/f")))
        #expect(disk.afterCrash { _ in false }.bytes(of: "/f")?.count == 1_536)
        #expect(
            disk.afterCrash { $0 == .size("/f") }.bytes(of: "/f") == [UInt8](repeating: 1, count: 1_536)
                + [UInt8](repeating: 0, count: 2_465))
        try file.synchronize()
        try file.truncate(to: 10)
        #expect(disk.afterCrash { _ in true }.bytes(of: "/f")?.count == 10)
        #expect(disk.afterCrash { _ in false }.bytes(of: "/f")?.last == 7)
    }

    @Test func `a name is there permanently only after its directory was synced`() throws {
        let (disk, _) = try Self.disk()
        let other = try disk.open("/g", .create)
        try other.writeAll([1], at: 0)
        try other.synchronize()
        try disk.remove("/f")
        #expect(Set(disk.doubts) == [.name("/f"), .name("/g")])
        let old = disk.afterCrash { _ in false }
        #expect(old.isThere("/f") && !old.isThere("/g"))
        let new = disk.afterCrash { _ in true }
        #expect(!new.isThere("/f") && new.isThere("/g"))
        try disk.synchronizeDirectory("/")
        #expect(disk.doubts == [])
    }

    @Test func `after a failed sync the cache shows what the disk never got`() throws {
        let (disk, file) = try Self.disk()
        try file.writeAll([UInt8](repeating: 2, count: 1_024), at: 0)
        disk.onOperation { $0.kind == .synchronize ? .lostSync(5, pattern: 0b10) : nil }
        #expect(throws: FileError.self) { try file.synchronize() }
        disk.onOperation(nil)
        try file.synchronize()
        #expect(try file.bytes(at: 0, count: 1_024) == [UInt8](repeating: 2, count: 1_024))
        let direct = try disk.open("/f", .readDirect).bytes(at: 0, count: 1_024)
        #expect(direct == [UInt8](repeating: 1, count: 512) + [UInt8](repeating: 2, count: 512))
        #expect(disk.afterCrash { _ in true }.bytes(of: "/f")?.prefix(1_024) == direct[...])
        // Written again, it waits for a sync as anything does.
        try file.writeAll([UInt8](repeating: 3, count: 512), at: 0)
        #expect(disk.doubts == [.sector("/f", 0)])
        try file.synchronize()
        #expect(disk.afterCrash { _ in false }.bytes(of: "/f")?.first == 3)
    }

    @Test func `reads and writes may be short, bits may flip`() throws {
        let (disk, file) = try Self.disk()
        disk.onOperation { _ in .short(5) }
        var bytes = [UInt8](repeating: 0, count: 100)
        #expect(try bytes.withUnsafeMutableBytes { room throws(FileError) in try file.read(into: room, at: 0) } == 5)
        disk.onOperation(nil)
        #expect(disk.flip(0x80, in: "/f", at: 3))
        #expect(try file.bytes(at: 3, count: 1) == [0x81])
        #expect(!disk.flip(1, in: "/f", at: 1_536))
    }

    @Test func `two disks have one fingerprint if they hold the same`() throws {
        let (disk, file) = try Self.disk()
        let (other, _) = try Self.disk()
        #expect(disk.fingerprint == other.fingerprint)
        try file.writeAll([9], at: 700)
        #expect(disk.fingerprint != other.fingerprint)
    }
}
