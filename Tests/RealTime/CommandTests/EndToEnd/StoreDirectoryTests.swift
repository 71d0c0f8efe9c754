import Foundation
import TestSupport
import Testing

/// Every command that works on a store finds it in the same ways: as an argument where it takes one, by `--data`, by
/// SHARDLINE_DATA.
@Suite(.timeLimit(.minutes(2))) struct StoreDirectoryTests {
    private enum Way: CaseIterable { case variable, option, optionInFront, argument }

    private func run(_ words: [String], _ way: Way, _ folder: TestDirectory, store: String) async throws
        -> BuiltProgram.End
    {
        let (before, behind) =
            way == .optionInFront ? (["--data", store], []) : ([], way == .option ? ["--data", store] : [])
        return try await BuiltProgram.shardline.run(
            before + words + behind,
            environment: ["SHARDLINE_DATA": way == .variable ? store : folder.path("another")])
    }

    @Test func `backup, check, repair and restore find the store in every way`() async throws {
        let folder = try await TwoProcessTests.prepared(shards: 1)
        let store = folder.path("store")
        for (index, way) in Way.allCases.enumerated() {
            let named = way == .argument ? [store] : []
            let (copy, again) = (folder.path("copy\(index)"), folder.path("again\(index)"))
            for words in [["backup"] + named + [copy], ["check"] + named, ["repair"] + named] {
                let end = try await run(words, way, folder, store: store)
                #expect(end.status == 0, "\(words): \(end.output) \(end.errors)")
            }
            let end = try await run(["restore", copy] + (way == .argument ? [again] : []), way, folder, store: again)
            #expect(end.status == 0 && end.errors.contains("to '\(again)'"), "\(end.errors)")
            #expect(FileManager.default.fileExists(atPath: again + "/metadata.sqlite"))
        }
        #expect(!FileManager.default.fileExists(atPath: folder.path("another")))
    }

    @Test func `a store that is given twice, not at all or as nothing is a wrong command line`() async throws {
        let folder = try await TwoProcessTests.prepared(shards: 1)
        let (store, copy) = (folder.path("store"), folder.path("copy"))
        for (words, variable, part) in [
            (["backup", store, copy, "--data", store], store, "named twice"),
            (["check", store, "--data", store], store, "named twice"),
            (["repair", store, "--data", store], store, "named twice"),
            (["restore", copy, store, "--data", store], store, "named twice"),
            (["backup", copy], "", "which store?"), (["restore", copy], "", "which store?"),
            (["check"], "", "which store?"), (["repair"], "", "which store?"),
            (["backup"], store, "'<target>'"), (["restore"], store, "'<backup>'"),
            (["backup", store, copy, "more"], store, "3 directories are given"),
            (["backup", ""], store, "the copy's directory is empty"), (["backup", "", copy], store, "is empty"),
            (["check", ""], store, "is empty"), (["repair", ""], store, "is empty"),
            (["restore", ""], store, "the backup's directory is empty"), (["restore", copy, ""], store, "is empty"),
            (["stream", "list", "--data", ""], store, "--data is empty"),
            (["--data", "", "stream", "list"], store, "--data is empty"),
            (["--data=", "stream", "list"], store, "Missing value for '--data <data>'"),
        ] {
            let end = try await BuiltProgram.shardline.run(words, environment: ["SHARDLINE_DATA": variable])
            #expect(end.status == 64 && end.output.isEmpty, "\(words): \(end.output) \(end.errors)")
            #expect(
                end.errors.contains(part) && end.errors.filter { $0 == "\n" }.count == 1, "\(words): \(end.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: copy))
    }
}
