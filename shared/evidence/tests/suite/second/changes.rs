//! Packages that differ from a good one in one place: accepted or refused, the verifiers agree.

use std::collections::BTreeMap;

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Package;

use super::ask;
use crate::forge::{Forge, Part, at, with};
use crate::rules::{base, subject};

/// Every so many changes one is tried; `SECOND_SAMPLE=1` tries all.
fn sample(usual: usize) -> usize {
    std::env::var("SECOND_SAMPLE").map_or(usual, |every| every.parse().unwrap())
}

/// The paths of all values below a value.
fn paths(json: &Json, here: &str, found: &mut Vec<String>) {
    let mut below = |step: &str, inner: &Json| {
        let path = format!("{here}/{step}");
        found.push(path.clone());
        paths(inner, &path, found);
    };
    match json {
        Json::Object(fields) => fields.iter().for_each(|(name, inner)| below(name, inner)),
        Json::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                below(&index.to_string(), inner);
            }
        }
        _ => {}
    }
}

/// What one change makes of a value; nothing: the value is taken out.
fn changes(json: &Json) -> Vec<Option<Json>> {
    let mut changes = vec![
        None,
        Some(Json::Null),
        Some(Json::from(true)),
        Some(Json::Int(-1)),
        Some(Json::Int(7)),
        Some(Json::from("")),
        Some(Json::Array(vec![])),
        Some(object([("d", Json::Null)])),
    ];
    match json {
        Json::Int(int) => changes.extend([Some(Json::Int(int + 1)), Some(Json::Int(int - 1))]),
        Json::Str(text) => changes.extend([
            Some(format!("{text}x").into()),
            Some(text.chars().rev().collect::<String>().as_str().into()),
        ]),
        Json::Array(items) => {
            if let Some(last) = items.last() {
                let longer = [items.as_slice(), std::slice::from_ref(last)].concat();
                changes.push(Some(Json::Array(longer)));
            }
        }
        Json::Object(_) => changes.push(Some(with(json.clone(), "extra", Json::Null))),
        _ => {}
    }
    changes
}

fn changed(package: &Json, path: &str, change: Option<Json>) -> Json {
    let mut package = package.clone();
    let (above, last) = path.rsplit_once('/').unwrap();
    let above = match above.trim_start_matches('/') {
        "" => &mut package,
        above => at(&mut package, above),
    };
    match (above, change) {
        (Json::Object(fields), Some(change)) => {
            fields.insert(last.to_owned(), change);
        }
        (Json::Object(fields), None) => {
            fields.remove(last);
        }
        (Json::Array(items), change) => {
            let index: usize = last.parse().unwrap();
            items.splice(index..=index, change);
        }
        _ => panic!("{path} is not inside anything"),
    }
    package
}

#[test]
fn the_verifiers_agree_on_packages_with_one_changed_value() {
    let forge = base();
    let (mut number, mut differences) = (0_usize, Vec::new());
    for package in [forge.export(), forge.run("r1"), forge.range(2, 13)] {
        let mut found = Vec::new();
        paths(&package, "", &mut found);
        for path in found {
            let value = at(&mut package.clone(), path.trim_start_matches('/')).clone();
            for change in changes(&value) {
                number += 1;
                if !number.is_multiple_of(sample(11)) {
                    continue;
                }
                let what = format!("{path} becomes {change:?}");
                let document = changed(&package, &path, change).canonical();
                let (_, difference) = ask(Package::Document(&document), &forge.trust(), &[]);
                differences.extend(difference.map(|text| format!("{what}: {text}")));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Old hashes in a value become new ones.
fn mapped(json: &Json, names: &BTreeMap<String, String>) -> Json {
    match json {
        Json::Str(text) => names.get(text).unwrap_or(text).as_str().into(),
        Json::Array(items) => Json::Array(items.iter().map(|item| mapped(item, names)).collect()),
        Json::Object(fields) => object(
            fields
                .iter()
                .map(|(name, inner)| (name.as_str(), mapped(inner, names))),
        ),
        other => other.clone(),
    }
}

/// The base stream written again with other facts of one entry, linked and sealed by the genuine
/// key; what names an entry by its hash follows.
fn rewritten(forge: &Forge, order: &[usize], seq: usize, facts: Option<&Json>) -> Forge {
    let mut again = Forge::empty(forge.descriptor.clone(), &forge.sealers[0]);
    let mut names = BTreeMap::new();
    for old in order {
        let entry = &forge.entries[*old];
        let content = match &entry.parts["facts"] {
            Part::Present(content, _) => content,
            Part::Absent(_) => panic!("facts are present"),
        };
        let content = if *old == seq {
            facts.unwrap_or(content)
        } else {
            content
        };
        let subject = entry.parts.get("subject").map(|part| match part {
            Part::Present(content, _) => content.clone(),
            Part::Absent(_) => subject("erased"),
        });
        let run = entry
            .header
            .get("run")
            .and_then(|run| run.get("id")?.as_str());
        let hash = again.add(forge.kind(*old), run, mapped(content, &names), subject);
        names.insert(entry.leaf.to_string(), hash.to_string());
        let written = again.entries.last_mut().unwrap();
        if let Some(Part::Absent(by)) = entry.parts.get("subject") {
            written.parts.insert("subject", Part::Absent(*by));
            let commits = [entry, &*written].map(|entry| entry.commit("subject"));
            let [old, new] = commits.map(|commit| commit.as_str().unwrap().to_owned());
            names.insert(old, new);
        }
        if [6, 12].contains(&again.entries.len()) {
            again.seal();
        }
    }
    again.seal();
    again
}

fn compare_all(forge: &Forge, what: &str, differences: &mut Vec<String>) {
    let mut packages = vec![forge.export()];
    for id in ["r1", "r2"] {
        packages.push(forge.run(id));
    }
    if forge.entries.len() > 13 {
        packages.extend([forge.range(0, 13), forge.range(3, 14)]);
    }
    for package in packages {
        let (_, difference) = ask(Package::Document(&package.canonical()), &forge.trust(), &[]);
        differences.extend(difference.map(|text| format!("{what}: {text}")));
    }
}

#[test]
fn the_verifiers_agree_on_what_the_operator_wrote_and_sealed() {
    let forge = base();
    let all: Vec<usize> = (0..forge.entries.len()).collect();
    let (mut number, mut differences) = (0_usize, Vec::new());
    for seq in 1..all.len() {
        let Part::Present(facts, _) = &forge.entries[seq].parts["facts"] else {
            panic!("facts are present")
        };
        let mut found = Vec::new();
        paths(facts, "", &mut found);
        for path in found {
            let value = at(&mut facts.clone(), path.trim_start_matches('/')).clone();
            let words = ["ALLOW", "DENY", "REQUIRE", "lost", "mismatch"].map(|w| Some(w.into()));
            for change in changes(&value).into_iter().chain(words) {
                number += 1;
                if number.is_multiple_of(sample(13)) {
                    let what = format!("facts of {seq}, {path} becomes {change:?}");
                    let facts = changed(facts, &path, change);
                    let again = rewritten(&forge, &all, seq, Some(&facts));
                    compare_all(&again, &what, &mut differences);
                }
            }
        }
    }
    for seq in 0..all.len() {
        let (mut gone, mut twice, mut swapped) = (all.clone(), all.clone(), all.clone());
        gone.remove(seq);
        twice.insert(seq, seq);
        swapped.swap(seq, seq.saturating_sub(1));
        for order in [gone, twice, swapped] {
            let again = rewritten(&forge, &order, usize::MAX, None);
            compare_all(&again, &format!("order {order:?}"), &mut differences);
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_verifiers_agree_on_folders_and_archives_with_one_changed_line_or_byte() {
    let forge = base();
    let files = crate::attacks::folders::files_of(&forge);
    let mut differences = Vec::new();
    let mut number = 0_usize;
    let mut compare = |what: String, package: Package<'_>| {
        number += 1;
        if number.is_multiple_of(sample(3)) {
            let (_, difference) = ask(package, &forge.trust(), &[]);
            differences.extend(difference.map(|text| format!("{what}: {text}")));
        }
    };
    for (name, content) in &files {
        let text = String::from_utf8(content.clone()).unwrap();
        let lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        for at in 0..lines.len() {
            let line = &lines[at];
            let half = line.get(..line.len() / 2).unwrap_or_default().to_owned();
            let versions = [
                vec![],
                vec![line.clone(), line.clone()],
                vec![format!("{line} ")],
                vec![half],
                vec!["null".to_owned()],
                vec!["{}".to_owned()],
                vec![line.replacen("\"facts\"", "\"other\"", 1)],
                vec![line.replacen("\"v\":1", "\"v\":01", 1)],
                vec![line.replacen(":1", ":9007199254740992", 1)],
                vec![line.replacen('a', "\\u0061", 1)],
                vec![line.replacen(
                    ':',
                    ":[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]],\"b\":",
                    1,
                )],
                vec![lines.get(at + 1).cloned().unwrap_or_default()],
            ];
            for (version, instead) in versions.into_iter().enumerate() {
                let mut changed = lines.clone();
                changed.splice(at..=at, instead);
                let mut files = files.clone();
                files.insert(name.clone(), changed.join("\n").into_bytes());
                let what = format!("{name}, line {at}, version {version}");
                compare(what, Package::Folder(&files));
            }
        }
    }
    let archive = counterfoil_evidence::package::tar::write(&files);
    for at in 0..512 {
        for byte in [0, b' ', b'1', b'x', 0xff] {
            let mut bad = archive.clone();
            bad[at] = byte;
            if !(148..156).contains(&at) {
                bad[148..156].fill(b' ');
                let sum: u32 = bad[..512].iter().map(|byte| u32::from(*byte)).sum();
                bad[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
            compare(
                format!("archive, byte {at} becomes {byte}"),
                Package::Tar(&bad),
            );
        }
    }
    for length in (0..archive.len()).step_by(256) {
        compare(
            format!("archive cut at {length}"),
            Package::Tar(&archive[..length]),
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_verifiers_agree_on_seals_with_one_changed_character() {
    let forge = base();
    let package = forge.run("r1");
    let (mut number, mut differences) = (0_usize, Vec::new());
    let note: Vec<char> = forge.seals.last().unwrap().chars().collect();
    for place in 0..=note.len() {
        for instead in [
            "", "\n", " ", "+", "=", "0", "A", "\r", "\u{e9}", "\u{2028}", "\n\n", "x y\n",
        ] {
            for replaced in [0, 1] {
                number += 1;
                if !number.is_multiple_of(sample(17)) {
                    continue;
                }
                let (before, after) = note.split_at(place);
                let after: String = after.iter().skip(replaced).collect();
                let text = before.iter().collect::<String>() + instead + &after;
                let seals = Json::Array(vec![text.as_str().into()]);
                let document = with(package.clone(), "seals", seals).canonical();
                let (_, difference) = ask(Package::Document(&document), &forge.trust(), &[]);
                differences
                    .extend(difference.map(|d| format!("{place} {instead:?} {replaced}: {d}")));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
