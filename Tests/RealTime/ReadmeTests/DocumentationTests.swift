import Foundation
import TestSupport
import Testing

/// What `make docs` does, on the modules that the tests were built with.
@Suite struct DocumentationTests {
    @Test(.timeLimit(.minutes(2))) func `DocC builds the documentation of the products without a warning`() async throws
    {
        let modules = URL(filePath: BuiltProgram.shardline.path).deletingLastPathComponent().appending(path: "Modules")
        let script = BuiltProgram(path: Readme.root.appending(path: "Documentation/build.sh").path)
        let end = try await script.run(["--modules", modules.path])
        #expect(end.status == 0, "\(end.errors)\(end.output)")
    }
}
