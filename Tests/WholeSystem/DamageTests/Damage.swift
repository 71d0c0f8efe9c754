import TestSupport

/// One thing that is done to a store's files.
enum Damage: Sendable, CustomStringConvertible {
    case flip(String, Int, UInt8)
    /// The file ends here.
    case cut(String, Int)
    case remove(String)
    case swap(String, String)
    /// Other bytes, as many.
    case garbage(String, UInt64)

    var description: String {
        switch self {
        case .flip(let file, let offset, let mask): "\(file), byte \(offset) flipped by \(mask)"
        case .cut(let file, let length): "\(file) cut to \(length) bytes"
        case .remove(let file): "\(file) removed"
        case .swap(let one, let other): "\(one) and \(other) swapped"
        case .garbage(let file, let seed): "\(file) replaced by garbage \(seed)"
        }
    }

    /// The files that are not what they were.
    var files: [String] {
        switch self {
        case .flip(let file, _, _), .cut(let file, _), .remove(let file), .garbage(let file, _): [file]
        case .swap(let one, let other): [one, other]
        }
    }

    func apply(to files: inout [String: [UInt8]]) {
        switch self {
        case .flip(let file, let offset, let mask): files[file]![offset] ^= mask
        case .cut(let file, let length): files[file]!.removeLast(files[file]!.count - length)
        case .remove(let file): files[file] = nil
        case .swap(let one, let other): (files[one], files[other]) = (files[other], files[one])
        case .garbage(let file, let seed):
            var random = SeededRandom(seed)
            files[file] = random.bytes(files[file]!.count)
        }
    }

    /// Whether any of these bytes of a file are no longer there, or others.
    func touches(_ file: String, _ bytes: Range<Int>) -> Bool {
        switch self {
        case .flip(let own, let offset, _): own == file && bytes.contains(offset)
        case .cut(let own, let length): own == file && bytes.upperBound > length
        case .remove, .swap, .garbage: files.contains(file)
        }
    }

    /// Every byte of every file flipped, one at a time, every length that a file can be cut to, and the coarse ones.
    /// One bit of each byte, by turns another one.
    static func all(of files: [String: [UInt8]]) -> [Damage] {
        var all: [Damage] = []
        let names = files.keys.filter { $0 != "lock" }.sorted()
        for name in names {
            let count = files[name]!.count
            all += (0..<count).map { .flip(name, $0, 1 << ($0 % 8)) }
            all += (0..<count).map { .cut(name, $0) }
            all.append(.remove(name))
            all += (1...8).map { .garbage(name, $0) }
            all += names.filter { $0 > name }.map { .swap(name, $0) }
        }
        return all
    }
}
