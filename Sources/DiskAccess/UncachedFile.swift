import Synchronization

/// A file that is read past the system's page cache where its file system supports that; elsewhere it is read through
/// the cache, after the system was asked to drop the file from it.
///
/// Some file systems refuse O_DIRECT at opening, others accept it and refuse the reads (FUSE, devices with blocks
/// larger than 4,096 bytes). Either switches the file to the cache permanently. Any thread may read; the lock is not
/// held during I/O.
package final class UncachedFile: File {
    private enum Way {
        case direct(any File)
        case cached
    }

    package let path: String
    private let file: any File
    private let way: Mutex<Way>

    /// - Parameter file: the same file, opened for reading through the cache.
    package init(_ file: any File, in fileSystem: any FileSystem) throws(FileError) {
        self.file = file
        path = file.path
        do throws(FileError) {
            way = Mutex(.direct(try fileSystem.open(file.path, .readDirect)))
        } catch {
            guard error.isUnsupported else { throw error }
            way = Mutex(.cached)
            file.forgetCached()
        }
    }

    /// Whether the file is read past the cache, as far as is known yet.
    package var isUncached: Bool {
        way.withLock { if case .direct = $0 { true } else { false } }
    }

    /// As ``File/read(into:at:)``. Memory, length and offset have to be multiples of ``Page/size``; the offset may also
    /// be the end of an earlier read.
    package func read(into room: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        if let direct = way.withLock({ if case .direct(let file) = $0 { file } else { nil } }) {
            do throws(FileError) {
                return try direct.read(into: room, at: offset)
            } catch {
                guard error.isUnsupported else { throw error }
                // An unaligned read at the end of the file is refused too, and does not mean that the file system
                // refuses direct reads.
                if offset % Page.size != 0, try offset >= file.size() { return 0 }
                way.withLock { $0 = .cached }
                file.forgetCached()
            }
        }
        return try file.read(into: room, at: offset)
    }

    package func size() throws(FileError) -> Int { try file.size() }

    package func write(_ pieces: ArraySlice<UnsafeRawBufferPointer>, at offset: Int) throws(FileError) -> Int {
        try file.write(pieces, at: offset)
    }

    package func synchronize() throws(FileError) { try file.synchronize() }
    package func beginWriting(_ range: Range<Int>) { file.beginWriting(range) }
    package func forgetCached() { file.forgetCached() }
    package func truncate(to size: Int) throws(FileError) { try file.truncate(to: size) }
}
