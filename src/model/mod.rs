//! Networks, written with the operations of [`crate::ops`].

mod inception;
mod init;
mod tutorial;

pub use inception::inception;
pub use init::initial_values;
pub use tutorial::logits;
