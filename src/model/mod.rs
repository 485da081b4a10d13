//! Networks, written with the operations of [`crate::ops`].

mod inception;
mod init;
mod sizes;
mod tutorial;

pub use inception::{TOWERS, Widths, inception};
pub use init::initial_values;
pub use sizes::{Uncountable, check_sizes};
pub use tutorial::{logits, widths};
