//! The inventory of data names every family of rows and every store, and its page is fresh.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use counterfoil_core::inventory::{INVENTORY, Place, page};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources() -> Vec<String> {
    let mut pending = vec![root().join("shared/core/src")];
    let mut texts = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    texts
}

/// What follows `before` up to the next quotation mark, wherever it stands.
fn quoted(text: &str, before: &str) -> BTreeSet<String> {
    let after = text.split(before).skip(1);
    let names = after.filter_map(|rest| rest.split_once('"'));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Families of the state table as the code makes their keys.
fn families() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in sources() {
        found.extend(quoted(&text, "const FAMILY: &'static str = \""));
        found.extend(quoted(&text, "directory(\""));
        for line in text.lines().map(str::trim) {
            let macros = ["record!(", "workspace_record!("];
            if macros.iter().any(|name| line.starts_with(name)) {
                found.extend(quoted(line, ", \""));
            }
            // The family, then the id, which may be a word too.
            if let Some((_, arguments)) = line.split_once("workspace_row(") {
                let family = arguments.split('"').nth(1);
                found.extend(family.map(str::to_owned));
            }
            if line.contains("pk: format!(\"{") {
                found.extend(
                    quoted(line, "}#")
                        .into_iter()
                        .filter(|name| !name.contains('{')),
                );
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn every_family_of_rows_is_in_the_inventory_and_nothing_else() {
    let mut named = BTreeSet::new();
    for row in INVENTORY {
        match row.place {
            Place::OfProject(name) | Place::OfWorkspace(name) | Place::Directory(name) => {
                named.insert(name.to_owned());
            }
            _ => {}
        }
    }
    assert_eq!(families(), named);
}

#[test]
fn every_table_bucket_and_queue_of_the_template_is_in_the_inventory() {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let lines: Vec<&str> = template.lines().collect();
    let resources = lines.windows(2).filter_map(|pair| {
        let [name, kind] = pair else { return None };
        let name = name.strip_prefix("  ")?.strip_suffix(':')?;
        let kind = kind.strip_prefix("    Type: ")?;
        (!name.starts_with(' ')).then_some((name, kind))
    });
    let mut stores = 0;
    for (name, kind) in resources {
        let held = |starts: &str| {
            INVENTORY.iter().any(|row| match row.place {
                Place::Table(place) | Place::Bucket(place) => place.starts_with(starts),
                _ => false,
            })
        };
        match kind {
            // Its families have rows of their own.
            "AWS::DynamoDB::Table" if name == "State" => stores += 1,
            "AWS::DynamoDB::Table" | "AWS::S3::Bucket" => {
                assert!(held(name), "{name}");
                stores += 1;
            }
            "AWS::SQS::Queue" => {
                let word = name
                    .trim_end_matches("DeadLetters")
                    .trim_end_matches("Queue");
                let word = word.to_lowercase().replace("stripeevents", "stripe events");
                let queue = INVENTORY.iter().any(|row| match row.place {
                    Place::Queue(place) => place.starts_with(&word),
                    _ => false,
                });
                assert!(queue, "{name}");
                stores += 1;
            }
            _ => {}
        }
    }
    assert!(stores >= 12, "found {stores}");
}

/// To write the page anew: `BLESS=1 cargo test -p counterfoil-tests --test house inventory`.
#[test]
fn the_page_is_what_the_inventory_says() {
    let path = root().join("docs/data-inventory.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/data-inventory.md is stale: run this test with BLESS=1"
    );
}
