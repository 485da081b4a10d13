//! A look into a network: how its weights are spread, what its ReLUs let through, which pixels it
//! goes by, and pictures of all that.
//!
//! Inference is recorded here once more, on a tape whose parameters are frozen: nothing but the
//! image is differentiated. See [`Recorded`] and [`Probe`].

mod distribution;
#[cfg(feature = "cli")]
mod page;
#[cfg(feature = "cli")]
mod pictures;
mod probe;
mod relus;

pub use distribution::{BINS, Distribution};
#[cfg(feature = "cli")]
pub use page::{Block, Colours, image_tile, page, png, tile};
#[cfg(feature = "cli")]
pub use pictures::{Salient, filters, maps, saliency};
pub use probe::{Probe, Recorded};
pub use relus::{Relu, Sparsity, relus};
