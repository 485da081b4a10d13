//! Lines that are repeated, and lines that may go.

use std::collections::BTreeMap;

/// The text of the kernel `name` with its repeated lines unrolled, and without those that go.
///
/// # Panics
/// When a block is malformed.
pub(super) fn unroll(name: &str, lines: &[String]) -> String {
    let sizes: BTreeMap<String, usize> = lines.iter().filter_map(|l| size(l)).collect();
    let mut followers = BTreeMap::new();
    let mut text = lines.join("\n") + "\n";
    // Innermost repeats first: the last one to begin holds no other.
    while let Some(begin) = text.rfind("//: for ").max(text.rfind("//: if ")) {
        let block = Block::parse(&text, begin, &sizes);
        let block = block.unwrap_or_else(|| {
            let line = text[begin..].lines().next().unwrap_or_default();
            panic!("shaders/{name}.wgsl: malformed block `{line}`")
        });
        let unrolled: String = match block.stem {
            Some(stem) => {
                let highest = followers.entry(stem.to_string()).or_insert(1);
                *highest = block.count.max(*highest);
                let marker = format!("{stem}0");
                (0..block.count)
                    .map(|i| rename(block.body, &marker, &format!("{stem}{i}")))
                    .collect()
            }
            None if block.count == 0 => String::new(),
            None => block.body.to_string(),
        };
        let end = block.end;
        text.replace_range(begin..end, &unrolled);
    }
    for (stem, count) in followers {
        for i in 1..count {
            text.push_str(&format!("const {stem}{i} = {i}u;\n"));
        }
    }
    text
}

/// A `//: for r0 in TILE` or `//: if NAME`, up to its `//: end`.
struct Block<'a> {
    /// The marker of a repeat without its 0.
    stem: Option<&'a str>,
    count: usize,
    body: &'a str,
    /// Where the text goes on behind it.
    end: usize,
}

impl<'a> Block<'a> {
    fn parse(text: &'a str, begin: usize, sizes: &BTreeMap<String, usize>) -> Option<Self> {
        let body_begin = begin + text[begin..].find('\n')? + 1;
        let words: Vec<_> = text[begin..body_begin].split_whitespace().collect();
        let (stem, limit) = match words[..] {
            [_, "for", marker, "in", limit] => (Some(marker.strip_suffix('0')?), limit),
            [_, "if", limit] => (None, limit),
            _ => return None,
        };
        let body_end = body_begin + text[body_begin..].find("//: end")?;
        Some(Block {
            stem,
            count: *sizes.get(limit)?,
            body: text[body_begin..body_end].trim_end_matches(' '),
            end: body_end + "//: end".len(),
        })
    }
}

/// Name and value of a `const NAME: u32 = 8u;` line.
fn size(line: &str) -> Option<(String, usize)> {
    let (name, value) = line.strip_prefix("const ")?.split_once(": u32 = ")?;
    Some((name.to_string(), value.split_once("u;")?.0.parse().ok()?))
}

/// Replaces `marker` where it is a word or a word's last part behind `_`.
fn rename(text: &str, marker: &str, new: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(marker) {
        let after = at + marker.len();
        let before_fits = !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let after_fits = !rest[after..].starts_with(|c: char| c.is_ascii_alphanumeric());
        result.push_str(&rest[..at]);
        result.push_str(if before_fits && after_fits { new } else { marker });
        rest = &rest[after..];
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;

    const TILED: Kernel = Kernel {
        name: "tiled",
        source: "const ROWS: u32 = 1u;\nconst COLUMNS: u32 = 1u;\nconst r0 = 0u;\nconst c0 = 0u;\n\
            //: for r0 in ROWS\nlet a_r0 = r0;\n//: for c0 in COLUMNS\nlet b_r0_c0 = a_r0 + c0;\n\
            //: end\n//: end\n",
    };

    #[test]
    fn repeats_are_unrolled_with_their_names() {
        let text = TILED.specialize(&[("ROWS", 2u32.into()), ("COLUMNS", 2u32.into())]);
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        let expected = [
            "const ROWS: u32 = 2u;",
            "const COLUMNS: u32 = 2u;",
            "const r0 = 0u;",
            "const c0 = 0u;",
            "let a_r0 = r0;",
            "let b_r0_c0 = a_r0 + c0;",
            "let b_r0_c1 = a_r0 + c1;",
            "let a_r1 = r1;",
            "let b_r1_c0 = a_r1 + c0;",
            "let b_r1_c1 = a_r1 + c1;",
            "const c1 = 1u;",
            "const r1 = 1u;",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn lines_are_kept_or_dropped() {
        const CHOICE: Kernel = Kernel {
            name: "choice",
            source: "const KEEP: u32 = 1u;\n//: if KEEP\nlet a = 1u;\n//: end\nlet b = 2u;\n",
        };
        assert!(CHOICE.specialize(&[]).contains("let a"));
        let dropped = CHOICE.specialize(&[("KEEP", 0u32.into())]);
        assert!(!dropped.contains("let a") && dropped.contains("let b"), "{dropped}");
    }

    #[test]
    fn names_are_replaced_as_whole_parts_only() {
        assert_eq!(
            rename("a_r0 + r0 + r01 + xr0 + r0_c", "r0", "r3"),
            "a_r3 + r3 + r01 + xr0 + r3_c"
        );
    }
}
