import Glibc

/// What a file of a ``MemoryFileSystem`` holds: what readers see, and what the disk would still have after a crash.
///
/// A disk writes sectors of 512 bytes, each whole or not at all, in any order, until the file was synced.
struct MemoryNode: Sendable {
    static let sectorSize = 512

    /// What a reader sees.
    private(set) var bytes: [UInt8] = []
    let isDirectory: Bool
    /// The sectors that were written since the last sync, with what the disk surely has in their place.
    private(set) var unsynced: [Int: ArraySlice<UInt8>] = [:]
    /// Sectors that a failed sync gave up: the cache shows them, the disk has this, and no sync writes them any more.
    private(set) var givenUp: [Int: ArraySlice<UInt8>] = [:]
    /// The length as of the last sync.
    private(set) var syncedSize = 0

    init(isDirectory: Bool = false) { self.isDirectory = isDirectory }

    /// A file whose bytes are all on the disk.
    init(synced bytes: [UInt8]) {
        self.bytes = bytes
        isDirectory = false
        syncedSize = bytes.count
    }

    private func sector(_ number: Int) -> ArraySlice<UInt8> {
        let start = min(number * Self.sectorSize, bytes.count)
        return bytes[start..<min(start + Self.sectorSize, bytes.count)]
    }

    // Plain loops: ring files are written whole, and unoptimized builds are slow in anything else.

    private mutating func touch(_ sectors: ClosedRange<Int>) {
        var number = sectors.lowerBound
        while number <= sectors.upperBound {
            if unsynced[number] == nil {
                unsynced[number] = givenUp.removeValue(forKey: number) ?? ArraySlice(Array(sector(number)))
            }
            number += 1
        }
    }

    /// Forgets sectors that are on the disk as they are.
    private mutating func settle(_ sectors: ClosedRange<Int>) {
        var number = sectors.lowerBound
        while number <= sectors.upperBound {
            let now = sector(number)
            if let before = unsynced[number], before.count <= now.count, Self.isSame(before, now) {
                unsynced[number] = nil
            }
            number += 1
        }
    }

    /// Whether a sector is as it was, or was lengthened by zeros: that is a matter of the file's length alone.
    private static func isSame(_ before: ArraySlice<UInt8>, _ now: ArraySlice<UInt8>) -> Bool {
        now.withUnsafeBytes { now in
            before.withUnsafeBytes { before in
                (before.isEmpty || memcmp(before.baseAddress!, now.baseAddress!, before.count) == 0)
                    && (before.count == now.count
                        || zeros.withUnsafeBytes {
                            memcmp($0.baseAddress!, now.baseAddress! + before.count, now.count - before.count) == 0
                        })
            }
        }
    }

    private static let zeros = [UInt8](repeating: 0, count: sectorSize)

    mutating func write(_ pieces: [UnsafeRawBufferPointer], at offset: Int) {
        let count = pieces.reduce(0) { $0 + $1.count }
        guard count > 0 else { return }
        let end = offset + count
        // The sector in which the file ended is written again too where the file grows.
        let first = min(offset, bytes.count) / Self.sectorSize
        let sectors = first...(end - 1) / Self.sectorSize
        touch(sectors)
        if bytes.count < end { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
        bytes.withUnsafeMutableBytes { bytes in
            var place = offset
            for piece in pieces where !piece.isEmpty {
                UnsafeMutableRawBufferPointer(rebasing: bytes[place..<place + piece.count]).copyMemory(from: piece)
                place += piece.count
            }
        }
        settle(sectors)
    }

    mutating func truncate(to size: Int) {
        let (low, high) = (min(size, bytes.count), max(size, bytes.count))
        guard low < high else { return }
        let sectors = low / Self.sectorSize...(high - 1) / Self.sectorSize
        touch(sectors)
        if size < bytes.count {
            bytes.removeLast(bytes.count - size)
        } else {
            bytes.append(contentsOf: repeatElement(0, count: size - bytes.count))
        }
        settle(sectors)
    }

    mutating func synchronize() {
        unsynced = [:]
        syncedSize = bytes.count
    }

    /// A sync that fails: `reaches` says of each sector whether the disk got it all the same. The cache takes all for
    /// written.
    mutating func failToSynchronize(reaches: (Int) -> Bool) {
        for number in unsynced.keys.sorted() where !reaches(number) { givenUp[number] = unsynced[number] }
        unsynced = [:]
        syncedSize = bytes.count
    }

    /// Has readers see the disk's bytes again where the cache showed what it never got.
    mutating func forgetCached() {
        for (number, disk) in givenUp {
            let start = number * Self.sectorSize
            for place in start..<min(start + Self.sectorSize, bytes.count) {
                bytes[place] = place - start < disk.count ? disk[disk.startIndex + place - start] : 0
            }
        }
        givenUp = [:]
    }

    /// Flips bits of one byte behind everybody's back.
    mutating func flip(_ mask: UInt8, at offset: Int) { bytes[offset] ^= mask }

    /// Reads as the cache has it, or past the cache as the disk has it.
    func read(into room: UnsafeMutableRawBufferPointer, at offset: Int, direct: Bool) -> Int {
        guard offset < bytes.count else { return 0 }
        let part = bytes[offset..<min(bytes.count, offset + room.count)]
        room.copyBytes(from: part)
        guard direct else { return part.count }
        for (number, disk) in givenUp {
            for (index, byte) in disk.enumerated() {
                let place = number * Self.sectorSize + index - offset
                if place >= 0, place < part.count { room[place] = byte }
            }
        }
        return part.count
    }

    /// All that is not zero, each sector after its number.
    func appendContent(to told: inout [UInt8]) {
        var number = 0
        while number * Self.sectorSize < bytes.count {
            let sector = sector(number)
            let isZero = sector.withUnsafeBytes { sector in
                Self.zeros.withUnsafeBytes { memcmp(sector.baseAddress!, $0.baseAddress!, sector.count) == 0 }
            }
            if !isZero {
                told.append(UInt8(truncatingIfNeeded: number))
                told.append(UInt8(truncatingIfNeeded: number >> 8))
                told += sector
            }
            number += 1
        }
    }

    /// What is in doubt until the next sync: its sectors, and its length where it changed.
    var doubts: (sectors: [Int], size: Bool) { (unsynced.keys.sorted(), syncedSize != bytes.count) }

    /// Whether the disk has all that readers see.
    var isDurable: Bool { unsynced.isEmpty && givenUp.isEmpty && syncedSize == bytes.count }

    /// The file after a crash that kept the new form of these sectors, and the new length or not.
    func afterCrash(keepsSector: (Int) -> Bool, keepsSize: Bool) -> MemoryNode {
        var left = bytes
        func restore(_ number: Int, _ disk: ArraySlice<UInt8>) {
            let start = number * Self.sectorSize
            let end = start + Self.sectorSize
            if left.count < start + disk.count {
                left.append(contentsOf: repeatElement(0, count: start + disk.count - left.count))
            }
            left.replaceSubrange(start..<start + disk.count, with: disk)
            for place in min(start + disk.count, left.count)..<min(end, left.count) { left[place] = 0 }
        }
        for (number, disk) in givenUp { restore(number, disk) }
        for number in unsynced.keys.sorted() where !keepsSector(number) { restore(number, unsynced[number]!) }
        let size = keepsSize ? bytes.count : syncedSize
        if left.count > size {
            left.removeLast(left.count - size)
        } else {
            left.append(contentsOf: repeatElement(0, count: size - left.count))
        }
        return MemoryNode(synced: left)
    }
}
