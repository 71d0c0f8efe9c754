import StreamModel

/// The ARNs of the stream and the function in events and documents, in Amazon's form, so that functions and readers
/// written for Lambda work unchanged (ESM-E9).
package struct ResourceNames: Hashable, Sendable {
    package let region: String
    package let stream: String
    package let function: String
    package let role: String

    /// The stream as filters see it.
    package var source: RecordFilter.Source { RecordFilter.Source(region: region, streamARN: stream) }

    package init(stream: String, mapping: String, configuration: EventSourceMapping.Configuration) {
        // A qualified name says whose the stream is; the function is the mapping's account's.
        let name = StreamName(stream)
        region = name?.region ?? configuration.region
        let account = name?.account ?? configuration.account
        self.stream = AmazonResourceName.stream(name?.name ?? stream, account: account, region: region)
        function = AmazonResourceName.function(
            mapping, account: configuration.account, region: configuration.region)
        role = AmazonResourceName.role("shardline", account: configuration.account, region: configuration.region)
    }
}
