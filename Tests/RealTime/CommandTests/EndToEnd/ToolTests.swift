import Foundation
import TestSupport
import Testing

/// The commands for bad days, as an operator types them.
@Suite(.serialized, .timeLimit(.minutes(1))) struct ToolTests {
    func shardline(_ arguments: [String], _ folder: TestDirectory) async throws -> BuiltProgram.End {
        try await BadInputTests.shardline(arguments, folder)
    }

    @Test func `check says what is whole and what is damaged, in words and as JSON, by its exit code`() async throws {
        let folder = try await TwoProcessTests.prepared()
        let put = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\nb\nc\n")
        #expect(put.status == 0)
        let store = folder.path("store")
        var end = try await shardline(["check", store], folder)
        #expect(end.status == 0, "\(end.output) \(end.errors)")
        #expect(end.output.hasPrefix("whole: 1 stream, 2 shards, 3 stored records"), "\(end.output)")
        end = try await shardline(["check", "--json"], folder)
        let whole = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        #expect(whole?["verdict"] as? String == "whole")
        #expect((whole?["read"] as? [String: Int])?["records"] == 3)

        // A flipped byte in the records.
        let journal = try #require(
            try FileManager.default.contentsOfDirectory(atPath: store + "/journal").first)
        let file = URL(filePath: "\(store)/journal/\(journal)")
        var bytes = try Data(contentsOf: file)
        let place = try #require(bytes.range(of: Data("kb".utf8)))
        bytes[place.lowerBound + 1] ^= 1
        try bytes.write(to: file)
        end = try await shardline(["check", store], folder)
        #expect(end.status == 74)
        #expect(end.output.contains("journal/\(journal), bytes"), "\(end.output)")
        #expect(end.output.contains("lost: s, shardId-00000000000"), "\(end.output)")
        end = try await shardline(["check", store, "--json"], folder)
        #expect(end.status == 74)
        let damaged = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        let finding = (damaged?["findings"] as? [[String: Any]])?.first
        #expect(finding?["file"] as? String == "journal/\(journal)")
        let lost = (finding?["lost"] as? [[String: Any]])?.first
        #expect(lost?["first"] as? Int == 1 && lost?["last"] as? Int == 3)
        #expect((lost?["startSequenceNumber"] as? String)?.count == 56)

        end = try await shardline(["check", folder.path("nothing")], folder)
        #expect(end.status == 1)
        #expect(end.errors.contains("can't tell"), "\(end.errors)")
    }

    @Test func `a store in use is backed up by its owner, and restored elsewhere`() async throws {
        let folder = try await TwoProcessTests.prepared()
        let consumer = try TwoProcessTests.consume(folder)
        #expect(try await consumer.wait { $0.errors.contains("begins at trim-horizon") })
        let put = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\nb\nc\n")
        #expect(put.status == 0)
        let (store, backup, restored) = (folder.path("store"), folder.path("backup"), folder.path("restored"))

        var end = try await shardline(["check", store], folder)
        #expect(end.status == 1)
        #expect(end.output.contains("in use by process \(consumer.processID)"), "\(end.output)")
        end = try await shardline(["backup", store, backup], folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.errors.contains("backed up 3 stored records"), "\(end.errors)")
        end = try await shardline(["check", backup], folder)
        #expect(end.status == 0, "\(end.output)")
        end = try await shardline(["backup", store, backup], folder)
        #expect(end.status == 74)
        #expect(end.errors.contains("not empty"), "\(end.errors)")
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)

        end = try await shardline(["restore", backup, store], folder)
        #expect(end.status == 74)
        #expect(end.errors.contains("no new and no empty directory"), "\(end.errors)")
        end = try await shardline(["restore", backup, restored], folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.errors.contains("restored 3 stored records"), "\(end.errors)")
        end = try await shardline(["tail", "s", "--from", "trim-horizon", "--data", restored], folder)
        #expect(end.output.split(separator: "\n").map { $0.suffix(1) }.sorted() == ["a", "b", "c"], "\(end.output)")
        end = try await shardline(["check", restored], folder)
        #expect(end.status == 0, "\(end.output)")

        // And a store that nobody has open.
        end = try await shardline(["backup", restored, folder.path("second")], folder)
        #expect(end.status == 0, "\(end.errors)")
    }
}

extension ToolTests {
    @Test(arguments: ["check", "repair", "check --json"])
    func `what is damaged is told by the exit code also where nobody reads the output`(command: String) async throws {
        let folder = try await TwoProcessTests.prepared(shards: 1)
        let store = folder.path("store")
        // Standard output is a pipe whose reading end is closed before the command begins.
        let script = """
            import os, subprocess, sys
            reader, writer = os.pipe()
            os.close(reader)
            sys.exit(subprocess.run(sys.argv[1:], stdout=writer).returncode)
            """
        func unread() async throws -> BuiltProgram.End {
            try await BuiltProgram(path: "/usr/bin/env").run(
                ["python3", "-c", script, BuiltProgram.shardline.path] + command.split(separator: " ").map(String.init)
                    + [store])
        }
        let whole = try await unread()
        #expect(whole.status == 0 && whole.errors.isEmpty, "\(whole.errors)")
        try Data("none".utf8).write(to: URL(filePath: "\(store)/metadata.sqlite"))
        let damaged = try await unread()
        #expect(damaged.status == 74 && damaged.errors.isEmpty, "\(damaged.errors)")
    }

    @Test func `who looks into a backup does not change it, and check says what restore will`() async throws {
        let folder = try await TwoProcessTests.prepared(shards: 1)
        _ = try await Self.journalOfThree(in: folder)
        let (backup, files) = (folder.path("backup"), folder.path("backup/store"))
        var end = try await shardline(["backup", folder.path("store"), backup], folder)
        #expect(end.status == 0, "\(end.errors)")
        let commands = [
            ["tail", "s", "--limit", "1"], ["put", "s", "--key", "k"], ["stream", "list"], ["mapping", "list"],
            ["consume", "s", "--mapping", "m", "--exec", "cat"],
        ]
        for command in commands {
            end = try await shardline(command + ["--data", files], folder)
            #expect(end.status == 74, "\(command): \(end.output)")
            #expect(
                end.errors.contains("a part of the backup '") && end.errors.contains("shardline restore"),
                "\(end.errors)")
        }
        end = try await shardline(["check", backup], folder)
        #expect(
            end.status == 0 && end.output.hasPrefix("whole: a backup of 1 stream, 1 shard, 3 stored records"),
            "\(end.output)")
        end = try await shardline(["restore", backup, folder.path("one")], folder)
        #expect(end.status == 0, "\(end.errors)")

        let manifest = URL(filePath: backup + "/manifest")
        var bytes = try Data(contentsOf: manifest)
        bytes[50] ^= 1
        try bytes.write(to: manifest)
        end = try await shardline(["check", backup], folder)
        #expect(end.status == 74)
        #expect(end.output.contains("\nmanifest: its checksum is wrong\n"), "\(end.output)")
        #expect(end.output.contains("it can't be restored"), "\(end.output)")
        end = try await shardline(["check", "--json", backup], folder)
        let report = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        #expect(end.status == 74 && report?["verdict"] as? String == "damaged")
        #expect(report?["isBackup"] as? Bool == true)
        #expect((report?["findings"] as? [[String: Any]])?.first?["file"] as? String == "manifest")
        end = try await shardline(["restore", backup, folder.path("two")], folder)
        #expect(end.status == 74, "\(end.errors)")
    }

    @Test(arguments: ["journal", "segments", "metadata.sqlite", "lock", "reserve"], [true, false])
    func `a pipe or a folder in a file's place is refused in one line, and nothing waits for it`(
        file: String, isPipe: Bool
    ) async throws {
        let folder = try await TwoProcessTests.prepared(shards: 1)
        let store = folder.path("store")
        let put = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\n")
        #expect(put.status == 0)
        var path = "\(store)/\(file)"
        if file == "journal" {
            path += "/" + (try #require(try FileManager.default.contentsOfDirectory(atPath: path).first))
        } else if file == "segments" {
            path += "/000000000001.segment"
        }
        try? FileManager.default.removeItem(atPath: path)
        if isPipe {
            #expect(mkfifo(path, 0o600) == 0)
        } else {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        }
        // The reserve holds nothing: it is recreated.
        let isMended = file == "reserve"
        for command in [["check", store], ["repair", store], ["backup", store, folder.path("copy")], ["tail", "s"]] {
            let end = try await BuiltProgram(path: "/usr/bin/timeout").run(
                ["-k", "1", "30", BuiltProgram.shardline.path] + command, environment: ["SHARDLINE_DATA": store])
            // A segment that the metadata do not know is not copied.
            guard !isMended, (file, command[0]) != ("segments", "backup") else {
                #expect(end.status == 0, "\(command): \(end.output) \(end.errors)")
                continue
            }
            #expect([1, 74].contains(end.status), "\(command): \(end.status) \(end.output)")
            #expect(end.errors.contains(path) && end.errors.filter { $0 == "\n" }.count == 1, "\(end.errors)")
        }
    }

    /// Puts the records a, b and c, and returns the journal's file that has them.
    private static func journalOfThree(in folder: TestDirectory) async throws -> URL {
        for text in ["a", "b", "c"] {
            let put = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: text + "\n")
            #expect(put.status == 0)
        }
        let journal = folder.path("store/journal")
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: journal).first)
        return URL(filePath: "\(journal)/\(name)")
    }

    /// Where the data of the record with this text lies: after the lengths of key and data, and the key. Two letters alone
    /// may be in a random number of the store, too.
    private static func place(of text: String, in bytes: Data) throws -> Int {
        try #require(bytes.range(of: Data([4, 1] + Array("k\(text)".utf8)))).lowerBound + 3
    }

    @Test func `repair says what it would do, does it, and a mapping passes what is lost with a document (ESM-G4)`()
        async throws
    {
        let folder = try await TwoProcessTests.prepared(shards: 1)
        let store = folder.path("store")
        let file = try await Self.journalOfThree(in: folder)
        var bytes = try Data(contentsOf: file)
        bytes[try Self.place(of: "b", in: bytes)] ^= 1
        try bytes.write(to: file)
        var end = try await shardline(["tail", "s", "--from", "trim-horizon"], folder)
        #expect(end.status == 74)
        #expect(end.errors.contains("shardline repair"), "\(end.errors)")

        end = try await shardline(["repair", store], folder)
        #expect(end.status == 74)
        #expect(end.output.contains("would be given up:\n  s, shardId-000000000000, record 2\n"), "\(end.output)")
        #expect(try Data(contentsOf: file) == bytes)
        end = try await shardline(["repair", store, "--apply"], folder)
        #expect(end.status == 0, "\(end.output) \(end.errors)")
        #expect(end.output.contains("1 record given up:"), "\(end.output)")
        #expect(!(try FileManager.default.contentsOfDirectory(atPath: store + "/quarantine").isEmpty))
        end = try await shardline(["repair", store, "--apply"], folder)
        #expect(end.status == 0 && end.output.contains("nothing to repair"), "\(end.output)")
        end = try await shardline(["check", store], folder)
        #expect(end.status == 0, "\(end.output)")
        #expect(
            end.output.contains("given up by an earlier repair: s, shardId-000000000000, record 2"), "\(end.output)")

        end = try await shardline(["tail", "s", "--from", "trim-horizon"], folder)
        #expect(end.errors.contains("1 record is lost to damage"), "\(end.errors)")
        #expect(end.output.split(separator: "\n").map { $0.suffix(1) } == ["a", "c"], "\(end.output)")

        // The mapping gets what is there, says what is not, and stays where it can be asked.
        let consumer = try TwoProcessTests.consume(folder)
        #expect(try await consumer.wait { $0.errors.contains("got c\n") })
        #expect(consumer.errors.contains("got a\n"))
        #expect(consumer.errors.contains("RecordsLost"), "\(consumer.errors)")
        end = try await shardline(["mapping", "describe", "s", "m"], folder)
        #expect(end.output.contains("1 record lost to damage passed"), "\(end.output)")
        end = try await shardline(["mapping", "describe", "s", "m", "--json"], folder)
        #expect(end.output.contains(#""lostRecords":1"#), "\(end.output)")
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
        end = try await shardline(["tail", "s.m.failed", "--from", "trim-horizon", "--json"], folder)
        let line = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        let data = try #require((line?["data"] as? String).flatMap { Data(base64Encoded: $0) })
        let document = String(decoding: data, as: UTF8.self)
        #expect(document.contains(#""condition":"RecordsLost""#), "\(document)")
        #expect(document.contains(#""batchSize":1"#), "\(document)")
    }

    @Test func `records that are lost at the head of a shard are told by tail and get a new mapping's document`()
        async throws
    {
        // Those in front of a record, and all that there are.
        for (damaged, left) in [(["a", "b"], ["c"]), (["a", "b", "c"], [])] {
            let folder = try await TwoProcessTests.prepared(shards: 1)
            let store = folder.path("store")
            let file = try await Self.journalOfThree(in: folder)
            var bytes = try Data(contentsOf: file)
            for text in damaged {
                bytes[try Self.place(of: text, in: bytes)] ^= 0x80
            }
            try bytes.write(to: file)
            var end = try await shardline(["repair", store, "--apply"], folder)
            #expect(end.status == 0, "\(end.output) \(end.errors)")
            end = try await shardline(["tail", "s", "--from", "trim-horizon"], folder)
            #expect(end.errors.contains("\(damaged.count) records are lost to damage"), "\(end.errors)")
            #expect(end.output.split(separator: "\n").map { String($0.suffix(1)) } == left, "\(end.output)")

            let consumer = try TwoProcessTests.consume(folder)
            #expect(try await consumer.wait { $0.errors.contains("RecordsLost") }, "\(consumer.errors)")
            for text in left { #expect(try await consumer.wait { $0.errors.contains("got \(text)\n") }) }
            consumer.signal(SIGINT)
            #expect(try await consumer.end() == 0)
            end = try await shardline(["tail", "s.m.failed", "--from", "trim-horizon", "--json"], folder)
            #expect(end.output.split(separator: "\n").count == 1, "\(end.output)")
            let line = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
            let data = try #require((line?["data"] as? String).flatMap { Data(base64Encoded: $0) })
            let document = String(decoding: data, as: UTF8.self)
            #expect(document.contains(#""condition":"RecordsLost""#), "\(document)")
            #expect(document.contains(#""batchSize":\#(damaged.count)"#), "\(document)")
        }
    }
}
