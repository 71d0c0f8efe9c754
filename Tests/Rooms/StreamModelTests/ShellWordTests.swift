import StreamModel
import Testing

/// Words that are copied from messages into a shell.
@Suite struct ShellWordTests {
    @Test(
        arguments: [
            ("k7", "'k7'"), ("", "''"), ("it's", #"'it'\''s'"#), ("''", #"''\'''\'''"#), ("a\\tb", #"'a\tb'"#),
            ("$(rm -r x) `y` \"z\" ; &", "'$(rm -r x) `y` \"z\" ; &'"), ("ä😀\u{200D}", "'ä😀\u{200D}'"),
            ("a\tb", #"$'a\tb'"#), ("a\nb\r", #"$'a\nb\r'"#), ("it's\n\\", #"$'it\'s\n\\'"#),
            ("\u{1B}[2J\u{7F}", #"$'\x1B[2J\x7F'"#), ("\u{0}", #"$'\x00'"#), ("\u{9B}x", #"$'\u009Bx'"#),
            ("\u{202E}\u{2028}", #"$'\u202E\u2028'"#), ("\u{E0001}", #"$'\U000E0001'"#),
        ])
    func `a word is quoted so that a shell reads the same text`(text: String, word: String) {
        #expect(ShellWord.quoted(text) == word)
    }

    @Test func `long text is cut at a character, with an ellipsis`() {
        #expect(ShellWord.quoted("ab'c", longest: 3) == #"'ab'\''…'"#)
        #expect(ShellWord.quoted("abc", longest: 3) == "'abc'")
        #expect(ShellWord.quoted("ab\nc", longest: 2) == "'ab…'")
        #expect(ShellWord.quoted("a\nbc", longest: 2) == #"$'a\n…'"#)
    }

    @Test func `durations are written as options take them`() {
        let samples: [(Duration, String)] = [
            (.zero, "0s"), (.milliseconds(1), "1ms"), (.milliseconds(1500), "1500ms"), (.seconds(59), "59s"),
            (.seconds(60), "1m"), (.seconds(301), "301s"), (.seconds(86_400), "1d"), (.seconds(129_600), "36h"),
            (.seconds(604_800), "7d"), (.seconds(-1), "-1s"), (.microseconds(1500), "0.0015s"),
            (.seconds(Int64.max), "9223372036854775807s"), (.seconds(Int64.min), "-9223372036854775808s"),
        ]
        for (duration, text) in samples { #expect(duration.optionText == text) }
    }
}
