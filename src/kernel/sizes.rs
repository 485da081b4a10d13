//! Sizes that are bound instead of written into the text, so that passes of other sizes share it.

/// Where the sizes are bound: behind every number that a WGSL file uses.
const BINDING: u32 = 100;

/// A specialized text whose constants between `//: sizes` and `//: end` are members of a uniform
/// `sizes` instead, and these constants' values in the order of the members, four bytes each.
///
/// # Panics
/// When the text has no such lines, or another than `const NAME: u32 = 1u;` or the same of `i32`.
pub fn bind_sizes(text: &str) -> (String, Vec<u32>) {
    let parts = text.split_once("//: sizes\n");
    let parts = parts.and_then(|(head, rest)| Some((head, rest.split_once("//: end\n")?)));
    let (head, (lines, tail)) = parts.expect("the text says which of its constants are sizes");
    let (mut names, mut members, mut words) = (Vec::new(), String::new(), Vec::new());
    for line in lines.lines() {
        let (name, kind, word) = constant(line)
            .unwrap_or_else(|| panic!("a size must be a whole number of four bytes: `{line}`"));
        members.push_str(&format!("    {name}: {kind},\n"));
        names.push(name);
        words.push(word);
    }
    let declared = format!(
        "struct Sizes {{\n{members}}}\n@group(0) @binding({BINDING}) var<uniform> sizes: Sizes;\n"
    );
    // What stands before cannot name them: a constant is not made of what is bound.
    (head.to_string() + &declared + &rename(tail, &names), words)
}

/// Name, type and value of a `const NAME: u32 = 1u;` line, or the same of `i32`.
fn constant(line: &str) -> Option<(&str, &str, u32)> {
    let (name, rest) = line.strip_prefix("const ")?.split_once(": ")?;
    let (kind, rest) = rest.split_once(" = ")?;
    let value = rest.split_once(';')?.0;
    let word = match kind {
        "u32" => value.strip_suffix('u')?.parse().ok()?,
        "i32" => value.strip_suffix('i')?.parse::<i32>().ok()?.cast_unsigned(),
        _ => return None,
    };
    Some((name, kind, word))
}

/// Puts `sizes.` before each word that is one of the names.
fn rename(text: &str, names: &[&str]) -> String {
    let within = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut result = String::with_capacity(2 * text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(within) {
        let word = &rest[begin..];
        let word = &word[..word.find(|c| !within(c)).unwrap_or(word.len())];
        result.push_str(&rest[..begin]);
        if names.contains(&word) {
            result.push_str("sizes.");
        }
        result.push_str(word);
        rest = &rest[begin + word.len()..];
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "const TILE: u32 = 2u;\n//: sizes\nconst OUT: u32 = 7u; // of y\n\
        const PAD: i32 = -1i;\n//: end\nconst OUT_H: u32 = 3u;\nlet a = f(OUT) + OUT_H * PAD;";

    #[test]
    fn sizes_become_members_wherever_they_are_named() {
        let (text, words) = bind_sizes(TEXT);
        let expected = "const TILE: u32 = 2u;\nstruct Sizes {\n    OUT: u32,\n    PAD: i32,\n}\n\
            @group(0) @binding(100) var<uniform> sizes: Sizes;\nconst OUT_H: u32 = 3u;\n\
            let a = f(sizes.OUT) + OUT_H * sizes.PAD;";
        assert_eq!(text, expected);
        assert_eq!(words, [7, u32::MAX]);
    }

    #[test]
    fn the_text_is_the_same_whatever_the_sizes_are() {
        let other = TEXT.replace("7u", "8u").replace("-1i", "5i");
        assert_eq!(bind_sizes(&other).0, bind_sizes(TEXT).0);
        assert_eq!(bind_sizes(&other).1, [8, 5]);
    }

    #[test]
    #[should_panic(expected = "a size must be a whole number of four bytes: `const OUT: f32")]
    fn what_is_no_whole_number_is_refused() {
        bind_sizes(&TEXT.replace("OUT: u32 = 7u", "OUT: f32 = 7.0"));
    }
}
