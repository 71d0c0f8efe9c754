import Foundation
import TestSupport

@testable import ShardlineCLI

/// Takes what a command writes.
final class Recorder {
    private let file: FileHandle
    let output: Output

    init(in folder: TestDirectory) throws {
        let path = folder.url(UUID().uuidString)
        try Data().write(to: path)
        file = try FileHandle(forUpdating: path)
        output = Output(file.fileDescriptor)
    }

    /// What was written so far.
    var text: String {
        let end = file.offsetInFile
        file.seek(toFileOffset: 0)
        defer { file.seek(toFileOffset: end) }
        return String(decoding: file.readDataToEndOfFile(), as: UTF8.self)
    }

    var lines: [String] { text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init) }
}
