//! Text of others (names, values, a parser's complaint about them) in sentences of ours: short, and
//! without what a terminal would obey.

/// Characters of a name or value that are shown.
const SHOWN: usize = 200;
/// Characters of a parser's complaint, which may list what it expected.
const COMPLAINT: usize = 600;

/// The start of a name or value, control and other invisible characters escaped.
pub fn shown(text: impl ToString) -> String {
    start(&text.to_string(), SHOWN)
}

/// The same of what a parser says of a file, with the file's words in it.
pub fn complaint(text: impl ToString) -> String {
    start(&text.to_string(), COMPLAINT)
}

/// The first `most` characters, escaped; two dots stand for the rest.
pub fn start(text: &str, most: usize) -> String {
    let mut start: String = text.chars().take(most).map(escape).collect();
    if text.chars().nth(most).is_some() {
        start += "..";
    }
    start
}

/// All of it, escaped but for ends of lines: for a terminal.
#[cfg(feature = "cli")]
pub fn escaped(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c.into() } else { escape(c) }).collect()
}

fn escape(c: char) -> String {
    match c {
        '"' | '\'' | '\\' => c.into(),
        _ => c.escape_debug().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_the_rest_stays() {
        let plain = "don't \"C:\\x\" größer 数字 é";
        assert_eq!(shown(plain), plain);
        assert_eq!(shown("\u{1b}[2J\u{7}\n\u{202e}\u{9b}"), "\\u{1b}[2J\\u{7}\\n\\u{202e}\\u{9b}");
        #[cfg(feature = "cli")]
        assert_eq!(escaped("a\n\rb"), "a\n\\rb");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(shown("é".repeat(200)), "é".repeat(200));
        assert_eq!(shown("é".repeat(201)), "é".repeat(200) + "..");
        assert_eq!(complaint("x".repeat(9999)).len(), 602);
    }
}
