//! A network from its file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{Layer, Mistake, Network};
use crate::bounded;
use crate::foreign::complaint;

/// Bytes of a network's file, many times what one needs.
const LONGEST: u64 = 1 << 20;

/// What can be wrong with a network's file.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// It cannot be read.
    #[error("cannot read the network {}: {why}; check the path after --network", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// It has a syntax error, an unknown key or a value of the wrong type.
    #[error("in {}, line {line}: {why}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what was expected.
        why: String,
    },
    /// Its layers do not make a network.
    #[error("in {}, line {line}: {}", path.display(), complaint(mistake))]
    Mistake {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        mistake: Mistake,
    },
}

/// As [`Network`], with the place of each layer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    image: Spanned<Extents>,
    layers: Vec<Spanned<Layer>>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Extents(#[serde(deserialize_with = "super::forms::numbers")] [usize; 3]);

impl Network {
    /// The network that the file describes.
    ///
    /// # Errors
    /// [`NetworkError`] with the line.
    pub fn read(path: &Path) -> Result<Network, NetworkError> {
        let text = bounded::read_named(path, LONGEST)
            .map_err(|why| NetworkError::Read { path: path.into(), why })?;
        Network::parse(path, &text)
    }

    /// As [`Network::read`], for a text; `path` stands for it in errors.
    ///
    /// # Errors
    /// [`NetworkError`] with the line.
    pub fn parse(path: &Path, text: &str) -> Result<Network, NetworkError> {
        let line = |place: usize| 1 + text.bytes().take(place).filter(|&b| b == b'\n').count();
        let file: File = toml::from_str(text).map_err(|error| NetworkError::Toml {
            path: path.into(),
            line: line(error.span().map_or(0, |span| span.start)),
            why: complaint(error.message().replace('\n', ", ")),
        })?;
        let places: Vec<usize> = file.layers.iter().map(|layer| layer.span().start).collect();
        let image_line = line(file.image.span().start);
        let layers = file.layers.into_iter().map(Spanned::into_inner).collect();
        let network = Network { image: file.image.into_inner().0, layers };
        match network.shapes() {
            Ok(_) => Ok(network),
            Err(mistake) => {
                let at = mistake.layer.and_then(|layer| places.get(layer - 1));
                let line = at.map_or(image_line, |&place| line(place));
                Err(NetworkError::Mistake { path: path.into(), line, mistake })
            }
        }
    }
}
