import DiskAccess
import SegmentStorage
import StreamModel

/// Reads the pieces of a segment's file one after the other, and continues after damage at the next undamaged piece.
struct SegmentScan {
    /// An undamaged piece.
    enum Piece {
        case block(Block)
        case streams([StreamDescriptor])
        case slices([Slice])
        case directory([SegmentIndex.PartReference])
        case trailer(SegmentIndex.Trailer)
    }

    /// What the scan found at an offset.
    enum Found {
        case piece(Piece, Range<Int>)
        /// No undamaged piece begins here. The range ends at the next undamaged piece or at the end.
        case damage(Range<Int>, FormatDamage)
    }

    private let file: any File
    private let segment: UInt64
    private let storeSeed: UInt32
    private let end: Int
    private var at: Int

    /// - Parameter end: the end of the part to scan, at most the file's length.
    init(_ file: any File, segment: UInt64, storeSeed: UInt32, from start: Int, to end: Int) {
        self.file = file
        self.segment = segment
        self.storeSeed = storeSeed
        self.end = end
        at = start
    }

    mutating func next() throws(FileError) -> Found? {
        guard at < end else { return nil }
        let start = at
        let reason: FormatDamage
        switch try piece(at: start) {
        case .success(let (piece, length)):
            at = start + length
            return .piece(piece, start..<at)
        case .failure(let damage): reason = damage
        }
        at = try nextWhole(behind: start) ?? end
        return .damage(start..<at, reason)
    }

    private func piece(at offset: Int) throws(FileError) -> Result<(Piece, Int), FormatDamage> {
        let head = try file.bytes(at: offset, count: min(PieceHeader.size, end - offset))
        let header: PieceHeader
        do { header = try PieceHeader.peek(head) } catch { return .failure(error) }
        guard header.bytes <= end - offset else {
            return .failure(FormatDamage("a piece of a segment goes on past the end"))
        }
        let bytes = try file.bytes(at: offset, count: header.bytes)
        guard bytes.count == header.bytes else { return .failure(FormatDamage("the file ends too early")) }
        do {
            return .success((try Self.decode(bytes, header, at: place(offset)), header.bytes))
        } catch {
            return .failure(error)
        }
    }

    private func place(_ offset: Int) -> SegmentPlace {
        SegmentPlace(storeSeed: storeSeed, segment: segment, offset: UInt64(offset))
    }

    private static func decode(
        _ bytes: [UInt8], _ header: PieceHeader, at place: SegmentPlace
    ) throws(FormatDamage) -> Piece {
        switch header.magic {
        case .block: return .block(try Block.decode(bytes, at: place))
        case .trailer: return .trailer(try SegmentIndex.decodeTrailer(bytes, at: place))
        case .index:
            switch try SegmentIndex.partKind(bytes).kind {
            case .streams: return .streams(try SegmentIndex.decodeStreams(bytes, at: place))
            case .slices: return .slices(try SegmentIndex.decodeSlices(bytes, at: place))
            case .directory: return .directory(try SegmentIndex.decodeDirectory(bytes, at: place))
            }
        }
    }

    /// The offset of the next undamaged piece. Pieces are not aligned, so every byte is tried.
    private func nextWhole(behind start: Int) throws(FileError) -> Int? {
        let window = 1 << 20
        var base = start + 1
        while base + PieceHeader.size <= end {
            let bytes = try file.bytes(at: base, count: min(window + 3, end - base))
            for index in 0..<max(0, bytes.count - 3)
            where bytes[index] == 0x53 && bytes[index + 1] == 0x4C && index < window {
                let magic = LittleEndian.read(UInt32.self, from: bytes, at: index)
                guard PieceHeader.Magic(rawValue: magic) != nil else { continue }
                if case .success = try piece(at: base + index) { return base + index }
            }
            base += window
        }
        return nil
    }
}
