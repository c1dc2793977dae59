//! Dependencies point one way, and a function links only the adapters that its job needs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::text::root;

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
        .unwrap()
}

/// Normal dependencies by package.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    metadata()
        .packages
        .iter()
        .map(|package| {
            let names = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), names)
        })
        .collect()
}

fn ours(names: &BTreeSet<String>) -> BTreeSet<&str> {
    let functions = [
        "stripe-webhook",
        "scheduled-reconcile",
        "repair-approve",
        "export",
        "archive",
        "api",
        "mcp",
    ];
    names
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with("counterfoil-") || functions.contains(name))
        .collect()
}

/// ARCHITECTURE.md, "Who may depend on whom": our crates by the crates of ours that they may use.
#[test]
fn dependencies_point_one_way() {
    let allowed: [(&str, &[&str]); 17] = [
        ("counterfoil-evidence", &[]),
        ("counterfoil-report", &["counterfoil-evidence"]),
        ("counterfoil-policy", &["counterfoil-evidence"]),
        (
            "counterfoil-core",
            &["counterfoil-evidence", "counterfoil-policy"],
        ),
        ("counterfoil-aws", &["counterfoil-core"]),
        ("counterfoil-postgres", &["counterfoil-core"]),
        ("counterfoil-stripe", &["counterfoil-core"]),
        (
            "counterfoil-lambda",
            &["counterfoil-core", "counterfoil-aws"],
        ),
        (
            "stripe-webhook",
            &["counterfoil-core", "counterfoil-lambda"],
        ),
        (
            "scheduled-reconcile",
            &[
                "counterfoil-core",
                "counterfoil-lambda",
                "counterfoil-postgres",
                "counterfoil-stripe",
            ],
        ),
        (
            "repair-approve",
            &[
                "counterfoil-core",
                "counterfoil-lambda",
                "counterfoil-postgres",
                "counterfoil-stripe",
            ],
        ),
        (
            "export",
            &[
                "counterfoil-core",
                "counterfoil-lambda",
                "counterfoil-report",
            ],
        ),
        ("archive", &["counterfoil-core", "counterfoil-lambda"]),
        (
            // It probes new credentials in clear, before they are sealed, and opens none.
            "api",
            &[
                "counterfoil-core",
                "counterfoil-lambda",
                "counterfoil-postgres",
                "counterfoil-stripe",
            ],
        ),
        ("mcp", &["counterfoil-core", "counterfoil-lambda"]),
        ("counterfoil-local", &[]),
        ("counterfoil-tests", &[]),
    ];
    let found = dependencies();
    for (package, may) in allowed {
        let uses = ours(&found[package]);
        let may: BTreeSet<&str> = may.iter().copied().collect();
        let surplus: Vec<_> = uses.difference(&may).collect();
        assert!(
            surplus.is_empty(),
            "{package} must not depend on {surplus:?}"
        );
    }
    let listed: BTreeSet<&str> = allowed.iter().map(|(package, _)| *package).collect();
    let tools = ["counterfoil-cli", "counterfoil-testkit"];
    for package in found.keys() {
        let known = listed.contains(package.as_str()) || tools.contains(&package.as_str());
        assert!(known, "{package} is not in the table of this test");
    }
}

/// Only what reads, repairs or probes a customer's database can name it, and nothing in a function can name
/// an AWS service past its adapter.
#[test]
fn a_function_links_only_the_adapters_of_its_job() {
    let found = dependencies();
    for function in ["stripe-webhook", "export", "archive", "mcp"] {
        for adapter in [
            "counterfoil-postgres",
            "counterfoil-stripe",
            "tokio-postgres",
            "reqwest",
        ] {
            assert!(
                !found[function].contains(adapter),
                "{function} must not use {adapter}"
            );
        }
    }
    for (package, names) in &found {
        let adapter = package == "counterfoil-aws";
        let sdk = names.iter().find(|name| name.starts_with("aws-sdk-"));
        assert!(
            adapter || sdk.is_none(),
            "{package} must not use {sdk:?}: that is counterfoil-aws"
        );
    }
}

/// The core and the evidence format do no I/O: they cannot even name a runtime, a client or a clock.
#[test]
fn core_and_evidence_do_no_io() {
    let found = dependencies();
    for package in [
        "counterfoil-evidence",
        "counterfoil-policy",
        "counterfoil-core",
    ] {
        for outside in [
            "tokio",
            "reqwest",
            "tokio-postgres",
            "getrandom",
            "rand",
            "aws-config",
        ] {
            assert!(
                !found[package].contains(outside),
                "{package} must not use {outside}"
            );
        }
    }
}

/// A feature could make permits for tests, and so for a product build that has it. It would also have the
/// core, and all that stands on it, built once more for the functions that tests start.
#[test]
fn the_core_is_the_same_in_every_build() {
    let packages = metadata().packages;
    let core = packages
        .iter()
        .find(|it| it.name.as_str() == "counterfoil-core");
    assert_eq!(core.unwrap().features.len(), 0);
}

/// Packages with the features that they have, in a build with these kinds of dependencies.
fn features(kinds: &str) -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--offline", "--workspace"])
        .args(["--prefix", "none", "--format", "{p}|{f}", "--edges", kinds])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        let features = features.trim_end_matches(" (*)").to_owned();
        found
            .entry(package.to_owned())
            .or_default()
            .insert(features);
    }
    found
}

/// What differs is built once more for the functions that tests start, with all that stands on it: minutes,
/// on a fresh machine. A feature that a dependency of tests asks for is asked for in Cargo.toml as well.
#[test]
fn what_tests_ask_of_a_dependency_functions_ask_too() {
    let with_tests = features("normal,build,dev");
    let without = features("normal,build");
    assert!(without.len() > 100, "{}", without.len());
    for (package, features) in without {
        assert_eq!(with_tests[&package], features, "{package}");
    }
}

/// The evaluation of policies catches a panic and denies. A profile that aborts would take that away.
#[test]
fn a_panic_unwinds_in_every_profile() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
    let profiles = manifest["profile"].as_table().unwrap();
    assert_eq!(profiles["release"]["panic"].as_str(), Some("unwind"));
    for (name, profile) in profiles {
        let panics = profile.get("panic").map(|it| it.as_str().unwrap());
        assert!(
            matches!(panics, None | Some("unwind")),
            "{name}: {panics:?}"
        );
    }
}
