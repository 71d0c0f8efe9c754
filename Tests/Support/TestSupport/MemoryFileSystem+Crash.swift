import CHash
import Synchronization

/// What a crash may leave of a disk.
extension MemoryFileSystem {
    /// One thing of which a crash leaves either the old form or the new one.
    package enum Doubt: Hashable, Sendable, CustomStringConvertible {
        /// A sector of 512 bytes of a file.
        case sector(String, Int)
        /// A file's length.
        case size(String)
        /// Whether a path leads somewhere, and where to.
        case name(String)

        /// The path that it is about.
        package var path: String {
            switch self {
            case .sector(let path, _), .size(let path), .name(let path): path
            }
        }

        package var description: String {
            switch self {
            case .sector(let path, let number): "\(path)[\(number)]"
            case .size(let path): "the length of \(path)"
            case .name(let path): "the name \(path)"
            }
        }
    }

    /// All that a crash now would leave to chance, in an order that is always the same.
    package var doubts: [Doubt] {
        state.withLock { state in
            var doubts: [Doubt] = []
            for path in Set(state.names.keys).union(state.syncedNames.keys).sorted() {
                if state.names[path] != state.syncedNames[path] { doubts.append(.name(path)) }
                for number in Set([state.names[path], state.syncedNames[path]].compactMap(\.self)).sorted() {
                    guard let node = state.nodes[number], !node.isDirectory else { continue }
                    let inDoubt = node.doubts
                    if inDoubt.size { doubts.append(.size(path)) }
                    doubts += inDoubt.sectors.map { .sector(path, $0) }
                }
            }
            return doubts
        }
    }

    /// Whether a crash now would leave of what is in this directory what readers see, names included.
    package func isDurable(in directory: String) -> Bool {
        state.withLock { state in
            state.names.allSatisfy { path, number in
                !path.hasPrefix(directory + "/")
                    || state.syncedNames[path] == number && state.nodes[number]?.isDurable ?? true
            }
        }
    }

    /// The disk after a crash that kept the new form of what `keeps` says so of.
    package func afterCrash(keeping keeps: (Doubt) -> Bool) -> MemoryFileSystem {
        state.withLock { state in
            var left = State()
            left.records = state.records
            left.lastNode = state.lastNode
            for path in Set(state.names.keys).union(state.syncedNames.keys).sorted() {
                let (now, synced) = (state.names[path], state.syncedNames[path])
                guard let number = now == synced || keeps(.name(path)) ? now : synced, let node = state.nodes[number]
                else { continue }
                left.names[path] = number
                guard !node.isDirectory else {
                    left.nodes[number] = node
                    continue
                }
                left.nodes[number] = node.afterCrash(
                    keepsSector: { keeps(.sector(path, $0)) },
                    keepsSize: node.syncedSize == node.bytes.count || keeps(.size(path)))
            }
            // What is in a directory whose name is gone can't be found any more.
            for path in left.names.keys.sorted() where path != "/" {
                let parent = String(path[..<path.lastIndex(of: "/")!])
                if !parent.isEmpty, left.names[parent] == nil { left.names[path] = nil }
            }
            left.syncedNames = left.names
            return MemoryFileSystem(left)
        }
    }

    /// The disk after a crash: without what was not synced or with all of it, names aside, which are as they were.
    package func afterCrash(losingUnsynced: Bool = true) -> MemoryFileSystem {
        afterCrash { doubt in
            if case .name = doubt { true } else { !losingUnsynced }
        }
    }

    /// The same disk once more, as it is at this moment, what is unsynced included.
    package func copy() -> MemoryFileSystem { MemoryFileSystem(state.withLock { $0 }) }

    /// What is on the disk, names and bytes, as 128 bits: the same for two disks that hold the same.
    package var fingerprint: [UInt8] {
        var told: [UInt8] = []
        state.withLock { state in
            for path in state.names.keys.sorted() {
                guard let node = state.node(at: path) else { continue }
                told += Array(path.utf8)
                told += withUnsafeBytes(of: node.bytes.count) { Array($0) }
                node.appendContent(to: &told)
            }
        }
        var digest = [UInt8](repeating: 0, count: 16)
        shardline_md5(told, told.count, &digest)
        return digest
    }
}
