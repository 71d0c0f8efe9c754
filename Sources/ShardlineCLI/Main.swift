import ArgumentParser
import CProcess
import DiskAccess
import Glibc
import StreamModel

@main
struct Main {
    static func main() async {
        // Closed ones would be given to the store's files, and messages written into them.
        shardline_fill_standard_descriptors()
        shardline_end_by_sent_signals()
        // A reader that has gone away is an error of the write, which says what was done until then.
        signal(SIGPIPE, SIG_IGN)
        // So is a file that grows beyond what this process may write.
        signal(SIGXFSZ, SIG_IGN)
        widenHelp()
        var path: CommandPath?
        do {
            try refuseMangledText(in: rawArguments.dropFirst())
            let found = try CommandPath(Array(CommandLine.arguments.dropFirst()))
            path = found
            var command = try await ShardlineCommand.asyncParseAsRoot(found.arguments)
            if var asyncCommand = command as? any AsyncParsableCommand {
                try await asyncCommand.run()
            } else {
                try command.run()
            }
            exit(ExitStatus.done.rawValue)
        } catch {
            exit(report(error, of: path).rawValue)
        }
    }

    /// The parser ends the process where a line has no room for its help, in a very narrow terminal or by COLUMNS: then
    /// the terminal breaks the lines.
    private static func widenHelp() {
        let narrowest = 40
        let given = getenv("COLUMNS").flatMap { Int(String(cString: $0)) }
        if given ?? Output.standard.width < narrowest { setenv("COLUMNS", "\(narrowest)", 1) }
    }

    /// The arguments' bytes: Swift's strings have replaced what is no UTF-8 already.
    private static var rawArguments: [[UInt8]] {
        (0..<Int(CommandLine.argc)).map { index in
            CommandLine.unsafeArgv[index].map { UnsafeRawBufferPointer(start: $0, count: strlen($0)).map { $0 } } ?? []
        }
    }

    /// Throws where an argument is no UTF-8: another key, path or command would be taken in its place.
    static func refuseMangledText(in arguments: ArraySlice<[UInt8]>) throws {
        guard let index = arguments.firstIndex(where: { String(validating: $0, as: UTF8.self) == nil }) else { return }
        let option = Array("--key".utf8)
        let isKey =
            arguments[index].starts(with: option + [UInt8(ascii: "=")])
            || index > arguments.startIndex && arguments[index - 1] == option
        throw CommandFailure(
            .usage,
            isKey
                ? "the key is not UTF-8 (allowed: 1 to 256 characters in UTF-8); give it in UTF-8, whatever the terminal's encoding is"
                : "argument \(index) is not UTF-8: \(String(decoding: arguments[index], as: UTF8.self)) (allowed: UTF-8); give it in UTF-8, or under another name"
        )
    }

    /// Says what went wrong in one line, and answers the exit code for it.
    ///
    /// - Parameter command: the command that was asked for, for a hint at its help.
    static func report(_ error: any Error, of command: CommandPath? = nil) -> ExitStatus {
        switch error {
        case let failure as CommandFailure:
            if let message = failure.message { Output.error.say(message) }
            return failure.status
        case let error as ShardlineError:
            Output.error.say(error.message)
            return ExitStatus(error.code)
        case is FileError, is ChildProcess.StartFailure:
            Output.error.say("\(error)")
            return .inputOutput
        case is Output.Closed: return .done
        case is Output.Blocked:
            Output.error.say(
                "interrupted while nobody read standard output, so what was printed ends in the middle")
            return .failed
        case is CancellationError:
            Output.error.say("interrupted")
            return .failed
        default: break
        }
        if ShardlineCommand.exitCode(for: error) == .success {
            // Help, the version, a completion script: our own texts, as they are.
            do {
                try Output.standard.write(Array((ShardlineCommand.fullMessage(for: error) + "\n").utf8))
            } catch {
                return report(error)
            }
            return .done
        }
        guard ShardlineCommand.exitCode(for: error) == .validationFailure else {
            // None of the parser's: more help with the command line would be no help.
            Output.error.say("\(error)")
            return .failed
        }
        var message = ShardlineCommand.message(for: error)
        if message.hasPrefix("Missing expected"), let unknown = command?.unknownOption { message += "; " + unknown }
        // The parser offers whatever is nearest, and never says what there is.
        if let command, let option = message.firstMatch(of: /^Unknown option '(--?[^']+)'/) {
            message = command.words(ofUnknown: String(option.1))
        }
        let names = command?.names ?? []
        let help = names.isEmpty ? "shardline --help" : "shardline help \(names.joined(separator: " "))"
        Output.error.say("\(message); see `\(help)`")
        return .usage
    }
}
