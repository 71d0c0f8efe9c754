import Foundation
import TestSupport
import Testing

/// What the fuzzer has found to be worth trying (`make fuzz`), tried without it: the committed corpus, and mutations of it
/// that a seed determines.
@Suite(.timeLimit(.minutes(2)))
struct CorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus")

    private static func corpus(_ target: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = folder.appending(path: target)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
            ("\(target)/\($0)", Array(try Data(contentsOf: folder.appending(path: $0))))
        }
    }

    @Test(arguments: FuzzTarget.all.map(\.name)) func `everything in the corpus holds`(target: String) throws {
        let check = try #require(FuzzTarget.all.first { $0.name == target }).check
        let corpus = try Self.corpus(target)
        #expect(corpus.count > 3, "the corpus of \(target) is missing")
        for (name, bytes) in corpus { #expect(throws: Never.self, "\(name)") { try check(bytes) } }
        #expect(throws: Never.self) { try check([]) }
    }

    @Test(arguments: FuzzTarget.all.map(\.name)) func `mutations of the corpus hold`(target: String) throws {
        let check = try #require(FuzzTarget.all.first { $0.name == target }).check
        let corpus = try Self.corpus(target).map(\.bytes)
        var mutations = Mutations(seed: 5)
        for _ in 0..<400 {
            let bytes = mutations.next(of: corpus)
            do {
                try check(bytes)
            } catch {
                Issue.record("\(error): \(Data(bytes).base64EncodedString())")
                return
            }
        }
    }

    @Test func `every target has a corpus, every corpus a target, and all of it is small`() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(Set(folders) == Set(FuzzTarget.all.map(\.name)))
        let size = try FuzzTarget.all.flatMap { try Self.corpus($0.name) }.reduce(0) { $0 + $1.bytes.count }
        #expect(size < 300 << 10)
    }
}

/// Inputs made of others, as libFuzzer makes them: bytes changed, taken out, put in, and parts of two joined.
struct Mutations {
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed) }

    mutating func next(of corpus: [[UInt8]]) -> [UInt8] {
        var bytes = corpus[Int.random(in: corpus.indices, using: &random)]
        for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&bytes, corpus) }
        return bytes
    }

    private mutating func mutate(_ bytes: inout [UInt8], _ corpus: [[UInt8]]) {
        let place = bytes.isEmpty ? 0 : Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where !bytes.isEmpty: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random)!
        case 2 where !bytes.isEmpty: bytes[place] = .random(in: 0...255, using: &random)
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...8, using: &random)))
        case 4:
            bytes.insert(
                contentsOf: (0..<Int.random(in: 1...8, using: &random)).map { _ in .random(in: 0...255, using: &random)
                },
                at: place)
        case 5:
            let other = corpus[Int.random(in: corpus.indices, using: &random)]
            bytes = Array(bytes.prefix(place)) + other.dropFirst(place)
        default:
            // A number of four bytes that is too large, or larger by one.
            guard place + 4 <= bytes.count else { return }
            let number = [UInt32.max, 1 << 31, 1 << 16, 0, UInt32(bytes.count)].randomElement(using: &random)!
            for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
        }
    }
}
