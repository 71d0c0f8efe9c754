import DataFormats
import StreamModel

@testable import KinesisAPI

/// What a client of Kinesis' API sends: inputs of every operation, iterators, tokens and ARNs.
enum KinesisFuzz {
    /// The first byte chooses the operation, its highest bit the format; the rest is the body.
    static func check(_ input: [UInt8]) throws {
        guard let choice = input.first else { return }
        let body = Array(input.dropFirst())
        let operation = Operation.all[Int(choice & 0x7F) % Operation.all.count]
        if let document = choice & 0x80 == 0 ? try? Document(json: body) : try? Document(cbor: body) {
            try check(document.root, operation)
        }
        checkNames(String(decoding: body, as: UTF8.self))
        try checkSealed(body)
    }

    private static func check(_ root: Document.Value, _ operation: Operation) throws {
        let isTyped = (try? TypeCheck.check(root, as: operation.input)) != nil
        do throws(ServiceError) {
            try ConstraintCheck.check(root, as: operation.input)
        } catch {
            try hold(error.code == "ValidationException", "a constraint is reported as \(error.code)")
            return
        }
        guard isTyped, root.kind == .object else { return }
        let call = OperationCall(
            input: root, caller: Caller(account: "000000000000", region: "us-east-1"), format: .json, requestID: "r")
        // What has passed the checks is within the model's limits.
        // Members that the operation does not have are ignored, whatever they are (API-S-1).
        func member(_ name: StaticString) -> Document.Value? {
            guard case .structure(let members) = operation.input,
                members.contains(where: { $0.name.description == name.description })
            else { return nil }
            return root[name]
        }
        if let name = member("StreamName")?.text {
            try hold((1...128).contains(name.utf16.count), "a stream name of \(name.utf16.count) characters passed")
        }
        if let records = member("Records") {
            try hold((1...500).contains(records.count), "\(records.count) records passed")
            for record in records.elements {
                try hold(record["Data"] != nil, "a record without data passed")
                _ = try record["Data"]?.blob()
            }
        }
        if let limit = member("Limit")?.int { try hold((1...10_000).contains(limit), "a limit of \(limit) passed") }
        _ = (call.map("Tags"), call.texts("TagKeys"), call.milliseconds("Timestamp"))
    }

    private static func checkNames(_ text: String) {
        _ = StreamAddress(arn: text)
        _ = ConsumerARN(text)
        _ = ShardID(lenient: text)
        for pattern in TextPattern.allCases { _ = pattern.matches(text) }
    }

    /// A seal whose code any bytes can have, so that what is behind it is reached.
    private static func checkSealed(_ bytes: [UInt8]) throws {
        let seal = SealedText(key: []) { _, _ in [UInt8](repeating: 7, count: 32) }
        let text = seal.seal(bytes)
        try hold(seal.open(text) == (bytes.isEmpty ? nil : bytes), "a sealed text opens as something else")
        if let iterator = ShardIterator(text, seal) {
            try hold(ShardIterator(iterator.text(seal), seal) == iterator, "an iterator reads differently")
        }
        for list in [PageToken.List.streams, .shards, .consumers] {
            guard let token = PageToken(text, of: list, seal) else { continue }
            try hold(PageToken(token.text(seal), of: list, seal) == token, "a token reads differently")
            _ = ShardFilter(token: token.filter)
        }
        _ = seal.open(String(decoding: bytes, as: UTF8.self))
    }
}
