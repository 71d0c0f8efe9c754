#if Server
extension KinesisServer {
    /// The keys that a server knows. Every other key is refused.
    public struct Credentials: Sendable {
        /// One key, and what it may do.
        public struct Key: Sendable {
            /// The access key id.
            public var id: String
            /// The secret that requests are signed with.
            public var secret: String
            /// The account whose streams the key works on, 12 digits; nil: the server's.
            public var account: String?
            /// The streams that the key may use, by name; `*` at the end stands for any further characters. Nil: all.
            public var streams: [String]?
            /// The operations that the key may call, such as `PutRecords`; `*` at the end stands for any further
            /// characters. Nil: all.
            public var operations: [String]?

            /// A key.
            public init(
                id: String, secret: String, account: String? = nil, streams: [String]? = nil,
                operations: [String]? = nil
            ) {
                self.id = id
                self.secret = secret
                self.account = account
                self.streams = streams
                self.operations = operations
            }
        }

        /// The keys.
        public var keys: [Key]

        /// These keys.
        public init(keys: [Key]) { self.keys = keys }
    }
}
#endif
