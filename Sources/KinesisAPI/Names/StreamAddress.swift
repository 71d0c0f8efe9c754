import StreamModel

/// Where a stream is: streams are told apart by account, region and name (API-N-1).
package struct StreamAddress: Hashable, Sendable {
    /// 12 digits.
    package var account: String
    package var region: String
    package var name: String

    package init(account: String, region: String, name: String) {
        self.account = account
        self.region = region
        self.name = name
    }

    /// The stream's ARN (API-N-2).
    package var arn: String { AmazonResourceName.stream(name, account: account, region: region) }

    /// Reads a stream's ARN; nil where it is none.
    package init?(arn: String) {
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[2] == "kinesis", parts[5].hasPrefix("stream/") else { return nil }
        self.init(account: String(parts[4]), region: String(parts[3]), name: String(parts[5].dropFirst(7)))
    }

    /// "stream S under account A", as texts name it.
    var inTexts: String { "stream \(name) under account \(account)" }
}

/// A consumer's ARN: `{streamARN}/consumer/{name}:{creation second}` (API-N-2).
package struct ConsumerARN: Hashable, Sendable {
    package var stream: StreamAddress
    package var name: String
    package var creationSecond: Int64

    package init(stream: StreamAddress, name: String, creationSecond: Int64) {
        self.stream = stream
        self.name = name
        self.creationSecond = creationSecond
    }

    package var text: String { "\(stream.arn)/consumer/\(name):\(creationSecond)" }

    /// Reads an ARN; nil where it is not a consumer's.
    package init?(_ text: String) {
        guard let start = text.range(of: "/consumer/"),
            let stream = StreamAddress(arn: String(text[..<start.lowerBound]))
        else { return nil }
        let parts = text[start.upperBound...].split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, let second = Int64(parts[1]) else { return nil }
        self.init(stream: stream, name: String(parts[0]), creationSecond: second)
    }
}

extension String {
    /// Where `word` stands first; nil: nowhere.
    fileprivate func range(of word: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            let rest = self[start...]
            if rest.hasPrefix(word) { return start..<index(start, offsetBy: word.count) }
            start = index(after: start)
        }
        return nil
    }
}
