import CustomerTotals
import Foundation
import Logging
import Shardline
import Synchronization

/// What has each customer spent? One customer has an order that the function can't read: it waits, with all later ones of
/// that customer, and all other totals are right. Once the function is mended, the orders are handed back in order.
///
///     customer-totals DIRECTORY                    the function that can't read one order
///     customer-totals DIRECTORY --mended           the function that can
///     … --crash-after 7                            ends as by kill -9, after the seventh transaction
@main
struct CustomerTotalsProgram {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard let directory = arguments.first, !directory.hasPrefix("-") else {
            print("customer-totals DIRECTORY [--mended] [--crash-after TRANSACTIONS]")
            exit(64)
        }
        let crash = arguments.firstIndex(of: "--crash-after").flatMap { Int(arguments[($0 + 1)...].first ?? "") }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let totals = try Totals(path: "\(directory)/totals.sqlite")
        let store = try await SegmentStore.open(at: "\(directory)/store")

        // All orders are put in one call, so after a crash all of them are there or none is.
        let orders = store.stream(try await store.createStreamIfNeeded("orders", shards: 2).name)
        if try await orders.describe().shards.allSatisfy({ $0.recordCount == 0 }) {
            try await orders.put(contentsOf: Order.lines.map { NewRecord($0.line, partitionKey: $0.customer) })
        }

        // An order that fails parks its customer. The checkpoint goes on, and so do all others.
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 20
        settings.maximumRetryAttempts = 0
        settings.whenExhausted = .parkKey
        var logger = Logger(label: "customer-totals")
        logger.logLevel = .error
        let transactions = Mutex(0)
        let mapping = try await EventSourceMapping(
            "totals", from: orders, configuration: settings, logger: logger
        ) { _ in
            TotalsFunction(totals, readsEuros: arguments.contains("--mended")) {
                let count = transactions.withLock { count in
                    count += 1
                    return count
                }
                if count == crash { kill(getpid(), SIGKILL) }
            }
        }
        // As a job. What was released before by `shardline redrive` is handed back meanwhile.
        try await mapping.run(until: .caughtUp)

        for (customer, cents) in try await totals.all() {
            print("\(customer) \(cents / 100).\(cents % 100 < 10 ? "0" : "")\(cents % 100)")
        }
        for key in try await orders.mapping("totals").parkedKeys() {
            print("\(key.recordCount) orders of \(key.partitionKey) wait: \(key.cause?.errorText ?? key.reason)")
        }
        try await store.close()
        try totals.close()
    }
}
