/// An answer that is an error: its code, its text and the HTTP status. Clients compare the texts, so they are AWS'.
package struct ServiceError: Error, Hashable, Sendable {
    /// The code, such as `ResourceNotFoundException`.
    package var code: String
    /// The text; nil where AWS sends none.
    package var message: String?
    /// 400 for what the client can cause, 500 for an unexpected failure.
    package var status: Int
    /// Whether the member that holds the text is written `Message`, as AWS does for type mismatches (API-E-9).
    package var hasCapitalMessage = false

    package init(code: String, message: String?, status: Int = 400) {
        self.code = code
        self.message = message
        self.status = status
    }

    package static func resourceNotFound(_ text: String) -> ServiceError {
        ServiceError(code: "ResourceNotFoundException", message: text)
    }
    package static func resourceInUse(_ text: String) -> ServiceError {
        ServiceError(code: "ResourceInUseException", message: text)
    }
    package static func invalidArgument(_ text: String) -> ServiceError {
        ServiceError(code: "InvalidArgumentException", message: text)
    }
    package static func limitExceeded(_ text: String) -> ServiceError {
        ServiceError(code: "LimitExceededException", message: text)
    }
    package static func validation(_ text: String) -> ServiceError {
        ServiceError(code: "ValidationException", message: text)
    }
    package static func throughputExceeded(_ text: String) -> ServiceError {
        ServiceError(code: "ProvisionedThroughputExceededException", message: text)
    }
    /// The body is no document, or a member has the wrong type (API-E-6, API-E-9).
    package static func serialization(_ text: String? = nil) -> ServiceError {
        var error = ServiceError(code: "SerializationException", message: text)
        error.hasCapitalMessage = true
        return error
    }
    /// No such operation (API-E-7).
    package static let unknownOperation = ServiceError(code: "UnknownOperationException", message: nil)
    /// An unexpected failure; its cause is only in the log (API-E-12).
    package static let internalFailure = ServiceError(code: "InternalFailure", message: nil, status: 500)
    /// All checks have passed, and the request asked for no more (API-U-2).
    package static let dryRun = ServiceError(
        code: "DryRunOperationException",
        message: "Request would have succeeded, but the DryRun parameter is set to true.")
}
