import DataFormats

// The answers' bodies.
extension KinesisService {
    static func success(_ output: Output, _ format: RequestFormat, _ operation: Operation) -> ServiceResponse {
        var response = ServiceResponse(
            status: 200, contentType: format.rawValue, body: .bytes([]), operation: operation.name)
        switch output {
        case .nothing: break
        case .value(let value):
            var writer = DocumentWriter(format.documentFormat)
            value.write(to: &writer)
            response.body = .bytes(writer.bytes)
        case .bytes(let bytes): response.body = .bytes(bytes)
        case .stream(let parts):
            response.contentType = "application/vnd.amazon.eventstream"
            response.body = .stream(parts)
        }
        return response
    }

    static func failure(_ error: ServiceError, _ format: RequestFormat, _ target: RequestTarget) -> ServiceResponse {
        var writer = DocumentWriter(format.documentFormat)
        error.write(to: &writer)
        return ServiceResponse(
            status: error.status, contentType: format.rawValue, body: .bytes(writer.bytes),
            operation: target.operation?.name, errorCode: error.code)
    }

    /// API-E-4.
    static func emptyBody(_ target: RequestTarget, _ format: RequestFormat) -> ServiceResponse {
        failure(target.operation == nil ? .unknownOperation : .serialization(), format, target)
    }

    /// API-E-5: the answer is XML, also where authentication fails (API-A-5).
    static func unknownFormat(
        _ target: RequestTarget, authenticate: (String?) throws(ServiceError) -> Caller
    ) -> ServiceResponse {
        guard target.isComplete else { return .accessDenied }
        do throws(ServiceError) {
            _ = try authenticate(target.operation?.name)
        } catch {
            return .xml(error.code, text: error.message, status: 403)
        }
        guard target.service == RequestTarget.service else {
            return .xml(
                "UnrecognizedClientException",
                text: "No authorization strategy was found for service: \(target.service), operation: \(target.name)",
                status: 403)
        }
        return target.operation == nil
            ? .xml("InternalFailure", status: 500) : .xml("UnknownOperationException", status: 404)
    }

    /// API-E-6, of `application/json`.
    static func plainJSON(_ code: String, status: Int) -> ServiceResponse {
        ServiceResponse(
            status: status, contentType: RequestFormat.plainJSON.rawValue,
            body: .bytes(
                Array(#"{"Output":{"__type":"com.amazon.coral.service#\#(code)"},"Version":"1.0"}"#.utf8)),
            errorCode: code)
    }
}

extension ServiceError {
    /// The error's document: `__type` without a namespace, and the text where there is one.
    func write(to writer: inout DocumentWriter) {
        writer.beginMap(message == nil ? 1 : 2)
        writer.key("__type")
        writer.string(code)
        if let message {
            writer.key(hasCapitalMessage ? "Message" : "message")
            writer.string(message)
        }
        writer.endMap()
    }
}

extension ServiceResponse {
    /// API-E-3: another method than POST, or no operation in the target.
    package static let accessDenied = xml(
        "AccessDeniedException", text: "Unable to determine service/operation name to be authorized", status: 403)

    /// An answer in XML, which has no content type.
    static func xml(_ code: String, text: String? = nil, status: Int) -> ServiceResponse {
        let body = text.map { "<\(code)>\n  <Message>\(escaped($0))</Message>\n</\(code)>\n" } ?? "<\(code)/>\n"
        return ServiceResponse(status: status, contentType: nil, body: .bytes(Array(body.utf8)), errorCode: code)
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { all, character in
            switch character {
            case "&": all += "&amp;"
            case "<": all += "&lt;"
            case ">": all += "&gt;"
            default: all.append(character)
            }
        }
    }
}
