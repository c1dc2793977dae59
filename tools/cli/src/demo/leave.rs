//! What the demo leaves in `--out`, and the commands that verify it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::export::temporary;

use super::play::Played;
use super::scene::Scene;

/// The unpacked delivery, under the names of its members.
const DELIVERY: &str = "delivery";

/// Looks before the play whether everything can be left in the folder.
pub(super) fn check(folder: &Path) -> Result<()> {
    let cannot = || {
        format!(
            "--out {} is no folder that can be made and written; give another",
            folder.display()
        )
    };
    fs::create_dir_all(folder).with_context(cannot)?;
    temporary(folder).map(drop).with_context(cannot)?;
    let delivery = folder.join(DELIVERY);
    ensure!(
        !delivery.exists() || is_delivery(&delivery),
        "{} is there and is no delivery of an earlier play; move it away",
        delivery.display()
    );
    Ok(())
}

fn is_delivery(folder: &Path) -> bool {
    ["evidence.tar", "manifest.json"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

/// Leaves everything.
pub(super) fn leave(folder: &Path, scene: &Scene, played: &Played) -> Result<()> {
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.join(name);
        fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))
    };
    write("run.json", &played.package)?;
    write("report.pdf", &played.report)?;
    write("export.tar", played.evidence()?)?;
    unpacked(&folder.join(DELIVERY), &played.delivery)?;
    write("key.pem", scene.seal_key_pem.as_bytes())?;
    write(
        "stream.txt",
        format!("{}\n", scene.project.stream).as_bytes(),
    )?;
    let text = serde_json::to_string_pretty(&summary(scene, played))?;
    write("summary.json", format!("{text}\n").as_bytes())
}

/// Unpacks a delivery; one of an earlier play goes first, so that the folder holds one delivery.
fn unpacked(folder: &Path, members: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    if is_delivery(folder) {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    for (name, content) in members {
        let inside = |part| matches!(part, Component::Normal(_));
        ensure!(
            Path::new(name).components().all(inside),
            "the delivery has a member {name}, which leads out of it"
        );
        let file = folder.join(name);
        let writing = || format!("writing {}", file.display());
        fs::create_dir_all(file.parent().unwrap_or(folder)).with_context(writing)?;
        fs::write(&file, content).with_context(writing)?;
    }
    Ok(())
}

fn summary(scene: &Scene, played: &Played) -> serde_json::Value {
    json!({
        "stream": scene.project.stream,
        "workspace": scene.workspace.id,
        "project": scene.project.id,
        "run": played.exported_run,
        "export": played.export,
        "counts": {
            "expected_findings": scene.expected,
            "incidents_opened": played.opened,
            "incidents_resolved": played.resolved,
            "repairs": played.repaired.len(),
            "rejected": 1,
            "refused_votes": played.refused_votes,
            "stripe_requests": scene.stripe.requests().len(),
            "stripe_non_get_calls": scene.stripe.non_get_calls(),
        },
        "repaired": played.repaired,
        "rejected": played.rejected,
    })
}

/// What was left, and how it is verified with the program that is running.
pub(super) fn sentences(folder: &Path, stream: &str) -> Vec<String> {
    let program = std::env::current_exe().ok();
    let program = program
        .as_deref()
        .map_or_else(|| "counterfoil".to_owned(), quoted);
    let file = |name: &str| quoted(&folder.join(name));
    let delivery = file(DELIVERY);
    let verify = |package: &str, more: &str| {
        let key = file("key.pem");
        format!("  {program} verify {package} --key {key} --stream {stream}{more}")
    };
    vec![
        format!(
            "Left in {}: run.json with report.pdf (one repair), delivery/ (everything, unpacked as an auditor does), export.tar \
             (the evidence.tar of that delivery), key.pem, stream.txt, summary.json.",
            folder.display()
        ),
        "Verify them, offline:".to_owned(),
        verify(&file("run.json"), ""),
        verify(&file("export.tar"), ""),
        verify(&delivery, &format!(" --replay {delivery}")),
    ]
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,".contains(c);
    if text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(names: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let member = |name: &&str| ((*name).to_owned(), name.as_bytes().to_vec());
        names.iter().map(member).collect()
    }

    #[test]
    fn a_delivery_takes_the_place_of_an_earlier_one_and_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let delivery = folder.path().join(DELIVERY);
        check(folder.path()).unwrap();
        let old = members(&["evidence.tar", "manifest.json", "inputs/old.json"]);
        unpacked(&delivery, &old).unwrap();
        check(folder.path()).unwrap();
        let new = members(&["evidence.tar", "manifest.json", "inputs/a/new.json"]);
        unpacked(&delivery, &new).unwrap();
        assert!(delivery.join("inputs/a/new.json").is_file());
        assert!(!delivery.join("inputs/old.json").exists());

        fs::remove_file(delivery.join("manifest.json")).unwrap();
        let error = check(folder.path()).unwrap_err().to_string();
        assert!(error.contains("move it away"), "{error}");
        assert!(unpacked(&folder.path().join("x"), &members(&["../y"])).is_err());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_refused_before_the_play() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = format!("{:#}", check(&file.path().join("out")).unwrap_err());
        assert!(error.starts_with("--out "), "{error}");
    }

    #[test]
    fn the_commands_can_be_pasted() {
        let lines = sentences(Path::new("an out"), "ab");
        assert!(
            lines[4].ends_with(
                " verify 'an out/delivery' --key 'an out/key.pem' --stream ab --replay 'an out/delivery'"
            ),
            "{}",
            lines[4]
        );
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
