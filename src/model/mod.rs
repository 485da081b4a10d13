//! Networks, written with the operations of [`crate::ops`].

mod inception;
mod init;
mod layers;
mod sizes;
mod tutorial;

pub use inception::{TOWERS, Widths, inception};
pub use init::initial_values;
pub use layers::{LayersError, check_frozen, check_patterns, is_chosen, layer};
pub use sizes::{Uncountable, check_sizes};
pub use tutorial::{logits, widths};
