import Foundation
import Shardline
import TestSupport
import Testing

/// The page "Settings of a mapping" has every setting, with its default and its option.
@Suite(.timeLimit(.minutes(1))) struct SettingsPageTests {
    /// The cells of the rows that describe a setting.
    private static func rows() throws -> [[String]] {
        let page = Readme.root.appending(path: "Sources/Shardline/Shardline.docc/MappingSettings.md")
        return try String(contentsOf: page, encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("| `") }
            .map { row in
                row.dropFirst(2).dropLast(2)
                    .split(separator: " |", omittingEmptySubsequences: false)
                    .map { $0.trimmingCharacters(in: .whitespaces) }
            }
    }

    /// Every setting with its default; those within another one by both names.
    private static func settings(of value: Any, within name: String = "") -> [(name: String, value: Any)] {
        Mirror(reflecting: value).children.flatMap { child -> [(name: String, value: Any)] in
            guard let label = child.label else { return [] }
            if child.value is EventSourceMapping.Configuration.BackOff {
                return settings(of: child.value, within: "\(label).")
            }
            return [(name + label, child.value)]
        }
    }

    @Test func `every setting is on the page once, with its default`() throws {
        let rows = try Self.rows()
        let settings = Self.settings(of: EventSourceMapping.Configuration())
        #expect(rows.map { $0[0] }.sorted() == settings.map { "`\($0.name)`" }.sorted())
        for (name, value) in settings {
            let row = try #require(rows.first { $0[0] == "`\(name)`" }, "\(name)")
            #expect(row.count == 5 && !row[2].isEmpty && !row[3].isEmpty, "\(row)")
            switch value {
            case let value as Int: #expect(row[3].hasPrefix("\(value)"), "\(row)")
            case let value as Bool:
                #expect(row[3].hasPrefix("\(value)") && row[4].isEmpty, "\(row)")
            case let value as Duration:
                let text = value == .milliseconds(500) ? "500 milliseconds" : "\(value.components.seconds)"
                #expect(row[3].hasPrefix(text), "\(row)")
            case let value as String: #expect(row[3] == "`\(value)`", "\(row)")
            default: break
            }
            if case Optional<Any>.none = value as Any? { #expect(row[3].hasPrefix("nil"), "\(row)") }
        }
    }

    @Test func `every option on the page is one of mapping update, and the reverse`() async throws {
        let shown = Set(try Self.rows().flatMap { $0[1].matches(of: /--[a-z-]+/).map { String($0.output) } })
        let end = try await BuiltProgram.shardline.run(["mapping", "update", "--help"])
        let help = end.output
        let options = Set(
            help.split(separator: "\n").filter { $0.hasPrefix("  --") }
                .flatMap { $0.prefix { $0 != "<" }.matches(of: /--[a-z-]+/).map { String($0.output) } })
        let others: Set = ["--data", "--reason", "--by", "--if-revision", "--json", "--verbose", "--version", "--help"]
        #expect(shown.subtracting(options) == [])
        #expect(options.subtracting(others).subtracting(shown) == [])
    }
}
