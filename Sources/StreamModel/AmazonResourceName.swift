/// The ARNs of streams and of what stands beside them (API-N-2).
package enum AmazonResourceName {
    /// The partition of a region: `aws`, `aws-cn` or `aws-us-gov`.
    private static func partition(of region: String) -> String {
        region.hasPrefix("cn-") ? "aws-cn" : region.hasPrefix("us-gov-") ? "aws-us-gov" : "aws"
    }

    /// `arn:aws:kinesis:eu-west-1:123456789012:stream/orders`.
    package static func stream(_ name: String, account: String, region: String) -> String {
        "arn:\(partition(of: region)):kinesis:\(region):\(account):stream/\(name)"
    }

    /// `arn:aws:lambda:eu-west-1:123456789012:function:bill`.
    package static func function(_ name: String, account: String, region: String) -> String {
        "arn:\(partition(of: region)):lambda:\(region):\(account):function:\(name)"
    }

    /// `arn:aws:iam::123456789012:role/shardline`: roles have no region, but the partition of `region`.
    package static func role(_ name: String, account: String, region: String) -> String {
        "arn:\(partition(of: region)):iam::\(account):role/\(name)"
    }
}
