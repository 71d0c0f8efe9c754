import DataFormats
import EventSource
import StreamModel

@testable import ShardlineCLI

/// JSON that a function answers, that is put, or that a client sends: readers on one scanner, and a
/// model as the judge.
enum JSONFuzz {
    static func check(_ input: [UInt8]) throws {
        try DocumentFuzz.checkJSON(input)
        let value = JSONValue(input)
        if let value {
            let again = text(of: value)
            try hold(JSONValue(again) == value, "a value reads differently when it is written again")
        }
        do {
            let found = try JSONField.text(of: "key", in: input)
            if let value { try hold(member("key", of: value) == found, "two readers find different keys") }
        } catch let error as JSONField.Problem {
            try hold(error.reason.utf8.count < 200, "a reason is as long as the line")
            // Of two members of one name the other reader takes the last.
            if let value, !error.reason.contains("so which of them counts is not known") {
                try hold(member("key", of: value) == nil, "one reader finds a key, the other: \(error.reason)")
            }
        }
        for reports in [true, false] {
            switch FunctionResponse.parse(input, reportsFailures: reports) {
            case .success: break
            case .report(let entries):
                for entry in entries {
                    try hold(entry.failure?.type?.utf8.count ?? 0 <= 256, "an entry's type is not limited")
                    try hold(entry.failure?.text.utf8.count ?? 0 <= 4096, "an entry's text is not limited")
                }
            case .unreadableReport(let failure), .failed(let failure), .permanent(let failure):
                try hold(failure.text.utf8.count <= 4096, "a failure's text is not limited")
                try hold(failure.type?.utf8.count ?? 0 <= 256, "a failure's type is not limited")
            }
        }
        _ = value?.unknownAnswer
    }

    private static func member(_ name: String, of value: JSONValue) -> String? {
        switch value[name] {
        case .string(let text), .number(let text): text
        default: nil
        }
    }

    private static func text(of value: JSONValue) -> [UInt8] {
        var writer = JSONWriter()
        switch value {
        case .null: writer.raw("null")
        case .bool(let value): writer.raw(value ? "true" : "false")
        case .number(let text): writer.raw(text)
        case .string(let text):
            writer.string(text)
            let size = JSONWriter.size(ofString: text)
            if writer.bytes.count != size { return [] }
        case .array(let elements): writer.array { for element in elements { $0.raw(text(of: element)) } }
        case .object(let members):
            var bytes = Array("{".utf8)
            for (name, value) in members {
                var part = JSONWriter()
                part.string(name.string)
                if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
                bytes += part.bytes + [UInt8(ascii: ":")] + text(of: value)
            }
            return bytes + [UInt8(ascii: "}")]
        }
        return writer.bytes
    }
}
