//! Sentences about tensors that are missing or too many.

/// How many names a sentence lists before it only counts the rest.
const LISTED: usize = 8;
/// Letters of a name that are looked at; the names of a foreign file may be of any length.
const LETTERS: usize = 80;

/// What is wrong with a file that lacks the tensors `missing` and has `extra` ones, if anything.
pub(super) fn complaint(missing: &[&str], extra: &[&str]) -> Option<String> {
    if missing.is_empty() && extra.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("it lacks {}", list(missing)));
    }
    if !extra.is_empty() {
        parts.push(format!("it has {}, which this model does not know", list(extra)));
    }
    let mut text = parts.join("; ");
    let pairs = missing.iter().take(LISTED).filter_map(|&name| {
        let near = nearest(name, extra)?;
        Some(format!("{} may be meant for {name}", short(near)))
    });
    let pairs: Vec<String> = pairs.collect();
    if !pairs.is_empty() {
        text += &format!("; {}", pairs.join(", "));
    }
    Some(text)
}

fn list(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|n| short(n)).collect();
    let rest = names.len() - shown.len();
    let more = match rest {
        0 => String::new(),
        _ => format!(" and {rest} more"),
    };
    let tensors = if names.len() == 1 { "the tensor" } else { "the tensors" };
    format!("{tensors} {}{more}", shown.join(", "))
}

/// A name fit for a message: no control characters, no endless length.
fn short(name: &str) -> String {
    crate::foreign::start(name, LETTERS)
}

/// The name with the fewest changed letters, if no more than a third of them changed.
fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let measured = names.iter().take(1000).map(|&n| (distance(name, n), n));
    let (changes, near) = measured.min_by_key(|(changes, _)| *changes)?;
    (changes * 3 <= name.chars().count()).then_some(near)
}

/// Letters to insert, remove or replace to make one name of the other (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(LETTERS).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(LETTERS).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
