//! Configs that BuildKit wrote, read and written again.

use std::fs;
use std::path::Path;

use kiln_image::config::ImageConfig;
use serde_json::Value;

use crate::skipped;

/// What a golden file holds: one image, or several with their platforms.
fn configs(golden: Value) -> Vec<Value> {
    match golden {
        Value::Array(images) => images.into_iter().flat_map(configs).collect(),
        mut image => match image.get_mut("config") {
            Some(config) if config.is_object() => vec![config.take()],
            _ => Vec::new(),
        },
    }
}

/// As text, so that the order of keys counts.
fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn recorded_from_buildkit() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases/buildkit/integration");
    let Ok(tests) = fs::read_dir(root) else {
        skipped(&format!("{root} is not there"));
        return;
    };
    let mut seen = 0;
    for test in tests.flatten() {
        let Ok(cases) = fs::read_dir(test.path()) else { continue };
        for case in cases.flatten() {
            seen += check(&case.path().join("golden.json"));
        }
    }
    assert!(seen > 100, "only {seen} configs in {root}");
}

fn check(file: &Path) -> usize {
    let Ok(bytes) = fs::read(file) else { return 0 };
    let configs = configs(serde_json::from_slice(&bytes).unwrap());
    for config in &configs {
        let mut config = config.clone();
        if config.get("history").is_some_and(Value::is_null) {
            // The spec has no null there; we leave it out.
            config.as_object_mut().unwrap().shift_remove("history");
        }
        let parsed = ImageConfig::from_bytes(text(&config).as_bytes()).unwrap();
        let mut written: Value = serde_json::from_slice(&parsed.to_bytes()).unwrap();
        if config.get("rootfs").is_none() {
            // The recording left digests out.
            written.as_object_mut().unwrap().shift_remove("rootfs");
        }
        assert_eq!(text(&written), text(&config), "{}", file.display());
        let mut known = parsed.clone();
        known.forget_unknown();
        assert_eq!(known, parsed, "{}: BuildKit wrote a key that we do not know", file.display());
    }
    configs.len()
}
