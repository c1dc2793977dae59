//! The crate needs nothing from outside: no file, socket, clock, environment, process or chance. It is
//! also built for `wasm32-unknown-unknown`, which has none of them:
//! `cargo build -p counterfoil-evidence --target wasm32-unknown-unknown`.

use std::fs;
use std::path::Path;

/// What a source file of the crate may not name.
const FORBIDDEN: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time",
    "std::os",
    "SystemTime",
    "Instant",
    "io::stdin",
    "io::stdout",
    "io::stderr",
    "getrandom",
    "OsRng",
    "rand::",
    "HashMap",
    "HashSet",
    "unsafe",
];

#[test]
fn no_source_file_of_the_crate_reaches_outside() {
    let mut pending = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            files += 1;
            let text = fs::read_to_string(&path).unwrap();
            for word in FORBIDDEN {
                assert!(!text.contains(word), "{} names {word}", path.display());
            }
        }
    }
    assert!(files > 40, "only {files} files were found");
}

#[test]
fn the_crate_depends_on_nothing_that_needs_an_operating_system() {
    let manifest = include_str!("../../Cargo.toml");
    let (_, rest) = manifest.split_once("[dependencies]\n").unwrap();
    let own = rest.split("\n[").next().unwrap();
    let names: Vec<&str> = own
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split(['.', ' ', '=']).next().unwrap())
        .collect();
    let known = [
        "base64",
        "ed25519-dalek",
        "flate2",
        "hex",
        "p256",
        "sha2",
        "thiserror",
    ];
    assert_eq!(
        names, known,
        "does a new one build for wasm32-unknown-unknown?"
    );
    assert!(own.contains("p256 = { version = \"0.14\", default-features = false"));
}
