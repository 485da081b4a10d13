//! Makes what a browser loads of a compiled module: `bindgen MODULE.wasm FOLDER`.

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let module = arguments.next().context("which module?")?;
    let folder = arguments.next().context("into which folder?")?;
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen.input_path(module).web(true)?.typescript(false);
    bindgen.omit_default_module_path(false).generate(folder)
}
