#if Server
import HTTPTypes

/// What lets scripts of other hosts read answers (API-P-8).
enum CrossOrigin {
    private static let exposed =
        "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date"

    /// Adds what every answer to a request with `Origin` has.
    static func add(to fields: inout HTTPFields) {
        fields[.accessControlAllowOrigin] = "*"
        fields[.accessControlExposeHeaders] = exposed
    }

    /// Adds what `OPTIONS` asks for.
    static func answer(_ asked: HTTPFields, with fields: inout HTTPFields) {
        fields[.accessControlMaxAge] = "172800"
        if let headers = asked[.accessControlRequestHeaders] { fields[.accessControlAllowHeaders] = headers }
        if let method = asked[.accessControlRequestMethod] { fields[.accessControlAllowMethods] = method }
    }
}
#endif
