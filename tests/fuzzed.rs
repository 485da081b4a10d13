//! Replays what the fuzzer found worth keeping: see `fuzz/README.md`.

#[path = "../fuzz/readers.rs"]
mod readers;

use std::path::Path;

#[test]
fn no_kept_input_breaks_a_reader() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, _) in readers::READERS {
        let folder = corpus.join(name);
        let files = std::fs::read_dir(&folder);
        let files = files.unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut count = 0;
        for file in files {
            let path = file.expect("an entry").path();
            let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            // Shown when a reader panics.
            println!("{}", path.display());
            readers::read(name, &bytes);
            // What is cut short is read too.
            for length in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
                readers::read(name, &bytes[..length]);
            }
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
    }
}
