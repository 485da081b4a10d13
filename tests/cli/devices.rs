//! Adapters: listed, missing, chosen.

use serde_json::Value;

use crate::common::{Place, Said, has_adapter, program, run, run_all, succeed};
use crate::say::{assert_failed, tiny};

#[test]
fn lists_adapters() {
    if !has_adapter() {
        return;
    }
    let text = succeed(&["devices"]).stdout;
    assert!(text.starts_with("0: "), "{text}");
    for part in ["type", "driver", "buffer / binding", "workgroups", "tutorial network"] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
    let list: Value = serde_json::from_str(&succeed(&["devices", "--json"]).stdout).expect("JSON");
    let devices = list.as_array().expect("a list");
    assert_eq!(devices[0]["index"], 0);
    for device in devices {
        assert!(device["name"].is_string() && device["backend"].is_string(), "{device}");
        assert!(device["max_binding"].as_u64() >= Some(128 << 20), "{device}");
        assert!(device["tutorial_misfit"].is_null(), "{device}");
        // W_fc1 and its two moments take 1.69 GB; what comes to it shares memory.
        let memory = device["tutorial_memory"].as_u64().expect("bytes");
        assert!((1_690_000_000..2_200_000_000).contains(&memory), "{device}");
    }
}

/// The program where no Vulkan driver is installed.
fn without_vulkan(arguments: &[&str]) -> Said {
    let mut command = program(arguments);
    command.env("VK_ICD_FILENAMES", "/nonexistent").env("VK_DRIVER_FILES", "/nonexistent");
    command.output().expect("the program starts").into()
}

const PACKAGES: [&str; 5] = [
    "apt install mesa-vulkan-drivers libvulkan1",
    "dnf install mesa-vulkan-drivers vulkan-loader",
    "pacman -S vulkan-swrast vulkan-icd-loader",
    "macOS (Metal)",
    "Windows (DirectX 12)",
];

#[test]
#[cfg(target_os = "linux")]
fn no_adapter_names_what_to_install() {
    let place = Place::new(12, 4);
    let train = tiny(&place, "out", "--backend vulkan");
    let train: Vec<&str> = train.iter().map(String::as_str).collect();
    for arguments in [&train[..], &["devices", "--backend", "vulkan"]] {
        let said = without_vulkan(arguments);
        assert_failed(&said, 1, &PACKAGES);
        assert!(said.error().contains("no GPU adapter was found through --backend vulkan"));
    }
    assert!(!std::path::Path::new(&place.path("out")).exists(), "it left something in --out");
    // OpenGL may still have an adapter where Vulkan has none.
    let said = without_vulkan(&["devices"]);
    match said.code {
        Some(0) => assert!(said.stdout.contains(", gl\n"), "{}", said.stdout),
        _ => assert_failed(&said, 1, &PACKAGES),
    }
}

#[test]
fn adapters_are_chosen_by_number_or_name() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let said = run_all(&tiny(&place, "out", "--adapter nosuch"));
    assert_eq!(said.code, Some(1));
    let error = said.error();
    assert!(error.starts_with("no adapter fits --adapter nosuch"), "{error}");
    assert!(error.contains("\n  0: "), "it must list what there is: {error}");
    let list = run(&["devices", "--json"]).stdout;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let name = list[0]["name"].as_str().expect("a name");
    let said = run_all(&tiny(&place, "out", "--adapter 0"));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.starts_with(&format!("adapter: {name}")), "{}", said.stderr);
}
