//! `selftest` on the adapter there is, which is right: `tests/selftest.rs` breaks kernels.

use serde_json::Value;

use crate::common::{has_adapter, succeed};

#[test]
fn this_adapter_computes_rightly() {
    if !has_adapter() {
        return;
    }
    let report: Value =
        serde_json::from_str(&succeed(&["selftest", "--json"]).stdout).expect("JSON");
    assert_eq!(report["wrong"], 0);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    for key in ["interface", "system"] {
        assert!(report[key].is_string(), "no {key} in {report}");
    }
    for key in ["name", "driver", "backend"] {
        assert!(report["adapter"][key].is_string(), "no {key} in {report}");
    }
    let checks = report["checks"].as_array().expect("a list");
    assert!(checks.iter().all(|check| check["outcome"]["is"] == "right"), "{report}");
    for op in ["conv2d", "dense", "joined", "adam", "training"] {
        assert!(checks.iter().any(|check| check["op"] == op), "no {op} in {report}");
    }

    let text = succeed(&["selftest"]).stdout;
    let first = format!("inception {}, wgpu ", env!("CARGO_PKG_VERSION"));
    assert!(text.starts_with(&first), "{text}");
    assert!(!text.contains("FAILED"), "{text}");
    let last = format!("{0} of {0} checks right, in ", checks.len());
    assert!(text.lines().last().is_some_and(|line| line.starts_with(&last)), "{text}");
}
