//! Layers chosen by patterns of their names.

/// A pattern that chooses no layer, or patterns that leave none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayersError {
    /// No layer has such a name.
    #[error(
        "{option}: no layer is named {pattern:?}; there are {layers}, and * stands for any letters"
    )]
    None {
        /// What the pattern was given to.
        option: &'static str,
        /// The pattern.
        pattern: String,
        /// The layers that there are.
        layers: String,
    },
    /// All layers are frozen.
    #[error("freeze: {patterns} is every layer, which leaves none to train; freeze fewer")]
    All {
        /// The patterns.
        patterns: String,
    },
}

/// What variables' names begin with: weights and biases; batch normalisation's scale, shift and running
/// mean and variance.
const KINDS: [&str; 6] = ["W_", "b_", "gamma_", "beta_", "mean_", "variance_"];

/// The layer that a variable belongs to: `conv1_3x3` for `W_conv1_3x3` and `b_conv1_3x3`.
pub fn layer(variable: &str) -> &str {
    KINDS.iter().find_map(|kind| variable.strip_prefix(kind)).unwrap_or(variable)
}

/// Whether one of the patterns is the name of the variable's layer. In a pattern `*` stands for any
/// letters or none, and each other letter for itself.
pub fn is_chosen(patterns: &[String], variable: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, layer(variable)))
}

fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in between.split('*') {
        // Its first place leaves the most to the parts behind it.
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// Checks that each pattern, given to `option`, chooses a layer of these variables.
///
/// # Errors
/// [`LayersError::None`] for the first that does not.
pub fn check_patterns(
    option: &'static str,
    patterns: &[String],
    variables: &[(String, Vec<usize>)],
) -> Result<(), LayersError> {
    let mut layers: Vec<&str> = variables.iter().map(|(name, _)| layer(name)).collect();
    layers.dedup(); // a layer's weights and bias are neighbours
    match patterns.iter().find(|pattern| !layers.iter().any(|name| matches(pattern, name))) {
        None => Ok(()),
        Some(pattern) => {
            Err(LayersError::None { option, pattern: pattern.clone(), layers: layers.join(", ") })
        }
    }
}

/// Checks that these patterns freeze layers of these variables, and not all.
///
/// # Errors
/// [`LayersError`].
pub fn check_frozen(
    patterns: &[String],
    variables: &[(String, Vec<usize>)],
) -> Result<(), LayersError> {
    check_patterns("freeze", patterns, variables)?;
    match variables.iter().all(|(name, _)| is_chosen(patterns, name)) {
        true => Err(LayersError::All { patterns: patterns.join(",") }),
        false => Ok(()),
    }
}
