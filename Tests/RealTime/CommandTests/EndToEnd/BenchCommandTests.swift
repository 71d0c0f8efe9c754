import Foundation
import TestSupport
import Testing

/// `bench` as a user types it.
@Suite(.serialized, .timeLimit(.minutes(2))) struct BenchCommandTests {
    private func bench(_ arguments: [String], _ folder: TestDirectory) async throws -> BuiltProgram.End {
        let place = arguments.contains("--data") ? [] : ["--data", folder.path]
        return try await BuiltProgram.shardline.run(["bench", "--size", "50"] + place + arguments)
    }

    /// A function that answers this to everything.
    private func answering(_ answer: String) -> String { "while read -r line; do echo '\(answer)'; done" }

    @Test(arguments: [#"{"errorMessage":"no luck"}"#, #"{"errorMessage":"no luck","permanent":true}"#])
    func `a function that does nothing but fail makes the bench fail, and the text says so`(
        answer: String
    ) async throws {
        let folder = TestDirectory()
        let end = try await bench(["--records", "10", "--exec", answering(answer)], folder)
        #expect(end.status == 1)
        #expect(end.output.contains("failed invocations"), "\(end.output)")
        #expect(end.output.contains("consumed") && end.output.contains(" 0/s"), "\(end.output)")
        #expect(!end.output.contains("complete, in order"), "\(end.output)")
        #expect(end.errors.contains("the function did not do 10 of 10 records"), "\(end.errors)")
        #expect(end.errors.contains("its last error: no luck"), "\(end.errors)")
    }

    @Test func `a function whose failures are mended by retries proves what another one does`() async throws {
        let folder = TestDirectory()
        let function =
            #"n=0; while read -r line; do n=$((n+1)); [ $((n%3)) = 1 ] && echo '{"errorMessage":"x"}' || echo; done"#
        let end = try await bench(["--records", "200", "--json", "--exec", function], folder)
        #expect(end.status == 0, "\(end.errors)")
        let report = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        #expect(report?["failed_invocations"] as? Int ?? 0 > 0)
        #expect(report?["given_up"] as? Int == 0 && report?["unfinished"] as? Int == 0)
        #expect(report?["consumed_records_per_s"] as? Double ?? 0 > 0)
    }

    @Test func `directories that the bench has made go again, others stay`() async throws {
        let folder = TestDirectory()
        var end = try await bench(["--records", "10", "--data", folder.path("not/there")], folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        try FileManager.default.createDirectory(atPath: folder.path("mine"), withIntermediateDirectories: false)
        end = try await bench(["--records", "10", "--data", folder.path("mine/not/there")], folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["mine"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("mine")) == [])
    }

    @Test(arguments: ["/proc", "/dev/null/x"])
    func `a place where no directory can be made is named`(place: String) async throws {
        let folder = TestDirectory()
        let end = try await bench(["--records", "10", "--data", place], folder)
        #expect(end.status == 74 && end.output.isEmpty)
        #expect(end.errors.contains("no directory can be made in '\(place)'"), "\(end.errors)")
        #expect(!end.errors.contains("operation could") && end.errors.filter { $0 == "\n" }.count == 1)
    }
}
