/// What tags may be (API-Tags-1, API-Tags-2).
enum TagRules {
    /// What the names of the attributes that keep tags begin with.
    static let prefix = "tag/"
    /// The most tags of a stream or consumer (API-L-5).
    static let countLimit = 50

    /// Throws for characters that are not allowed.
    ///
    /// - Parameters:
    ///   - adding: whether they are to be added: then `%` is refused too.
    ///   - resource: the stream, as the text names it.
    static func check(
        _ tags: [(name: String, value: String)], adding: Bool, to resource: String
    ) throws(ServiceError) {
        let texts = tags.flatMap { [$0.name, $0.value] }
        guard texts.allSatisfy({ $0.unicodeScalars.allSatisfy { isAllowed($0) || $0 == "%" } }) else {
            throw .invalidArgument(
                "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @."
            )
        }
        guard !adding || texts.allSatisfy({ $0.unicodeScalars.allSatisfy(isAllowed) }) else {
            throw .invalidArgument(
                "Failed to add tags to \(resource) because some tags contained illegal characters. The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'."
            )
        }
        if let name = tags.map(\.name).first(where: { $0.lowercased().hasPrefix("aws:") }), adding {
            throw .invalidArgument(
                "Failed to add tags to \(resource) because the key \(name) begins with aws:, which is reserved.")
        }
    }

    /// A letter or digit of any script, the space, and a few signs.
    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case " ", "_", ".", "/", "=", "+", "-", "@", ":": return true
        default:
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
                .letterNumber, .otherNumber, .nonspacingMark, .spacingMark:
                return true
            default: return false
            }
        }
    }
}
