//! Which of its kernels a product takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{LARGE, Rewrite, SMALL, Target, plain_variant, subgroup_variant, workgroup_variant};
use crate::kernel::Value;
use crate::recording::{Pass, Recording};

/// A way to compute products: kernels that take the same tensors and give the same results up to
/// rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Lanes of a subgroup load each value once and hand it round.
    Subgroup,
    /// Workgroups share tiles of the size [`LARGE`] through their memory.
    LargeTiles,
    /// Workgroups share tiles of the size [`SMALL`].
    SmallTiles,
    /// Each thread holds a tile in its registers and loads by itself: the ops' own kernels. The tiles
    /// are smaller where there is little to do.
    Plain,
}

impl Family {
    /// All, in the order in which a pass takes them where nothing was measured.
    pub const ALL: [Family; 4] =
        [Family::Subgroup, Family::LargeTiles, Family::SmallTiles, Family::Plain];

    /// The pass by this family's kernel. `None` where the family has none for its shape, or its
    /// kernels don't suit the target or are not wanted there.
    pub fn variant(self, pass: &Pass, target: &Target) -> Option<Pass> {
        let wanted = |rewrite| !target.without.contains(&rewrite);
        let [lanes, most_lanes] = target.subgroup;
        let hands_round = wanted(Rewrite::Subgroup) && lanes == most_lanes;
        let shares = wanted(Rewrite::Workgroup) && !target.software;
        match self {
            Family::Subgroup if hands_round => subgroup_variant(pass, lanes),
            Family::LargeTiles if shares => workgroup_variant(pass, &LARGE),
            Family::SmallTiles if shares => workgroup_variant(pass, &SMALL),
            Family::Plain => Some(plain_variant(pass, target.software)),
            _ => None,
        }
    }

    /// The families that a pass can choose from on this target.
    pub fn candidates(pass: &Pass, target: &Target) -> Vec<Family> {
        let fits = |family: &Family| family.variant(pass, target).is_some();
        Family::ALL.into_iter().filter(fits).collect()
    }
}

/// The family to take for each product, by its [`key`]; those not named follow the fixed rule, the
/// first of [`Family::ALL`] that has a kernel for the pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices(BTreeMap<String, Family>);

impl Choices {
    /// What was chosen for this key.
    pub fn get(&self, key: &str) -> Option<Family> {
        self.0.get(key).copied()
    }

    /// Keys and their families, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Family)> {
        self.0.iter().map(|(key, family)| (key.as_str(), *family))
    }
}

impl FromIterator<(String, Family)> for Choices {
    fn from_iter<I: IntoIterator<Item = (String, Family)>>(choices: I) -> Choices {
        Choices(choices.into_iter().collect())
    }
}

/// What decides how fast a product is, wherever it stands: operation, entry, and the whole numbers
/// among its constants, sorted, without zeros. `None` for passes that have one kernel only.
///
/// Rows don't count, as a pass keeps its choice when it is cut into shards, nor where in a
/// concatenation a slice begins.
pub fn key(pass: &Pass) -> Option<String> {
    let products = ["forward", "backward_x", "backward_w"];
    if !["conv2d", "dense"].contains(&pass.kernel.name) || !products.contains(&pass.entry) {
        return None;
    }
    let number = |value: Value| match value {
        Value::U32(value) => i64::from(value),
        Value::I32(value) => i64::from(value),
        // Adam's numbers cost the same whatever they are; the type follows from the columns.
        Value::F32(_) | Value::Type(_) => 0,
    };
    let numbers = pass.constants.iter().map(|&(name, value)| (name, number(value)));
    let counts = |name: &str, number| number != 0 && !name.ends_with("_FIRST");
    let numbers: BTreeMap<_, _> = numbers.filter(|&(name, number)| counts(name, number)).collect();
    let mut key = format!("{}.{}", pass.kernel.name, pass.entry);
    for (name, number) in numbers {
        key.push_str(&format!(" {name}={number}"));
    }
    Some(key)
}

/// Gives each product the kernel of the family that was chosen for it, or else of the first that
/// has one.
pub fn choose(recording: &mut Recording, target: &Target) {
    for pass in &mut recording.passes {
        let Some(key) = key(pass) else { continue };
        let preferred = target.choices.get(&key).into_iter().chain(Family::ALL);
        let variant = preferred.into_iter().find_map(|family| family.variant(pass, target));
        if let Some(variant) = variant {
            *pass = variant;
        }
    }
}
