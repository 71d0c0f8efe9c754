import StreamModel
import StreamStorage

/// A stream as an operation needs it.
struct StreamFacts: Sendable {
    var address: StreamAddress
    /// Its name in the store.
    var storeName: String
    var summary: StreamSummary
    var properties: StreamProperties
    /// The state in between that it shows; nil: active.
    var transition: TransitionRegistry.State?

    /// `ACTIVE`, or what it is doing.
    var status: String { transition?.rawValue ?? "ACTIVE" }

    /// The retention in whole hours; one that was made in Swift may be a fraction of an hour.
    var retentionHours: Int64 { max(1, (summary.retention.components.seconds + 3599) / 3600) }

    /// API-N-7.
    static func notFound(_ address: StreamAddress) -> ServiceError {
        .resourceNotFound("Stream \(address.name) under account \(address.account) not found.")
    }

    /// Throws where the stream can't be changed now (API-C-2, API-C-3).
    func requireActive() throws(ServiceError) {
        guard transition == nil else {
            throw .resourceInUse(
                "Stream \(address.name) under account \(address.account) not ACTIVE, instead in state \(status)")
        }
    }

    /// Throws where the stream scales by itself (API-UpdateStreamMode-2).
    func requireProvisioned() throws(ServiceError) {
        guard !properties.isOnDemand else {
            throw .validation(
                "Request is invalid. Stream \(address.name) under account \(address.account) is in On-Demand mode.")
        }
    }
}
