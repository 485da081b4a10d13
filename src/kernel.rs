//! A WGSL file as the host sees it: text with constants to fill in, and what naga says of it.
//!
//! Host and shader meet by name only: no binding number and no workgroup size is written twice.

use std::collections::BTreeMap;
use std::fmt;

mod blocks;
mod sizes;

pub use sizes::bind_sizes;

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

impl Value {
    /// The type of the `const` that it is for.
    fn kind(&self) -> Option<&'static str> {
        match self {
            Value::U32(_) => Some("u32"),
            Value::I32(_) => Some("i32"),
            Value::F32(_) => Some("f32"),
            Value::Type(_) => None,
        }
    }
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
            let filled = declared(line).and_then(|(name, kind)| {
                let fits = |(known, value): &Constant| *known == name && value.kind() == kind;
                constants.iter().position(fits)
            });
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
        blocks::unroll(self.name, &lines)
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
}

/// The name that a line declares, and its type; an alias has none.
fn declared(line: &str) -> Option<(&str, Option<&str>)> {
    let head = line.split_once('=')?.0.trim();
    match (head.strip_prefix("const "), head.strip_prefix("alias ")) {
        (Some(constant), _) => constant.split_once(": ").map(|(name, kind)| (name, Some(kind))),
        (None, alias) => Some((alias?, None)),
    }
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
    /// The binding of its [sizes](bind_sizes), where they are bound.
    pub sizes: Option<u32>,
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
        let is_uniform = |space| space == naga::AddressSpace::Uniform;
        let (sizes, slots): (Vec<_>, Vec<_>) =
            slots.partition(|(_, variable)| is_uniform(variable.space));
        let sizes = sizes.first().and_then(|(_, variable)| variable.binding.as_ref());
        let slots = slots.into_iter().filter_map(|(handle, variable)| {
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
            sizes: sizes.map(|sizes| sizes.binding),
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

    #[test]
    #[should_panic(expected = "declares no constant ROWS of the type of 2i")]
    fn a_constant_of_another_type_is_refused() {
        const ROWS: Kernel = Kernel { name: "rows", source: "const ROWS: u32 = 1u;\n" };
        ROWS.specialize(&[("ROWS", 2i32.into())]);
    }
}
