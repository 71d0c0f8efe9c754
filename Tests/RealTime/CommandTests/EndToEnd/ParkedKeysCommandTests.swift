import Foundation
import TestSupport
import Testing

/// Parked keys as an operator meets them: a poisoned key, the list, the mended function, the redrive (ESM-N1, ESM-N2,
/// ESM-N13).
@Suite(.timeLimit(.minutes(2))) struct ParkedKeysCommandTests {
    private let folder = TestDirectory()

    private func shardline(_ line: String, _ more: [String] = [], input: String = "") async throws -> BuiltProgram.End {
        try await BadInputTests.shardline(line.split(separator: " ").map(String.init) + more, folder, input: input)
    }

    /// Writes the function: it appends key and number of each order to a file, and fails for orders without a total
    /// unless it is mended.
    private func writeFunction(isMended: Bool) throws {
        let check = isMended ? "pass" : "raise ValueError('order %d has no total' % order['n'])"
        try """
        import base64, json, sys
        for line in sys.stdin:
            try:
                done = ""
                for record in json.loads(line)["Records"]:
                    order = json.loads(base64.b64decode(record["kinesis"]["data"]))
                    if "total" not in order:
                        \(check)
                    done += "%s %d\\n" % (record["kinesis"]["partitionKey"], order["n"])
                with open(\"\(folder.path("done"))\", "a") as file:
                    file.write(done)
                print("{}", flush=True)
            except ValueError as error:
                print(json.dumps({"errorType": "ValueError", "errorMessage": str(error)}), flush=True)
        """.write(to: folder.url("totals.py"), atomically: true, encoding: .utf8)
    }

    private var function: String { "python3 '\(folder.path("totals.py"))'" }

    private func consume() async throws -> BuiltProgram.End {
        try await shardline(
            "consume orders --mapping totals --until-caught-up --max-retries 0 --when-exhausted park-key --exec",
            [function])
    }

    /// Orders of three customers in turn.
    private func put(_ numbers: ClosedRange<Int>, without bad: Set<Int> = []) async throws {
        let orders = numbers.map { number in
            let total = bad.contains(number) ? "" : #","total":\#(number * 10)"#
            return #"{"customer":"\#(["max", "ada", "eva"][number % 3])","n":\#(number)\#(total)}"# + "\n"
        }
        let end = try await shardline("put orders --key-field customer", input: orders.joined())
        #expect(end.status == 0, "\(end.errors)")
    }

    /// The numbers of a customer's orders, as the function was done with them.
    private func done(_ customer: String) -> [Int] {
        let text = (try? String(contentsOf: folder.url("done"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            line.hasPrefix(customer + " ") ? Int(line.dropFirst(customer.utf8.count + 1)) : nil
        }
    }

    private func keys(_ more: [String] = []) async throws -> [[String: Any]] {
        let end = try await shardline("mapping keys orders totals --json", more)
        #expect(end.status == 0, "\(end.errors)")
        return try end.lines.map { try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
    }

    @Test func `a poisoned key waits, others go on, and after the redrive its records are done in order`() async throws
    {
        #expect(try await shardline("stream create orders --shards 1").status == 0)
        try writeFunction(isMended: false)
        try await put(1...12, without: [4])
        var end = try await consume()
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.output.contains("parked         3 records with their keys"), "\(end.output)")
        #expect(done("max") == [3, 6, 9, 12] && done("eva") == [2, 5, 8, 11] && done("ada") == [1])
        end = try await shardline("mapping keys orders totals")
        #expect(end.status == 0 && end.lines.count == 3, "\(end.output)")
        #expect(
            end.output.contains("'ada'") && end.output.contains("ValueError: order 4 has no total"), "\(end.output)")
        #expect(end.lines.last == "1 key is parked, 3 records wait")
        let ada = try #require(try await keys().first)
        #expect(ada["partitionKey"] as? String == "ada" && ada["recordCount"] as? Int == 3)
        #expect(ada["errorType"] as? String == "ValueError" && ada["attempts"] as? Int == 1)
        end = try await shardline("mapping describe orders totals")
        #expect(
            end.output.contains(
                "parked     1 key is parked, 3 records wait; `shardline mapping keys orders totals` lists them"),
            "\(end.output)")
        try await checkSelections(group: try #require(ada["group"] as? String))

        // Handed back unmended, it fails again, and nothing moves.
        end = try await shardline("redrive orders totals --all")
        #expect(end.status == 0 && end.errors.contains("asked to redrive 1 parked key with 3 records"), "\(end.errors)")
        #expect(try await consume().status == 0)
        #expect(done("ada") == [1])
        #expect(try await keys().first?["failedReleases"] as? Int == 1)

        try writeFunction(isMended: true)
        end = try await shardline("redrive orders totals --error-type ValueError --reason", ["deployed 1.4"])
        #expect(
            end.status == 0 && end.errors.contains("no process runs it: the next one redrives them"), "\(end.errors)")
        try await put(13...18)
        end = try await consume()
        #expect(end.status == 0, "\(end.errors)")
        #expect(done("ada") == [1, 4, 7, 10, 13, 16])
        #expect(done("max") == [3, 6, 9, 12, 15, 18] && done("eva") == [2, 5, 8, 11, 14, 17])
        end = try await shardline("mapping keys orders totals")
        #expect(end.status == 0 && end.output == "no key is parked\n", "\(end.output)")
        end = try await shardline("mapping describe orders totals --json")
        #expect(end.output.contains(#""parkedKeys":0,"parkedRecords":0"#), "\(end.output)")
        #expect(end.output.contains("release error ValueError: deployed 1.4"), "\(end.output)")
        end = try await shardline("redrive orders totals --all")
        #expect(end.status == 0 && end.errors.contains("no parked key of the mapping"), "\(end.errors)")
    }

    /// What is meant is said, and a wrong selection does nothing.
    private func checkSelections(group: String) async throws {
        for (arguments, status, part) in [
            (
                "--all --dry-run", 0,
                "would redrive 1 parked key with 3 records of the mapping 'totals' of 'orders'; no process"
            ),
            ("--group \(group) --dry-run", 0, "would redrive 1 parked key"),
            ("--parked-before 1d --dry-run", 0, "would redrive 0 parked keys"),
            ("--parked-before 1d", 0, "no parked key of the mapping 'totals' of 'orders' is meant; nothing was asked"),
            ("--key nobody", 1, "the key 'nobody' is not parked"), ("--key ada --key nobody", 1, "'nobody'"),
            ("", 64, "--all, or some of --key"), ("--all --key ada", 64, "can't be meant together"),
            ("--group 12", 64, "16 hexadecimal digits"),
        ] as [(String, Int32, String)] {
            let end = try await shardline("redrive orders totals " + arguments)
            #expect(end.status == status && end.errors.contains(part), "\(arguments): \(end.errors)")
        }
        #expect(try await keys().first?["state"] as? String == "parked")
        #expect(try await keys(["--parked-since", "1d", "--error-type", "ValueError"]).count == 1)
        #expect(try await keys(["--error-type", "KeyError"]).isEmpty)
    }

    @Test func `keys are parked and discarded by hand, also of a mapping that another process runs`() async throws {
        #expect(try await shardline("stream create orders --shards 1").status == 0)
        try writeFunction(isMended: true)
        let running = try RunningCommand(
            [
                "consume", "orders", "--mapping", "totals", "--when-exhausted", "park-key", "--exec", function,
            ], store: folder.path("store"))
        defer { if running.isRunning { running.signal(SIGKILL) } }
        try await put(1...6)
        #expect(try await running.wait { _ in done("max") == [3, 6] }, "\(running.errors)")
        var end = try await shardline("mapping park orders totals --key eva --reason", ["refund first"])
        #expect(end.status == 0 && end.errors.contains("it runs, and parks them now"), "\(end.errors)")
        try await waitForKeys(1)
        try await put(7...12)
        #expect(try await running.wait { _ in done("max") == [3, 6, 9, 12] }, "\(running.errors)")
        #expect(done("eva") == [2, 5])
        try await waitForRecords(2)
        let eva = try #require(try await keys().first)
        #expect(eva["partitionKey"] as? String == "eva" && eva["reason"] as? String == "refund first")
        #expect(eva["condition"] is NSNull)
        end = try await shardline("redrive orders totals --key eva")
        #expect(end.status == 0 && end.errors.contains("it runs, and redrives them now"), "\(end.errors)")
        #expect(try await running.wait { _ in done("eva") == [2, 5, 8, 11] }, "\(running.errors)")
        try await waitForKeys(0)

        end = try await shardline("mapping park orders totals --key ada --key new")
        #expect(end.status == 0 && end.errors.contains("to park 2 keys"), "\(end.errors)")
        try await waitForKeys(2)
        try await put(13...15)
        #expect(try await running.wait { _ in done("max").last == 15 }, "\(running.errors)")
        try await waitForRecords(1)
        end = try await shardline("mapping discard orders totals --key ada --dry-run")
        #expect(end.status == 0 && end.errors.contains("would discard 1 parked key with 1 record of"), "\(end.errors)")
        end = try await shardline("mapping discard orders totals --all --yes --reason", ["test data"])
        #expect(
            end.status == 0 && end.errors.contains("asked to discard 2 parked keys with 1 record of"), "\(end.errors)")
        try await waitForKeys(0)
        try await put(16...18)
        #expect(try await running.wait { _ in done("ada").last == 16 }, "\(running.errors)")
        #expect(done("ada") == [1, 4, 7, 10, 16])
        running.signal(SIGINT)
        #expect(try await running.end() == 0, "\(running.errors)")
    }

    /// Waits until the mapping has parked so many keys.
    private func waitForKeys(_ count: Int) async throws {
        try await wait("\(count) parked keys") { $0.count == count }
    }

    /// Waits until so many records wait.
    private func waitForRecords(_ count: Int) async throws {
        try await wait("\(count) parked records") { keys in
            keys.reduce(0) { $0 + ($1["recordCount"] as? Int ?? 0) } == count
        }
    }

    private func wait(_ what: String, until isSo: ([[String: Any]]) -> Bool) async throws {
        for _ in 0..<300 {
            if isSo(try await keys()) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("there are no \(what): \(try await keys())")
    }
}
