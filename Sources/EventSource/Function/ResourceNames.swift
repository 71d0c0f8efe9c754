import StreamModel

/// The ARNs of the stream and the function in events and documents, in Amazon's form, so that functions and readers
/// written for Lambda work unchanged (ESM-E9).
package struct ResourceNames: Hashable, Sendable {
    package let region: String
    package let stream: String
    package let function: String
    package let role: String

    package init(stream: String, mapping: String, configuration: EventSourceMapping.Configuration) {
        region = configuration.region
        self.stream = "arn:aws:kinesis:\(region):\(configuration.account):stream/\(stream)"
        function = "arn:aws:lambda:\(region):\(configuration.account):function:\(mapping)"
        role = "arn:aws:iam::\(configuration.account):role/shardline"
    }
}
