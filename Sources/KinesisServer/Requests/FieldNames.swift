#if Server
import HTTPTypes

extension HTTPField.Name {
    static let target = Self("X-Amz-Target")!
    static let requestID = Self("x-amzn-RequestId")!
    static let secondID = Self("x-amz-id-2")!
    static let amazonDate = Self("X-Amz-Date")!
    static let contentHash = Self("x-amz-content-sha256")!
}
#endif
