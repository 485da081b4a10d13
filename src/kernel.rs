//! A WGSL file as the host sees it: text with constants to fill in, and what naga says of it.
//!
//! Host and shader meet by name only: no binding number and no workgroup size is written twice.

use std::collections::BTreeMap;
use std::fmt;

/// One file of `shaders/`, embedded in the program.
#[derive(Debug)]
pub struct Kernel {
    /// The file's stem, such as `conv2d`.
    pub name: &'static str,
    /// The file's text: valid WGSL as it stands.
    pub source: &'static str,
}

/// Embeds `shaders/<name>.wgsl` as a [`Kernel`](crate::kernel::Kernel).
macro_rules! kernel {
    ($name:literal) => {
        $crate::kernel::Kernel {
            name: $name,
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name, ".wgsl")),
        }
    };
}
pub(crate) use kernel;

/// A value for a `const` or `alias` line of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// For `const NAME: u32 = ..;`
    U32(u32),
    /// For `const NAME: i32 = ..;`
    I32(i32),
    /// For `const NAME: f32 = ..;`, finite.
    F32(f32),
    /// For `alias NAME = ..;`
    Type(&'static str),
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::U32(value)
    }
}

impl From<usize> for Value {
    /// # Panics
    /// When the size does not fit WGSL's `u32`.
    fn from(value: usize) -> Self {
        Value::U32(u32::try_from(value).expect("a size in a shader must fit u32"))
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::I32(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        Value::F32(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::U32(value) => write!(f, "{value}u"),
            Value::I32(value) => write!(f, "{value}i"),
            // `{:?}` keeps every digit and never drops the point or the exponent.
            Value::F32(value) => write!(f, "{value:?}f"),
            Value::Type(name) => f.write_str(name),
        }
    }
}

/// A constant's name in the WGSL file and its value for one pass.
pub type Constant = (&'static str, Value);

impl Kernel {
    /// The file's text with its `const NAME: type = ..;` and `alias NAME = ..;` lines filled in and
    /// its repeated lines unrolled.
    ///
    /// Neither WGSL nor naga unrolls a loop, and an indexed array lives in memory, so a register
    /// tile needs a name and a line for each of its elements. The file holds the lines once:
    ///
    /// ```wgsl
    /// const r0 = 0u;
    /// //: for r0 in TILE
    ///     var sum_r0 = x[first + r0];
    /// //: end
    /// ```
    ///
    /// is valid as it stands, for a `const TILE: u32` of 1. With a TILE of 2 the line comes again
    /// with `r1` in place of `r0`, and `const r1 = 1u;` is added. Repeats may be nested. Lines
    /// between `//: if NAME` and `//: end` are dropped when the `const NAME: u32` is 0: an entry
    /// point binds only the buffers that are left.
    ///
    /// # Panics
    /// When the file has no such line, or the value is of another type, or a repeat is malformed.
    pub fn specialize(&self, constants: &[Constant]) -> String {
        let mut seen = vec![false; constants.len()];
        let mut lines: Vec<String> = Vec::new();
        for line in self.source.lines() {
            let filled = constants.iter().position(|(name, value)| declares(line, name, value));
            lines.push(match filled {
                Some(index) => {
                    seen[index] = true;
                    let head = line.split('=').next().unwrap_or(line);
                    format!("{head}= {};", constants[index].1)
                }
                None => line.to_string(),
            });
        }
        if let Some(missing) = seen.iter().position(|seen| !seen) {
            let (name, value) = constants[missing];
            panic!("shaders/{}.wgsl declares no constant {name} of the type of {value}", self.name);
        }
        self.unroll(lines)
    }

    /// Whether the file declares a variable of that name that its entries may write.
    pub fn writes(&self, variable: &str) -> bool {
        self.source.contains(&format!("var<storage, read_write> {variable}:"))
    }

    /// Whether its entries may write floats to a variable of that name.
    pub fn makes_floats(&self, variable: &str) -> bool {
        let declared = format!("var<storage, read_write> {variable}: array<");
        self.source.split(&declared).nth(1).is_some_and(|element| !element.starts_with("u32"))
    }

    fn unroll(&self, lines: Vec<String>) -> String {
        let sizes: BTreeMap<String, usize> = lines.iter().filter_map(|l| size(l)).collect();
        let mut followers = BTreeMap::new();
        let mut text = lines.join("\n") + "\n";
        // Innermost repeats first: the last one to begin holds no other.
        while let Some(begin) = text.rfind("//: for ").max(text.rfind("//: if ")) {
            let block = Block::parse(&text, begin, &sizes);
            let block = block.unwrap_or_else(|| {
                let line = text[begin..].lines().next().unwrap_or_default();
                panic!("shaders/{}.wgsl: malformed block `{line}`", self.name)
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

/// Whether `line` is the declaration that `value` may fill.
fn declares(line: &str, name: &str, value: &Value) -> bool {
    let head = line.split('=').next().unwrap_or("").trim();
    let expected = match value {
        Value::U32(_) => format!("const {name}: u32"),
        Value::I32(_) => format!("const {name}: i32"),
        Value::F32(_) => format!("const {name}: f32"),
        Value::Type(_) => format!("alias {name}"),
    };
    head == expected
}

/// A storage buffer or image that an entry point uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The number in `@binding(..)` of group 0.
    pub binding: u32,
    /// Declared `read_write`.
    pub writes: bool,
    /// The entry point loads from it.
    pub reads: bool,
    /// An image, not a buffer.
    pub image: bool,
}

/// What naga says of one entry point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// Threads of a workgroup along x, y, z.
    pub workgroup_size: [u32; 3],
    /// The buffers that this entry really uses, by variable name.
    pub slots: BTreeMap<String, Slot>,
    /// It asks for the number of workgroups: it finds its place when threads along x are folded
    /// onto y.
    pub folds: bool,
}

/// Parses and validates WGSL and describes its entry points by name.
///
/// # Errors
/// naga's message, with the place in the text.
pub fn reflect(source: &str) -> Result<BTreeMap<String, EntryPoint>, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let flags = naga::valid::ValidationFlags::all();
    let info = naga::valid::Validator::new(flags, naga::valid::Capabilities::all())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    let entries = module.entry_points.iter().enumerate().map(|(index, entry)| {
        let uses = info.get_entry_point(index);
        let slots = module.global_variables.iter().filter(|(handle, _)| !uses[*handle].is_empty());
        let slots = slots.filter_map(|(handle, variable)| {
            let binding = variable.binding.as_ref()?.binding;
            let writes = match variable.space {
                naga::AddressSpace::Storage { access } => {
                    access.contains(naga::StorageAccess::STORE)
                }
                _ => false,
            };
            let reads = uses[handle].contains(naga::valid::GlobalUse::READ);
            let image = matches!(module.types[variable.ty].inner, naga::TypeInner::Image { .. });
            Some((variable.name.clone()?, Slot { binding, writes, reads, image }))
        });
        let described = EntryPoint {
            workgroup_size: entry.workgroup_size,
            slots: slots.collect(),
            folds: entry.function.arguments.iter().any(|argument| {
                argument.binding == Some(naga::Binding::BuiltIn(naga::BuiltIn::NumWorkGroups))
            }),
        };
        (entry.name.clone(), described)
    });
    Ok(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    #[should_panic(expected = "declares no constant ROWS of the type of 2i")]
    fn a_constant_of_another_type_is_refused() {
        TILED.specialize(&[("ROWS", 2i32.into())]);
    }

    #[test]
    fn names_are_replaced_as_whole_parts_only() {
        assert_eq!(
            rename("a_r0 + r0 + r01 + xr0 + r0_c", "r0", "r3"),
            "a_r3 + r3 + r01 + xr0 + r3_c"
        );
    }
}
