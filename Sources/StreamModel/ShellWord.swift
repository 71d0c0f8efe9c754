/// Quotes text as one word of a shell, for messages and for commands that are copied from them.
package enum ShellWord {
    /// `'text'`, and `'it'\''s'` for text with an apostrophe. Text with characters that a terminal would interpret is
    /// written in the form of bash, ksh and zsh: `$'two\nlines'`.
    ///
    /// - Parameter longest: longer text is cut after this number of characters and ends with an ellipsis; nil: never.
    package static func quoted(_ text: String, longest: Int? = nil) -> String {
        let scalars = Array(text.unicodeScalars)
        let shown = longest.map { scalars.prefix($0) } ?? scalars[...]
        let needsEscapes = shown.contains { !isShown($0) }
        var word = needsEscapes ? "$'" : "'"
        for scalar in shown {
            switch scalar {
            case "'": word += needsEscapes ? "\\'" : "'\\''"
            case "\\" where needsEscapes: word += "\\\\"
            case "\n": word += "\\n"
            case "\r": word += "\\r"
            case "\t": word += "\\t"
            default:
                if isShown(scalar) { word.unicodeScalars.append(scalar) } else { word += escaped(scalar) }
            }
        }
        return word + (shown.count < scalars.count ? "…'" : "'")
    }

    /// Whether a terminal shows the character and does nothing else. The two joiners count as shown, because scripts
    /// and emoji need them.
    private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: false
        case .format: scalar == "\u{200C}" || scalar == "\u{200D}"
        default: true
        }
    }

    // In a shell \xNN is a byte, so characters beyond ASCII need \u or \U.
    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        let (letter, count) = scalar.value < 0x80 ? ("x", 2) : scalar.value < 0x1_0000 ? ("u", 4) : ("U", 8)
        return "\\\(letter)" + String(repeating: "0", count: count - digits.utf8.count) + digits
    }
}
