//! The house's rules (ARCHITECTURE.md), held by reading the tree. Needs no GPU.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The only files that name wgpu.
const GPU_FILES: [&str; 12] = [
    "src/engine.rs",
    "src/engine/flight.rs",
    "src/engine/memory.rs",
    "src/engine/pipelines.rs",
    "src/engine/step.rs",
    "src/engine/transfer.rs",
    "src/engine/wait.rs",
    "src/engine/wait_web.rs",
    "src/gpu.rs",
    "src/gpu/adapters.rs",
    "src/gpu/made.rs",
    "src/timing.rs",
];
/// The only files with `unsafe`, each saying why.
const UNSAFE_FILES: [&str; 1] = ["src/main.rs"];
/// Lines at which a file is to be parted.
const LONGEST: usize = 400;
const PAGES: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docs/commands.md",
    "docs/data.md",
    "docs/networks.md",
    "docs/performance.md",
    "docs/robustness.md",
];
/// Those that tell a user what to type.
const MANUAL: [&str; 4] = ["README.md", "docs/commands.md", "docs/data.md", "docs/networks.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let text = std::fs::read_to_string(root().join(path));
    text.unwrap_or_else(|e| panic!("{path}: {e}")).replace("\r\n", "\n")
}

/// Paths of the files below `folder` with that extension, with `/` on every system, sorted.
fn files(folder: &str, extension: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("a folder of the tree");
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let path = path.strip_prefix(root()).expect("below the root");
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                found.insert(parts.join("/"));
            }
        }
    }
    found
}

/// The file names without their ending.
fn stems(paths: &BTreeSet<String>) -> BTreeSet<String> {
    let stem = |path: &String| PathBuf::from(path).file_stem()?.to_str().map(String::from);
    paths.iter().filter_map(stem).collect()
}

/// The code without its comments.
fn code(path: &str) -> String {
    let text = read(path);
    let uncommented = |line: &str| {
        let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        line[..comment.map_or(line.len(), |(at, _)| at)].to_string()
    };
    text.lines().map(|line| uncommented(line) + "\n").collect()
}

/// Whether `word` stands in the text as a whole word; the package's own name is another.
fn names(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

#[test]
fn wgpu_is_named_by_engine_gpu_and_timing_alone() {
    let naming: Vec<_> =
        files("src", "rs").into_iter().filter(|path| names(&code(path), "wgpu")).collect();
    assert_eq!(naming, GPU_FILES, "files under src/ that name wgpu");
}

#[test]
fn unsafe_stands_where_it_is_explained() {
    let unsafe_code = |path: &String| {
        let code = code(path);
        names(&code, "unsafe") || names(&code, "unsafe_code")
    };
    let naming: Vec<_> = files("src", "rs").into_iter().filter(unsafe_code).collect();
    assert_eq!(naming, UNSAFE_FILES, "files under src/ with unsafe code");
}

/// The names in `kernel!("name")` of a file.
fn kernels(path: &str) -> Vec<String> {
    let code = code(path);
    let rest = code.split("kernel!(\"").skip(1);
    rest.filter_map(|rest| rest.split('"').next()).map(String::from).collect()
}

/// The operations: the files of `src/ops/` but `mod.rs`.
fn ops() -> BTreeSet<String> {
    let mut ops = stems(&files("src/ops", "rs"));
    assert!(ops.remove("mod"), "src/ops/mod.rs is gone");
    ops
}

#[test]
fn an_op_is_three_files() {
    let shaders = stems(&files("shaders", "wgsl"));
    let tests = stems(&files("tests/ops", "rs"));
    for op in ops() {
        assert!(shaders.contains(&op), "src/ops/{op}.rs has no shaders/{op}.wgsl");
        assert!(tests.contains(&op), "src/ops/{op}.rs has no tests/ops/{op}.rs");
    }
}

#[test]
fn only_its_owner_names_a_shader() {
    let mut named = BTreeSet::new();
    for path in files("src", "rs") {
        let kernels = kernels(&path);
        named.extend(kernels.iter().cloned());
        let file = |folder| path.strip_prefix(folder)?.strip_suffix(".rs");
        if let Some(op) = file("src/ops/").filter(|op| *op != "mod") {
            // An op's own file names its own shader and no other op's.
            assert_eq!(kernels, [op], "shaders that {path} names");
            assert!(!code(&path).contains("::KERNEL"), "{path} names another op's kernel");
        } else if let Some(plan) = file("src/plan/") {
            // A plan names the variants that it chooses: `<op>_<plan>`.
            let op = |kernel: &String| kernel.strip_suffix(&format!("_{plan}")).map(String::from);
            let variants = kernels.iter().all(|k| op(k).is_some_and(|op| ops().contains(&op)));
            assert!(variants, "{path} names {kernels:?}");
        } else if let Some(own) = file("src/").filter(|own| ["ceiling", "numbers"].contains(own)) {
            assert_eq!(kernels, [own], "shaders that {path} names");
        } else {
            assert!(kernels.is_empty(), "{path} names a shader; only src/ops and src/plan may");
        }
    }
    assert_eq!(named, stems(&files("shaders", "wgsl")), "shaders named in src/, and their files");
}

#[test]
fn no_file_is_too_long() {
    for path in files("src", "rs") {
        let lines = read(&path).lines().count();
        assert!(lines <= LONGEST, "{path} has {lines} lines, over {LONGEST}: part it");
    }
}

#[test]
fn the_version_has_a_changelog_entry() {
    let heading = format!("\n## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").contains(&heading), "CHANGELOG.md has no{heading}");
}

#[test]
fn the_interface_is_named_with_its_version() {
    let lock = read("Cargo.lock");
    let version = lock.split("name = \"wgpu\"\nversion = \"").nth(1);
    let version = version.and_then(|rest| rest.split('"').next()).expect("a version of wgpu");
    assert_eq!(inception::gpu::INTERFACE, format!("wgpu {version}"), "src/gpu.rs, Cargo.lock");
}

#[test]
fn links_lead_somewhere() {
    for page in PAGES {
        let text = read(page);
        let after = |begin: &str, end: char| -> Vec<String> {
            let rest = text.split(begin).skip(1).filter_map(|rest| rest.split(end).next());
            rest.map(String::from).collect()
        };
        let links = [after("](", ')'), after("src=\"", '"'), after("srcset=\"", '"')].concat();
        for link in links.iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = match file {
                "" => root().join(page),
                _ => root().join(page).with_file_name(file),
            };
            assert!(path.exists(), "{page}: {file} does not exist");
            let known = || anchors(&std::fs::read_to_string(&path).expect("a page"));
            assert!(anchor.is_empty() || known().contains(anchor), "{page}: no heading for {link}");
        }
        for name in after("`", '`').iter().filter(|name| is_path(name)) {
            assert!(root().join(name).exists(), "{page}: `{name}` does not exist");
        }
    }
}

/// What a page's headings are called in links.
fn anchors(page: &str) -> BTreeSet<String> {
    let text = page.split("```").step_by(2);
    let headings = text.flat_map(str::lines).filter(|line| line.starts_with('#'));
    let kept = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    headings
        .map(|line| line.trim_start_matches('#').trim().chars().filter_map(kept).collect())
        .collect()
}

/// Whether the text in backticks is meant as a file or folder of the tree.
fn is_path(text: &str) -> bool {
    let folders = [
        "src/",
        "shaders/",
        "tests/",
        "benches/",
        "examples/",
        "scripts/",
        "assets/",
        "docs/",
        ".ci/",
        "web/",
    ];
    folders.iter().any(|folder| text.starts_with(folder)) && !text.contains(['<', '*', ' '])
}

/// The manual's command lines, from its blocks of shell.
fn shell_lines() -> Vec<String> {
    let manual: String = MANUAL.iter().map(|page| read(page)).collect();
    let blocks = manual.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let joined: Vec<_> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    joined.iter().flat_map(|block| block.lines()).map(String::from).collect()
}

#[test]
fn the_manuals_scripts_can_be_run() {
    let lines = shell_lines();
    let scripts: BTreeSet<_> =
        lines.iter().filter_map(|line| line.split(' ').next()?.strip_prefix("scripts/")).collect();
    assert!(scripts.contains("quickstart") && scripts.contains("test"), "{scripts:?}");
    for script in scripts {
        let path = root().join("scripts").join(script);
        let file = std::fs::metadata(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(file.is_file());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{} is not executable", path.display());
        }
    }
}

/// The flags of a text, such as `--batch-size`.
fn flags(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let found = text.match_indices("--").filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|c| !word(c) && !c.is_alphanumeric())
            && text[at + 2..].starts_with(|c: char| c.is_ascii_lowercase())
    });
    let flag = |(at, _): (usize, &str)| text[at..].split(|c| !word(c)).next().map(String::from);
    found.filter_map(flag).collect()
}

/// The program's commands, as its help lists them.
fn commands() -> Vec<String> {
    let help = help("help");
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let lines = list.expect("the help lists commands").lines();
    // Longer descriptions go on in lines that are indented further.
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(String::from).collect()
}

fn help(command: &str) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_inception"));
    let asked: &[&str] = if command == "help" { &["--help"] } else { &[command, "--help"] };
    let output = program.args(asked).output().expect("the program runs");
    assert!(output.status.success(), "inception {command} --help fails");
    String::from_utf8(output.stdout).expect("help is UTF-8")
}

#[test]
fn the_manuals_flags_are_known() {
    let helps: Vec<_> =
        commands().into_iter().map(|name| (name.clone(), flags(&help(&name)))).collect();
    for line in shell_lines() {
        // What stands behind the program's name, however it is started.
        let ours = line.strip_prefix("inception ").map(String::from);
        let of_program = !line.contains("--example ");
        let behind = line.split_once(" -- ").filter(|_| of_program);
        let ours = ours.or_else(|| behind.map(|(_, rest)| rest.to_string()));
        let quick = line.strip_prefix("scripts/quickstart").map(|rest| format!("train{rest}"));
        let Some(ours) = ours.or(quick) else { continue };
        let name = ours.split(' ').next().unwrap_or_default();
        let Some((_, known)) = helps.iter().find(|(command, _)| *command == name) else {
            panic!("`{line}` has no command that this test knows");
        };
        let unknown: Vec<_> = flags(&ours).into_iter().filter(|f| !known.contains(f)).collect();
        assert!(unknown.is_empty(), "`{line}`: `{name}` does not know {unknown:?}");
    }
    // Flags in the running text, in backticks.
    for page in MANUAL {
        for text in read(page).split('`').filter(|text| text.starts_with("--")) {
            for flag in flags(text) {
                let known = helps.iter().any(|(_, known)| known.contains(&flag));
                assert!(known, "{page}: no command knows `{flag}`");
            }
        }
    }
}
