import Synchronization

/// A file that is read past the system's page cache where its file system can do that, and through the cache where not,
/// after the cache was told to forget the file.
///
/// Some file systems refuse O_DIRECT at opening, others take it and refuse the reads (FUSE, devices that count in larger
/// units than 4,096 bytes). Either is noticed, once for the file.
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

    /// Whether it is read past the cache, as far as is known yet.
    package var isUncached: Bool {
        way.withLock { if case .direct = $0 { true } else { false } }
    }

    /// As ``File/read(into:at:)``; memory, length and offset have to be multiples of ``Page/size``, but for an offset at
    /// which a read before has ended.
    package func read(into room: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        if let direct = way.withLock({ if case .direct(let file) = $0 { file } else { nil } }) {
            do throws(FileError) {
                return try direct.read(into: room, at: offset)
            } catch {
                guard error.isUnsupported else { throw error }
                // The end of a file that is no multiple of a page is nothing to be refused for good.
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
