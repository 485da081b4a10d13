//! A small reader of pages, strict enough that what it takes no browser has to mend.

/// Elements that have no end.
const VOID: [&str; 3] = ["meta", "link", "img"];

/// An element's begin.
#[derive(Debug)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// All text within it.
    pub text: String,
}

impl Element {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn is(&self, name: &str, class: &str) -> bool {
        let classes = self.get("class").unwrap_or_default();
        self.name == name && classes.split(' ').any(|one| one == class)
    }
}

/// The elements of a page, in order, with entities resolved.
///
/// # Panics
/// When an element does not end where it must, an attribute is not quoted or stands twice, or a
/// character stands where it may not.
pub fn elements(page: &str) -> Vec<Element> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document of today's HTML");
    let (mut all, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        let style = open.last().is_some_and(|&at| all[at].name == "style");
        let (text, markup) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        assert!(style || !text.contains('>'), "a bare > in {text:?}");
        let text = if style { text.to_string() } else { resolved(text) };
        open.iter().for_each(|&at| all[at].text.push_str(&text));
        let Some(markup) = markup.strip_prefix('<') else { break };
        let (tag, after) = markup.split_once('>').expect("a tag's end");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let at = open.pop().unwrap_or_else(|| panic!("</{name}> ends nothing"));
            assert_eq!(all[at].name, name, "what ends");
            continue;
        }
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        assert!(!name.is_empty(), "<{tag}>");
        let attributes = attributes(&tag[name.len()..]);
        if !VOID.contains(&name.as_str()) {
            open.push(all.len());
        }
        all.push(Element { name, attributes, text: String::new() });
    }
    assert!(open.is_empty(), "never ended: {:?}", open.iter().map(|&at| &all[at].name));
    all
}

fn attributes(mut text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    while !text.is_empty() {
        text = text.strip_prefix(' ').unwrap_or_else(|| panic!("no space before {text:?}"));
        let (name, after) = text.split_once("=\"").unwrap_or_else(|| panic!("{text:?}"));
        let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("{after:?}"));
        assert!(!name.contains([' ', '"', '\'']), "{name:?}");
        assert!(found.iter().all(|(other, _)| other != name), "{name} twice");
        found.push((name.to_string(), resolved(value)));
        text = after;
    }
    found
}

fn resolved(text: &str) -> String {
    let mut parts = text.split('&');
    let mut resolved = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (entity, after) = part.split_once(';').unwrap_or_else(|| panic!("a bare & in {text}"));
        resolved.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            other => panic!("&{other};"),
        });
        resolved.push_str(after);
    }
    resolved
}
