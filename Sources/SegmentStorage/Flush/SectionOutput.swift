import DiskAccess

/// The output buffer of a section: bytes that are made and not in the file yet.
///
/// Whole pages bypass the system's page cache: a flush writes much that is rarely read, and for incompressible records
/// filling new pages of the cache costs as much as all other work. The bytes before the first whole page and after the
/// last one go through the cache.
struct SectionOutput {
    /// Fewer bytes than this go through the cache: a separate write costs more than copying them.
    static let directFrom = 64 << 10

    /// Room for one write, for the block that exceeds it, and for a page before it.
    private let room = OwnedBytes(
        uninitialized: FlushMachine.pieceBytes + 2 * Block.rawLimit, alignment: Page.size)
    /// The offset in the file of the buffer's first byte; a multiple of the page size.
    private var base: Int
    /// The part of the buffer that is not written yet.
    private var unwritten: Range<Int>

    /// An empty buffer; the first byte belongs at `offset`.
    init(at offset: Int) {
        base = offset - offset % Page.size
        unwritten = offset - base..<offset - base
    }

    /// The offset in the file of the next byte.
    var end: Int { base + unwritten.upperBound }

    /// The number of unwritten bytes.
    var count: Int { unwritten.count }

    /// Appends `bytes`; where there is no room for them, writes the buffer first.
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

    /// Writes the whole pages.
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

    /// Writes everything.
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
