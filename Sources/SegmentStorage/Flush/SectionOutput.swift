import DiskAccess

/// What was made of a section and is not in its file yet.
///
/// Pages that are whole go out past the system's page cache: a flush writes much that mostly nobody reads, and in new
/// pages of the cache that costs as much as all else that is done for incompressible records. The bytes in front of the
/// first whole page, and those behind the last, go through the cache.
struct SectionOutput {
    /// Less than this at a time goes through the cache, as a write of its own costs more than copying it.
    static let directFrom = 64 << 10

    /// Room for what is written at once, for the block that goes beyond it, and for a page in front.
    private let room = OwnedBytes(
        uninitialized: FlushMachine.pieceBytes + 2 * Block.rawLimit, alignment: Page.size)
    /// Where in the file the room begins; a multiple of the page's size.
    private var base: Int
    /// The part of the room that is not written yet.
    private var unwritten: Range<Int>

    /// Nothing yet; what comes first belongs at `offset`.
    init(at offset: Int) {
        base = offset - offset % Page.size
        unwritten = offset - base..<offset - base
    }

    /// Where in the file the next byte belongs.
    var end: Int { base + unwritten.upperBound }

    /// How many bytes wait.
    var count: Int { unwritten.count }

    /// Takes `bytes`, and writes what has no room beside them.
    mutating func append(_ bytes: [UInt8], to file: any File) throws(FileError) {
        if unwritten.upperBound + bytes.count > room.count {
            try writeAll(to: file)
            guard unwritten.upperBound + bytes.count <= room.count else {
                try file.writeAll(bytes, at: end)
                restart(at: end + bytes.count)
                return
            }
        }
        let end = unwritten.upperBound
        bytes.withUnsafeBytes { room.room[end...].copyBytes(from: $0) }
        unwritten = unwritten.lowerBound..<end + bytes.count
    }

    /// Writes the pages that are whole.
    mutating func writePages(to file: any File) throws(FileError) {
        let first = (unwritten.lowerBound + Page.size - 1) / Page.size * Page.size
        let last = unwritten.upperBound / Page.size * Page.size
        guard last - first >= Self.directFrom else { return }
        try write(unwritten.lowerBound..<first, to: file)
        let done = try file.writeDirect(UnsafeRawBufferPointer(rebasing: room.buffer[first..<last]), at: base + first)
        if first + done < last {
            try write(first + done..<last, to: file)
            file.beginWriting(base + first + done..<base + last)
        }
        let left = unwritten.upperBound - last
        room.mutableBase.copyMemory(from: room.mutableBase + last, byteCount: left)
        base += last
        unwritten = 0..<left
    }

    /// Writes all of it.
    mutating func writeAll(to file: any File) throws(FileError) {
        try writePages(to: file)
        try write(unwritten, to: file)
        restart(at: end)
    }

    private mutating func restart(at offset: Int) {
        base = offset - offset % Page.size
        unwritten = offset - base..<offset - base
    }

    private func write(_ part: Range<Int>, to file: any File) throws(FileError) {
        guard !part.isEmpty else { return }
        try file.writeAll(UnsafeRawBufferPointer(rebasing: room.buffer[part]), at: base + part.lowerBound)
    }
}
