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
    /// The file's text with its `const NAME: type = ..;` and `alias NAME = ..;` lines filled in.
    ///
    /// # Panics
    /// When the file has no such line, or the value is of another type.
    pub fn specialize(&self, constants: &[Constant]) -> String {
        let mut seen = vec![false; constants.len()];
        let mut text = String::with_capacity(self.source.len() + 256);
        for line in self.source.lines() {
            let filled = constants.iter().position(|(name, value)| declares(line, name, value));
            match filled {
                Some(index) => {
                    let head = line.split('=').next().unwrap_or(line);
                    text.push_str(&format!("{head}= {};", constants[index].1));
                    seen[index] = true;
                }
                None => text.push_str(line),
            }
            text.push('\n');
        }
        if let Some(missing) = seen.iter().position(|seen| !seen) {
            let (name, value) = constants[missing];
            panic!("shaders/{}.wgsl declares no constant {name} of the type of {value}", self.name);
        }
        text
    }
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

/// A storage buffer that an entry point uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The number in `@binding(..)` of group 0.
    pub binding: u32,
    /// Declared `read_write`.
    pub writes: bool,
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
        let slots = slots.filter_map(|(_, variable)| {
            let binding = variable.binding.as_ref()?.binding;
            let writes = match variable.space {
                naga::AddressSpace::Storage { access } => {
                    access.contains(naga::StorageAccess::STORE)
                }
                _ => false,
            };
            Some((variable.name.clone()?, Slot { binding, writes }))
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
