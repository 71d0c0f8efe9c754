import CrashChild
import DiskAccess
import Foundation
import Glibc
import Testing

/// What happens when the machine gives no more: room on the disk, memory, open files, rights.
@Suite(.serialized, .timeLimit(.minutes(3))) struct MachineLimitTests {
    /// Runs `body` on a thread that may block, with a directory that is removed when all is well.
    private func inDirectory(
        _ name: String, _ body: @escaping @Sendable (inout CrashDirectory) throws -> Void
    ) async throws {
        let failure = try await BlockingThreads(limit: 1).run { () -> String? in
            var directory = try CrashDirectory(name)
            do {
                try body(&directory)
            } catch let failure as CrashDirectory.Failure {
                return failure.description
            }
            try directory.remove()
            return nil
        }
        if let failure { Issue.record("\(failure)") }
    }

    // MARK: The disk

    private static let tmpfs = "mount -t tmpfs -o size=36m none \"$1/disk\""
    private static let ext4 =
        "truncate -s 48M \"$1/image\" && mkfs.ext4 -q -F -m 0 \"$1/image\" && mount -o loop \"$1/image\" \"$1/disk\""

    /// STORE-C9, STORE-P22 and STORE-P23.
    private func fill(_ file: String, _ mount: String, end: String) async throws {
        try await inDirectory("full-disk") { directory in
            let process = try directory.script(
                """
                mkdir "$1/disk" && unshare -m sh -c '\(mount) || exit 77
                head -c 12M /dev/zero > "$1/disk/ballast"
                "$2" fill "$1/disk/store" "$1/disk/ballast" \(end)
                "$2" audit "$1/disk/store" close' sh "$@"
                """)
            let ended = process.endByItself(limit: .seconds(120))
            let reports = process.reports()
            guard ended == .exited(0) else {
                throw directory.failure(["it ended with \(ended): \(reports.last?.line ?? "") \(process.errors())"])
            }
            // The second opening is the audit's.
            let audit = reports.lastIndex(of: .opened) ?? 0
            directory.ledger.note(Array(reports[..<audit]))
            let violations = directory.ledger.check(Audit(Array(reports[audit...])), isDrained: true)
            guard violations.isEmpty else { throw directory.failure(violations.prefix(10).map { "\($0)" }) }
            let lines = process.errors().split(separator: "\n").filter { $0.contains("SegmentStorage") }
            guard let drained = reports.measured("drained"), let refused = reports.measured("refused") else {
                throw directory.failure(["it did not come to its end: \(process.errors())"])
            }
            print(
                "full disk (\(file), \(end)): \(directory.ledger.acknowledgedCount) records acknowledged, lost 0, "
                    + "\(refused) puts refused, \(drained) checkpoints moved on the full disk, "
                    + "taken again after \(reports.measured("again").map { "\($0) ms" } ?? "no time: it was killed")")
            // More than a file of the journal has blocks: they did not need it.
            #expect(drained > 1023 && refused > 1)
            #expect(lines.count { $0.contains(" error ") && $0.contains("is full") } == 1, "\(lines)")
            #expect(lines.count == (end == "die" ? 1 : 2), "\(lines)")
        }
    }

    @Test(
        .enabled(if: Machine.allows(.mounting), "mounting a file system is not permitted here"),
        arguments: ["die", "close"])
    func `on a full disk functions go on, records are refused, nothing is lost`(end: String) async throws {
        try await fill("tmpfs", Self.tmpfs, end: end)
    }

    @Test(
        .enabled(if: Machine.allows(.loopDevices), "mounting a file is not permitted here, or there is no mkfs.ext4"),
        arguments: CrashRounds.isLong ? ["die", "close"] : ["close"])
    func `the same on ext4`(end: String) async throws { try await fill("ext4", Self.ext4, end: end) }

    @Test(.enabled(if: Machine.allows(.mounting), "mounting a file system is not permitted here"))
    func `a store that nobody has open can be used on a full disk, and takes no records`() async throws {
        try await inDirectory("opened-full") { directory in
            let process = try directory.script(
                """
                mkdir "$1/disk" && exec unshare -m sh -c 'mount -t tmpfs -o size=24m none "$1/disk" || exit 77
                cd "$1/disk"; S="${2%/*}/shardline"; export SHARDLINE_DATA=store
                exec 3>&2 2>/dev/null
                $S stream create s; $S stream create other
                seq 300 | $S put s --key k
                $S consume s --mapping m --exec cat --accept-any-json --until-caught-up >/dev/null
                seq 300 | $S put s --key k
                head -c 64M /dev/zero > ballast
                exec 2>&3
                echo x | $S put s --key k; echo "put: $?"
                exec 2>/dev/null
                $S tail s --from trim-horizon | wc -l
                $S stream list --json | wc -l
                $S consume s --mapping m --exec cat --accept-any-json --until-caught-up >/dev/null; echo "consume: $?"
                $S mapping describe s m | grep "^behind"
                $S mapping seek s m --to trim-horizon >/dev/null; echo "seek: $?"
                $S mapping delete s m; echo "mapping delete: $?"
                $S stream delete other; echo "stream delete: $?"
                rm ballast
                echo x | $S put s --key k; echo "put: $?"
                $S check store | grep -o ^whole' sh "$@"
                """)
            let ended = process.endByItself(limit: .seconds(60))
            guard ended != .hung else { throw directory.failure(["it hangs: \(process.output())"]) }
            let expected = """
                put: 74
                600
                3
                consume: 0
                behind     0 records
                seek: 0
                mapping delete: 0
                stream delete: 0
                put: 0
                whole

                """
            #expect(process.output() == expected, "\(process.output()) \(process.errors())")
            let lines = process.errors().split(separator: "\n")
            #expect(lines.allSatisfy { $0.contains("2 MiB are free, 38 MiB are needed") }, "\(lines)")
        }
    }

    @Test(.enabled(if: Machine.allows(.plainUser), "root's rights can't be given up here"))
    func `a directory that becomes read-only ends the store with one clear error, and nothing is lost`() async throws {
        try await inDirectory("read-only") { directory in
            func asPlainUser(_ arguments: String) throws -> ChildProcess {
                try directory.script(
                    """
                    mkdir -p "$1/home" && cd /
                    [ $(id -u) != 0 ] || { chmod 755 "$1"; chown 65534 "$1/home"
                    plain='setpriv --reuid 65534 --regid 65534 --clear-groups'; }
                    exec $plain "$2" \(arguments)
                    """)
            }
            let worker = try asPlainUser("work \"$1/home/store\" r 1")
            guard worker.wait(until: { worker.lineCount() > 300 }), !worker.hasEnded() else {
                throw directory.failure(["the worker ended too early: \(worker.errors())"])
            }
            try directory.script("chmod -R a-w \"$1/home/store\"").mustEnd()
            let end = worker.endByItself(limit: .seconds(20))
            let reports = worker.reports()
            guard end == .exited(70), case .failed(let reason)? = reports.last else {
                throw directory.failure(["the worker ended with \(end): \(worker.errors())"])
            }
            #expect(reason.contains("Permission denied"), "\(reason)")
            #expect(reason.contains("the store takes nothing more until it is opened again"), "\(reason)")
            directory.ledger.note(Array(reports.dropLast()))
            // Before the rights are back, opening it says what is missing.
            let early = try asPlainUser("audit \"$1/home/store\" close")
            _ = early.endByItself()
            guard case .failed(let refusal)? = early.reports().last else {
                throw directory.failure(["a store that can't be written was opened"])
            }
            #expect(refusal.contains("Permission denied"), "\(refusal)")
            try directory.script("chmod -R u+w \"$1/home/store\"").mustEnd()
            let auditor = try asPlainUser("audit \"$1/home/store\" close")
            _ = auditor.endByItself()
            let violations = directory.ledger.check(Audit(auditor.reports()))
            guard violations.isEmpty else { throw directory.failure(violations.prefix(10).map { "\($0)" }) }
            #expect(directory.ledger.acknowledgedCount > 100)
        }
    }

    @Test(.enabled(if: Machine.allows(.plainUser), "root's rights can't be given up here"))
    func `a database without the right to write is refused, and nothing of that stays when the right is back`()
        async throws
    {
        try await inDirectory("read-only-database") { directory in
            let process = try directory.script(
                """
                mkdir -p "$1/home" && cd /
                [ $(id -u) != 0 ] || { chmod 755 "$1"; chown 65534 "$1/home"
                plain='setpriv --reuid 65534 --regid 65534 --clear-groups'; }
                export S="${2%/*}/shardline" SHARDLINE_DATA="$1/home/store"
                exec $plain sh -c 'cd "$SHARDLINE_DATA/.."
                $S stream create s 2>/dev/null
                chmod 400 store/metadata.sqlite
                $S stream list; echo "code $?"
                ls store | grep -e -wal -e -shm
                chmod 600 store/metadata.sqlite
                $S stream list --json | wc -l
                # As a version that did not look first has left it.
                for name in wal shm; do : > store/metadata.sqlite-$name; chmod 400 store/metadata.sqlite-$name; done
                $S stream list --json | wc -l
                $S check store | grep -o ^whole'
                """)
            let end = process.endByItself(limit: .seconds(60))
            #expect(end == .exited(0) && process.output() == "code 74\n1\n1\nwhole\n", "\(process.output())")
            let path = "\(directory.path)/home/store/metadata.sqlite"
            #expect(
                process.errors()
                    == "shardline: opening the store: can't open '\(path)': Permission denied; give this user the right to read and write there\n"
            )
        }
    }

    // MARK: Open files

    @Test(arguments: [
        "stream create b", "put a --key k", "consume a --mapping m --exec cat --accept-any-json --until-caught-up",
        "tail a",
    ])
    func `with 17 open files there is one clear error, and no wait`(command: String) async throws {
        try await inDirectory("17-files") { directory in
            try directory.script("exec \"${2%/*}/shardline\" stream create a --data \"$1/store\"").mustEnd()
            let process = try directory.script(
                "ulimit -n 17; exec \"${2%/*}/shardline\" \(command) --data \"$1/store\"")
            let end = process.endByItself(limit: .seconds(20))
            let lines = process.errors().split(separator: "\n")
            #expect(end == .exited(74), "\(lines)")
            #expect(lines.count == 1, "\(lines)")
            // What fails first depends on how many files the process was started with.
            let isNamed = [
                "Too many open files", "may have 17 files open at once, and a store needs 64: raise the limit",
            ]
            .contains { lines.first?.contains($0) == true }
            #expect(isNamed, "\(lines)")
        }
    }

    @Test func `64 open files are enough, whatever the load`() async throws {
        try await inDirectory("64-files") { directory in
            let process = try directory.script("ulimit -n 64; exec \"$2\" pour \"$1/store\" 150")
            let end = process.endByItself(limit: .seconds(100))
            let reports = process.reports()
            guard end == .exited(0), let open = reports.measured("open") else {
                throw directory.failure(["it ended with \(end): \(reports.last?.line ?? "") \(process.errors())"])
            }
            print("64 open files: \(open) were used for \(reports.measured("put") ?? 0) records of 4,000 bytes")
            #expect(open <= 64)
            #expect(process.errors().isEmpty)
        }
    }

    // MARK: Memory

    /// How much is put: in any case more than may be in memory.
    private static let poured = CrashRounds.isLong ? 800 : 300

    /// A function that is slower than the producers for ever: what is not read yet is on the disk.
    private func pour(_ script: String) async throws {
        try await inDirectory("memory") { directory in
            let process = try directory.script(script)
            let end = process.endByItself(limit: .seconds(120))
            let reports = process.reports()
            guard end == .exited(0), let peak = reports.measured("peak"), let put = reports.measured("put"),
                let handled = reports.measured("handled")
            else {
                throw directory.failure(["it ended with \(end): \(reports.last?.line ?? "") \(process.errors())"])
            }
            print("memory: \((put * 4000) >> 20) MiB were put, \(handled) records handled, peak \(peak >> 10) MiB")
            #expect(peak < 192 << 10)
            #expect(handled < put / 3, "the function was not slower, so nothing is shown")
        }
    }

    @Test func `memory stays bounded while the function is slower than the producers for ever`() async throws {
        try await pour("exec \"$2\" pour \"$1/store\" \(Self.poured)")
    }

    @Test(
        .enabled(if: Machine.allows(.memoryGroups), "a memory cgroup can't be made here"),
        .enabled(if: CrashRounds.isLong, "`make crash` does it"))
    func `the same in a memory cgroup of 256 MiB`() async throws {
        try await pour(
            """
            group=/sys/fs/cgroup/memory/shardline-test-$$; mkdir $group || exit 77
            echo $((256 << 20)) > $group/memory.limit_in_bytes
            sh -c 'echo $$ > "$0/tasks"; exec "$2" pour "$1/store" \(Self.poured)' $group "$1" "$2"
            ended=$?; rmdir $group; exit $ended
            """)
    }
}

extension ChildProcess {
    /// Returns when it has ended well.
    fileprivate func mustEnd() throws {
        let end = endByItself()
        guard end == .exited(0) else { throw CrashDirectory.Failure(description: "\(end): \(errors())") }
    }
}
