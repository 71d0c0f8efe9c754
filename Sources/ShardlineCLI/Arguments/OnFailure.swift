import EventSource
import HTTPEndpoint

/// Where `--on-failure` lets records go that are given up.
enum OnFailure: Sendable, Hashable {
    /// What the library has.
    case setting(EventSourceMapping.Configuration.Destination)
    /// An endpoint that gets each document in a POST.
    case url(HTTPAddress)
    /// A command that gets each document as a line.
    case command(String)

    init(_ text: String) throws {
        if text.hasPrefix("url:") {
            self = .url(try HTTPAddress(String(text.dropFirst(4)), option: "url:"))
        } else if text.hasPrefix("exec:") {
            self = .command(String(text.dropFirst(5)))
        } else if let destination = EventSourceMapping.Configuration.Destination(text), !destination.isOwn {
            self = .setting(destination)
        } else {
            throw ArgumentProblem(
                description:
                    "a destination is dead-letter-stream, stream:NAME, file:PATH, url:URL, exec:COMMAND or none")
        }
    }

    /// As the mapping's settings have it.
    var destination: EventSourceMapping.Configuration.Destination {
        switch self {
        case .setting(let destination): destination
        case .url(let address): .own("url:\(address.text)")
        case .command(let command): .own("exec:\(command)")
        }
    }

    /// As it is told to people; nil: the settings say it.
    var words: String? {
        switch self {
        case .setting: return nil
        case .url(let address): return "the endpoint \(address.text)"
        case .command(let command):
            let line = command.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            return "the command '\(line.count > 60 ? line.prefix(59) + "…" : line)'"
        }
    }

    /// Whether the process that runs the mapping brings it.
    var isOwn: Bool { destination.isOwn }
}

extension EventSourceMapping.Configuration.Destination {
    /// Whether a program brings it.
    var isOwn: Bool { if case .own = self { true } else { false } }

    /// As `--on-failure` takes it.
    var optionText: String {
        if case .own(let text) = self, text.hasPrefix("url:") || text.hasPrefix("exec:") { return text }
        return description
    }
}
