import Foundation
import TestSupport
import Testing

/// `shardline mapping update`, `disable` and `enable`, and what `describe` says of them.
@Suite(.timeLimit(.minutes(2))) struct MappingControlTests {
    private func consume(_ folder: TestDirectory) async throws -> BuiltProgram.End {
        try await BadInputTests.shardline(
            [
                "consume", "a", "--mapping", "m", "--batch-size", "2", "--until-caught-up", "--exec",
                "while read line; do echo '{}'; done",
            ], folder)
    }

    @Test func `a mapping is updated, disabled and enabled, and says by whom and why`() async throws {
        let folder = try await BadInputTests.store()
        var end = try await BadInputTests.shardline(["put", "a", "--key", "k"], folder, input: "1\n2\n3\n4\n")
        #expect(end.status == 0)
        end = try await consume(folder)
        #expect(end.status == 0, "\(end.errors)")
        end = try await BadInputTests.shardline(
            ["mapping", "update", "a", "m", "--batch-size", "3", "--no-bisect", "--reason", "the night job"], folder)
        #expect(end.status == 0 && end.errors.contains("(revision 1)"), "\(end.errors)")
        end = try await BadInputTests.shardline(["mapping", "disable", "a", "m", "--reason", "it moves"], folder)
        #expect(end.status == 0 && end.errors.contains("disabled the mapping 'm' of 'a'"), "\(end.errors)")
        end = try await BadInputTests.shardline(["mapping", "describe", "a", "m"], folder)
        #expect(end.output.contains("state      disabled"), "\(end.output)")
        #expect(end.output.contains("changed    disabled by ") && end.output.contains(": it moves"), "\(end.output)")
        end = try await BadInputTests.shardline(["mapping", "enable", "a", "m"], folder)
        #expect(end.status == 0, "\(end.errors)")
        // The same command again keeps the update.
        #expect(try await consume(folder).status == 0)
        end = try await BadInputTests.shardline(["mapping", "describe", "a", "m", "--json"], folder)
        let json = try #require(JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any])
        let settings = try #require(json["settings"] as? [String: Any])
        #expect(settings["batchSize"] as? Int == 3 && settings["bisectOnError"] as? Bool == false)
        #expect(json["isEnabled"] as? Bool == true && json["lifeCycleState"] as? String == "enabled")
        let history = try #require(json["history"] as? [[String: Any]])
        #expect(history.map { $0["reason"] as? String } == ["the night job", "it moves", ""])
        #expect(history.map { $0["isEnabled"] as? Bool } == [nil, false, true])
    }

    @Test func `what can't be set is said with what is allowed`() async throws {
        let folder = try await BadInputTests.store()
        #expect(try await consume(folder).status == 0)
        for (arguments, status, part) in [
            (["--batch-size", "0"], 64, "--batch-size 0 (allowed: 1 to 10"), ([], 64, "has these settings already"),
            (["--filter", "{}", "--no-filter"], 64, "can't be given together"),
            (["--on-failure", "file:relative.jsonl"], 64, "is relative"),
        ] as [([String], Int32, String)] {
            let end = try await BadInputTests.shardline(["mapping", "update", "a", "m"] + arguments, folder)
            #expect(end.status == status && end.errors.contains(part), "\(end.errors)")
        }
        let end = try await BadInputTests.shardline(["mapping", "disable", "a", "nosuch"], folder)
        #expect(end.status == 1 && end.errors.contains("nosuch"), "\(end.errors)")
    }
}
