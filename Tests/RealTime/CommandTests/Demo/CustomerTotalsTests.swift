import CustomerTotals
import Foundation
import TestSupport
import Testing

/// The example with a poisoned customer, as a user runs it, with two crashes in between (ESM-N1, ESM-N2).
@Suite(.timeLimit(.minutes(2))) struct CustomerTotalsTests {
    private let folder = TestDirectory()

    /// The orders of each customer in their order, with the total after each, by the mended function.
    private static let expected: [String: [Totals.Booking]] = {
        var bookings: [String: [Totals.Booking]] = [:]
        for (customer, line) in Order.lines {
            let order = try! Order(line.utf8, readsEuros: true)
            let before = bookings[customer]?.last?.total ?? 0
            bookings[customer, default: []].append(.init(number: order.number, total: before + order.cents))
        }
        return bookings
    }()

    private func run(_ options: String...) async throws -> BuiltProgram.End {
        try await BuiltProgram(name: "customer-totals").run([folder.path("job")] + options)
    }

    private func shardline(_ line: String, input: String = "") async throws -> BuiltProgram.End {
        try await BuiltProgram.shardline.run(
            line.split(separator: " ").map(String.init), input: input,
            environment: ["SHARDLINE_DATA": folder.path("job/store")])
    }

    /// Checks the orders in the totals: all of each customer, of the poisoned one so many.
    private func check(poisoned: ClosedRange<Int>, more: [Totals.Booking] = []) async throws {
        let totals = try Totals(path: folder.path("job/totals.sqlite"))
        for (customer, all) in Self.expected {
            let found = try await totals.bookings(of: customer)
            if customer == "max" {
                #expect(poisoned.contains(found.count), "max: \(found.count) orders")
                #expect(found == Array((all + more).prefix(found.count)))
            } else {
                #expect(found == all, "\(customer)")
            }
        }
        try totals.close()
    }

    @Test(arguments: [(first: 1, second: 1), (30, 2), (71, 5)])
    func `other customers' totals are right at once, and after the redrive all are, over two crashes`(
        crash: (first: Int, second: Int)
    ) async throws {
        var end = try await run("--crash-after", "\(crash.first)")
        #expect(end.status == -SIGKILL, "\(end.errors)")
        // Of what was done nothing is done twice, and the order that can't be read parks its customer.
        end = try await run()
        #expect(end.status == 0, "\(end.errors)")
        #expect(
            end.lines.last == "161 orders of max wait: the record is malformed: no order: max,40,19.99", "\(end.output)"
        )
        try await check(poisoned: 39...39)

        // What comes meanwhile waits behind them.
        end = try await shardline("put orders --key max", input: "max,201,250\n")
        #expect(end.status == 0, "\(end.errors)")
        end = try await run()
        #expect(end.lines.last?.hasPrefix("162 orders of max wait") == true, "\(end.output)")
        end = try await shardline("redrive orders totals --all --reason mended")
        #expect(end.status == 0, "\(end.errors)")
        end = try await run("--mended", "--crash-after", "\(crash.second)")
        #expect(end.status == -SIGKILL, "\(end.errors)")
        let last = Totals.Booking(number: 201, total: Self.expected["max"]!.last!.total + 250)
        // Killed while they were handed back.
        try await check(poisoned: 40...200, more: [last])

        end = try await run("--mended")
        #expect(end.status == 0, "\(end.errors)")
        try await check(poisoned: 201...201, more: [last])
        #expect(end.lines.count == 8 && !end.output.contains("wait"), "\(end.output)")
        #expect(end.lines.contains("max \(last.total / 100).\(String(format: "%02d", last.total % 100))"))
        #expect(try await shardline("mapping keys orders totals").output == "no key is parked\n")
    }

    @Test func `without a directory it says what it takes`() async throws {
        let end = try await BuiltProgram(name: "customer-totals").run([])
        #expect(end.status == 64 && end.output.hasPrefix("customer-totals DIRECTORY"))
    }
}
