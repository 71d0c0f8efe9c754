import Foundation
import TestSupport

/// The fenced blocks of README.md.
struct Readme {
    /// One block of code.
    struct Block: CustomStringConvertible {
        var language: String
        var lines: [String]
        /// The README's line that it begins after.
        var line: Int
        var text: String { lines.joined(separator: "\n") }
        var description: String { "README.md:\(line) (\(language))" }
    }

    static let root = URL(filePath: PackageFolder.path)

    let blocks: [Block]

    init() throws { try self.init(text: String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)) }

    init(text: String) {
        var blocks: [Block] = []
        var open: Block?
        for (number, line) in text.components(separatedBy: "\n").enumerated() {
            if line.hasPrefix("```") {
                if let block = open {
                    blocks.append(block)
                    open = nil
                } else {
                    open = Block(language: String(line.dropFirst(3)), lines: [], line: number + 1)
                }
            } else {
                open?.lines.append(line)
            }
        }
        self.blocks = blocks
    }

    func blocks(_ language: String) -> [Block] { blocks.filter { $0.language == language } }
}
