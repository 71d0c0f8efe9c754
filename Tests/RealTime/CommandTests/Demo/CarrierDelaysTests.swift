import Foundation
import TestSupport
import Testing

/// The example with tumbling windows, as a user runs it.
@Suite(.timeLimit(.minutes(2))) struct CarrierDelaysTests {
    @Test func `the sums of the windows are those of a plain pass over the file`() async throws {
        let (input, folder) = (TestDirectory(), TestDirectory())
        // Four days and a half.
        try FlightLines.real.write(FlightLines.real.lines.prefix(4_000), to: input.path("lines.csv"))
        let end = try await BuiltProgram(name: "carrier-delays").run(
            [input.path("lines.csv")], environment: ["TMPDIR": folder.path])
        #expect(end.status == 0, "\(end.errors)\(end.output)")
        let lines = end.output.split(separator: "\n")
        #expect(lines.first?.hasPrefix("4000 flights of 15 carriers in ") == true, "\(end.output)")
        #expect(lines.count == 7)
        #expect(lines.last?.hasSuffix("sums are those of a plain pass over the file.") == true, "\(end.output)")
        // Nothing is logged that a user would have to look at, and nothing is left.
        #expect(end.errors.isEmpty, "\(end.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
}
