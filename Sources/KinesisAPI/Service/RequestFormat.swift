import DataFormats
import StreamModel

/// The format of a request, by its content type up to the first semicolon (API-P-2).
enum RequestFormat: String, Sendable {
    case json = "application/x-amz-json-1.1"
    case cbor = "application/x-amz-cbor-1.1"
    /// Known, but no operation is reached with it (API-E-6).
    case plainJSON = "application/json"

    /// nil: another content type, or none.
    init?(_ contentType: String?) {
        guard let type = contentType?.prefix(while: { $0 != ";" }) else { return nil }
        self.init(rawValue: type.filter { $0 != " " && $0 != "\t" }.lowercased())
    }

    var documentFormat: DocumentWriter.Format { self == .cbor ? .cbor : .json }
}

/// The service and operation of a request (API-P-1, API-E-7).
struct RequestTarget: Sendable {
    /// Whether the header has a service and an operation, known or not.
    var isComplete = false
    /// The service as it was given.
    var service = ""
    /// The operation as it was given.
    var name = ""
    /// nil: the service or the operation is unknown, also one in another case.
    var operation: Operation?

    static let service = "Kinesis_20131202"

    init(_ header: String?) {
        guard let header, let dot = header.firstIndex(of: ".") else { return }
        service = String(header[..<dot])
        name = String(header[header.index(after: dot)...])
        isComplete = !service.isEmpty && !name.isEmpty
        operation = service == Self.service ? Operation.named[UTF8Key(name)] : nil
    }
}
