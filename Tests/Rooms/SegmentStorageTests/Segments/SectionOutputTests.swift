import DiskAccess
import Testing
import TestSupport

@testable import SegmentStorage

/// What goes to a segment past the page cache, and what around it goes through it, is in the file as it was appended.
@Suite struct SectionOutputTests {
    /// The file's bytes after pieces of these lengths were appended from `start`, and what they should be.
    private func written(
        _ lengths: [Int], from start: Int, to fileSystem: any FileSystem, at path: String
    ) throws -> (found: [UInt8], expected: [UInt8]) {
        let file = try fileSystem.open(path, .create)
        let before = (0..<start).map { UInt8(truncatingIfNeeded: $0 * 3) }
        try file.writeAll(before, at: 0)
        var output = SectionOutput(at: start)
        var expected = before
        for (number, length) in lengths.enumerated() {
            let piece = Array(Self.pattern[7 * number..<7 * number + length])
            try output.append(piece, to: file)
            expected += piece
            #expect(output.end == expected.count)
            if output.count >= FlushMachine.pieceBytes { try output.writePages(to: file) }
        }
        try output.writeAll(to: file)
        #expect(output.count == 0 && output.end == expected.count)
        try file.synchronize()
        return (try file.bytes(at: 0, count: expected.count + 1), expected)
    }

    private static let pattern = (0..<4 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    private static let block = 64 << 10
    private static let cases: [[Int]] = [
        [], [1], [4096], [100, 3996], [block], [block + 1, block - 1], Array(repeating: 17_001, count: 200),
        Array(repeating: block + 57, count: 40), [900_000, 200_000], [10, 3 << 20, 5], [2 << 20, 2 << 20],
    ]

    @Test(arguments: cases, [0, 64, 4095, 4096, 10_000])
    func `every byte is where it belongs`(lengths: [Int], start: Int) throws {
        let directory = TestDirectory()
        let real = try written(lengths, from: start, to: POSIXFileSystem(), at: directory.path + "/f")
        #expect(real.found == real.expected)
        let simulated = try written(lengths, from: start, to: MemoryFileSystem(), at: "/f")
        #expect(simulated.found == simulated.expected)
    }

    @Test func `a small section is one write`() throws {
        let disk = MemoryFileSystem()
        let file = try disk.open("/f", .create)
        var output = SectionOutput(at: 64)
        for _ in 0..<5 { try output.append([1, 2, 3], to: file) }
        let before = disk.operations.count
        try output.writeAll(to: file)
        #expect(disk.operations.count == before + 1)
    }
}
