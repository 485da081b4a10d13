//! What is built in. `cargo deny check` (deny.toml) says more; this needs no other program.

use std::path::Path;

use toml::Table;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn table(path: &str) -> Table {
    read(path).parse().unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The packages of a lock file.
fn packages(path: &str) -> Vec<Table> {
    let packages = table(path)["package"].as_array().expect("packages").clone();
    packages.into_iter().map(|package| package.as_table().expect("a package").clone()).collect()
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).and_then(|value| value.as_str()).unwrap_or_default()
}

const LOCKS: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

#[test]
fn all_comes_from_one_place_and_is_known_by_its_bytes() {
    for lock in LOCKS {
        for package in packages(lock) {
            let name = text(&package, "name");
            if ["inception-wgpu", "inception-fuzz"].contains(&name) {
                continue;
            }
            let source = text(&package, "source");
            let expected = "registry+https://github.com/rust-lang/crates.io-index";
            assert_eq!(source, expected, "{lock}: the source of {name}");
            assert_eq!(text(&package, "checksum").len(), 64, "{lock}: the checksum of {name}");
        }
    }
}

/// What is measured beside the engine is built apart from it, from versions that a lock names.
#[test]
fn peers_are_packages_of_their_own() {
    let ours: Vec<_> = packages("Cargo.lock").iter().map(|p| text(p, "name").to_string()).collect();
    for peer in ["burn", "candle", "meganeura"] {
        let folder = format!("benches/peers/{peer}");
        let manifest = table(&format!("{folder}/Cargo.toml"));
        assert!(manifest.contains_key("workspace"), "{folder} is no workspace of its own");
        assert_eq!(manifest["package"]["publish"].as_bool(), Some(false), "{folder}: publish");
        let locked = packages(&format!("{folder}/Cargo.lock"));
        for (name, wanted) in manifest["dependencies"].as_table().expect("dependencies") {
            assert!(!ours.contains(name), "Cargo.lock has {name}, which {folder} is measured with");
            let wanted = wanted.get("version").unwrap_or(wanted).as_str().unwrap_or_default();
            let version = wanted.strip_prefix('=').expect("an exact version");
            let found = locked.iter().find(|package| text(package, "name") == name);
            let found = found.map(|package| text(package, "version"));
            assert_eq!(found, Some(version), "{folder}/Cargo.lock: the version of {name}");
        }
    }
}

/// The program never uses the network.
#[test]
fn nothing_that_talks_to_a_network_is_built_in() {
    let deny = table("deny.toml");
    let banned = deny["bans"]["deny"].as_array().expect("banned crates");
    let banned: Vec<_> = banned.iter().filter_map(|name| name.as_str()).collect();
    assert!(banned.contains(&"hyper"), "{banned:?}");
    for lock in LOCKS {
        for package in packages(lock) {
            let name = text(&package, "name");
            assert!(!banned.contains(&name), "{lock} has {name}, which deny.toml bans");
        }
    }
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the tree") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let code = std::fs::read_to_string(&path).expect("a source");
            for net in ["std::net", "TcpStream", "UdpSocket", "UnixStream"] {
                assert!(!code.contains(net), "{} names {net}", path.display());
            }
        }
    }
}

/// The oldest Rust that builds it stands in Cargo.toml; a job of the hosted tests builds with it.
#[test]
fn the_oldest_rust_is_stated_and_tried() {
    let manifest = table("Cargo.toml");
    let rust = manifest["package"]["rust-version"].as_str().expect("rust-version");
    for page in ["README.md", ".github/workflows/ci.yml"] {
        assert!(read(page).contains(rust), "{page} does not name Rust {rust}");
    }
}
