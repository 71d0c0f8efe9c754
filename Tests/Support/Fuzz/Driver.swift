import Glibc

/// libFuzzer's loop, which calls the function with one input after the other.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ call: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Fuzzes the target that SHARDLINE_FUZZ_TARGET names, with libFuzzer's arguments; names all where it names none. With
/// SHARDLINE_FUZZ_SEEDS it only writes valid inputs into that folder.
@main enum Driver {
    private static let target: FuzzTarget = {
        let name = environment("SHARDLINE_FUZZ_TARGET") ?? ""
        guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
            let names = FuzzTarget.all.map(\.name).joined(separator: " ")
            print(name.isEmpty ? names : "SHARDLINE_FUZZ_TARGET is '\(name)'; there are: \(names)")
            exit(name.isEmpty ? 0 : 64)
        }
        return target
    }()

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    static func main() {
        let name = target.name
        if let folder = environment("SHARDLINE_FUZZ_SEEDS") {
            for (number, seed) in Seeds.of(name).enumerated() {
                guard let file = fopen("\(folder)/seed-\(number)", "w") else { exit(74) }
                fwrite(seed, 1, seed.count, file)
                fclose(file)
            }
            return
        }
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        let status = runFuzzer(&count, &arguments) { bytes, count in
            do {
                try Driver.target.check(Array(UnsafeBufferPointer(start: bytes, count: count)))
            } catch {
                fatalError("\(Driver.target.name): \(error)")
            }
            return 0
        }
        exit(status)
    }
}
