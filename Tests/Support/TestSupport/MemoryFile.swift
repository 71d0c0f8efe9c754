import DiskAccess
import Synchronization

/// An open file of a ``MemoryFileSystem``; it stays readable when its name is gone.
final class MemoryFile: File {
    let path: String
    private let number: Int
    private let isDirect: Bool
    private let system: MemoryFileSystem

    init(path: String, number: Int, isDirect: Bool, system: MemoryFileSystem) {
        self.path = path
        self.number = number
        self.isDirect = isDirect
        self.system = system
    }

    func size() throws(FileError) -> Int { system.state.withLock { $0.nodes[number]?.bytes.count ?? 0 } }

    func write(_ pieces: ArraySlice<UnsafeRawBufferPointer>, at offset: Int) throws(FileError) -> Int {
        var count = pieces.reduce(0) { $0 + $1.count }
        switch system.begin(.init(kind: .write, path: path, count: count, offset: offset)) {
        case .error(let code): throw FileError(.write, path, code: code)
        case .errorAfter(let bytes, let code):
            // The system reports what went out first; the error comes with the next call.
            guard bytes > 0 else { throw FileError(.write, path, code: code) }
            count = min(count, bytes)
        case .short(let bytes): count = min(count, max(1, bytes))
        case .lostSync, .lyingSync, nil: break
        }
        let room = system.state.withLock { state in
            max(0, (state.nodes[number]?.bytes.count ?? 0) - offset) + max(0, state.capacity - state.used)
        }
        guard count == 0 || room > 0 else { throw FileError(.write, path, code: 28) }
        count = min(count, room)
        var left = count
        var taken: [UnsafeRawBufferPointer] = []
        for piece in pieces where left > 0 {
            taken.append(UnsafeRawBufferPointer(rebasing: piece.prefix(left)))
            left -= min(left, piece.count)
        }
        system.state.withLock { $0.nodes[number]?.write(taken, at: offset) }
        return count
    }

    func read(into room: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        var room = room
        if isDirect, system.directReading == .refusedAtReading { throw FileError(.read, path, code: 22) }
        switch system.begin(.init(kind: .read, path: path, count: room.count, offset: offset)) {
        case .error(let code): throw FileError(.read, path, code: code)
        case .short(let count): room = UnsafeMutableRawBufferPointer(rebasing: room.prefix(max(1, count)))
        case .errorAfter, .lostSync, .lyingSync, nil: break
        }
        return system.state.withLock { $0.nodes[number]?.read(into: room, at: offset, direct: isDirect) ?? 0 }
    }

    func synchronize() throws(FileError) {
        switch system.begin(.init(kind: .synchronize, path: path)) {
        case .error(let code): throw FileError(.synchronize, path, code: code)
        case .lostSync(let code, let pattern):
            system.state.withLock { $0.nodes[number]?.failToSynchronize { pattern >> ($0 % 64) & 1 == 1 } }
            throw FileError(.synchronize, path, code: code)
        case .lyingSync: break
        case .errorAfter, .short, nil: system.state.withLock { $0.nodes[number]?.synchronize() }
        }
    }

    func beginWriting(_ range: Range<Int>) {}

    func forgetCached() { system.state.withLock { $0.nodes[number]?.forgetCached() } }

    func truncate(to size: Int) throws(FileError) {
        if case .error(let code) = system.begin(.init(kind: .truncate, path: path)) {
            throw FileError(.truncate, path, code: code)
        }
        system.state.withLock { $0.nodes[number]?.truncate(to: size) }
    }
}
