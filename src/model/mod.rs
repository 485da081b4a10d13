//! Networks, written with the operations of [`crate::ops`].

mod inception;
mod init;
mod layers;
mod network;
mod sizes;

pub use inception::{TOWERS, Widths, inception};
pub use init::initial_values;
pub use layers::{LayersError, check_frozen, check_patterns, is_chosen, layer};
pub use network::{Logits, drops, logits, training};
pub use sizes::{SizeError, check_sizes, check_statistics};
