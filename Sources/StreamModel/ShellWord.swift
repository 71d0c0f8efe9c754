/// Text as a shell takes it for one word, for messages and for commands that are copied from them.
package enum ShellWord {
    /// `'text'`, and `'it'\''s'` where an apostrophe is in it. Text with characters that a terminal would not just show is
    /// written as bash, ksh and zsh read it: `$'two\nlines'`.
    ///
    /// - Parameter longest: longer text is cut after so many characters, with an ellipsis for the rest; nil: never.
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

    /// Whether a terminal shows the character and does nothing else. The two joiners are shown, as scripts and emoji need
    /// them.
    private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: false
        case .format: scalar == "\u{200C}" || scalar == "\u{200D}"
        default: true
        }
    }

    // To a shell \xNN is a byte, so beyond ASCII it has to be the character.
    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        let (letter, count) = scalar.value < 0x80 ? ("x", 2) : scalar.value < 0x1_0000 ? ("u", 4) : ("U", 8)
        return "\\\(letter)" + String(repeating: "0", count: count - digits.utf8.count) + digits
    }
}
