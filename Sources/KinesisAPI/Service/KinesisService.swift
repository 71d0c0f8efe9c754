import DataFormats
import Logging
import StreamStorage

/// Answers requests of the Kinesis API on a store. It sees no HTTP: a transport hands over ``ServiceRequest``s.
///
/// All calls may be made on any thread.
package final class KinesisService: Sendable {
    private let operations: KinesisOperations

    /// - Parameters:
    ///   - store: an open store. Its time source measures all ages and waits.
    ///   - settings: how requests are answered.
    ///   - logger: takes what clients are not told, such as the cause of an `InternalFailure`.
    package init(store: any StreamStore, settings: ServiceSettings, logger: Logger) {
        operations = KinesisOperations(store: store, settings: settings, logger: logger)
    }

    /// Subscriptions end normally after a whole event, and new ones are refused; other requests go on (API-F-9).
    package func beginShutdown() { operations.subscriptions.shutDown() }

    /// Answers a request; never throws.
    ///
    /// - Parameter authenticate: finds out who asks, or throws what is wrong (API-A-1 to API-A-7). Called where the order of
    ///   checks has it (API-E-5, API-E-8), with the operation's name; nil where none is known.
    package func respond(
        to request: ServiceRequest, authenticate: @Sendable (_ operation: String?) throws(ServiceError) -> Caller
    ) async -> ServiceResponse {
        let target = RequestTarget(request.target)
        guard let format = RequestFormat(request.contentType) else {
            return request.body.isEmpty
                ? Self.emptyBody(target, .cbor) : Self.unknownFormat(target, authenticate: authenticate)
        }
        guard !request.body.isEmpty else { return Self.emptyBody(target, format == .json ? .json : .cbor) }
        let document: Document
        do {
            document = try format == .cbor ? Document(cbor: request.body) : Document(json: request.body)
        } catch {
            return format == .plainJSON
                ? Self.plainJSON("SerializationException", status: 400)
                : Self.failure(.serialization(), format, target)
        }
        if format == .plainJSON { return Self.plainJSON("UnknownOperationException", status: 404) }
        guard document.root.kind == .object || document.root.kind == .array else {
            return Self.failure(.serialization(), format, target)
        }
        guard let operation = target.operation else { return Self.failure(.unknownOperation, format, target) }
        var response: ServiceResponse
        do throws(ServiceError) {
            let caller = try authenticate(operation.name)
            // An array has no members (API-E-6).
            let blobs =
                document.root.kind == .object
                ? try TypeCheck.check(document.root, as: operation.input) : DecodedBlobs()
            try ConstraintCheck.check(document.root, as: operation.input)
            let call = OperationCall(
                input: document.root, caller: caller, format: format.documentFormat, requestID: request.requestID,
                blobs: blobs)
            response = Self.success(try await run(operation, call), format, operation)
        } catch {
            response = Self.failure(error, format, target)
        }
        response.stream =
            document.root["StreamName"]?.text
            ?? document.root["StreamARN"]?.text.flatMap { StreamAddress(arn: $0)?.name }
        return response
    }

    private func run(_ operation: Operation, _ call: OperationCall) async throws(ServiceError) -> Output {
        do {
            if let rate = operation.rate { try operations.rates.takeControlCall(operation.name, rate: rate, call) }
            try await operations.checkPermissions(operation.name, call)
            return try await operation.run(operations)(call)
        } catch let error as ServiceError {
            throw error
        } catch {
            if !(error is CancellationError) {
                operations.logger.error(
                    "\(operation.name) failed: \(error)",
                    metadata: ["request-id": "\(call.requestID)", "operation": "\(operation.name)"])
            }
            throw .internalFailure
        }
    }
}
