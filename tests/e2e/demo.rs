//! `cargo demo`, as the README says it: what it tells, what it leaves, and that nothing of it stays.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::terminal::cli;

/// Far above a minute and a half on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(10);

/// A process: its number is given again, and not with the same start.
type Process = (u32, String);

/// What the system says of a process.
struct Seen {
    process: Process,
    parent: u32,
    name: String,
}

/// Every process of the machine.
fn processes() -> Vec<Seen> {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse().ok()
    });
    let seen = numbers.filter_map(|number: u32| {
        // `number (name) state parent ...`, and the start is the 22nd. It may end as we look.
        let line = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        let (name, rest) = line.split_once('(')?.1.rsplit_once(')')?;
        let rest: Vec<&str> = rest.split_whitespace().collect();
        Some(Seen {
            process: (number, rest.get(19)?.to_string()),
            parent: rest.get(1)?.parse().ok()?,
            name: name.to_owned(),
        })
    });
    seen.collect()
}

/// What a process has started, and what that has, by name and folder.
fn started_by(root: u32) -> BTreeMap<Process, (String, PathBuf)> {
    let all = processes();
    let mut family = BTreeSet::from([root]);
    loop {
        let before = family.len();
        let of = all.iter().filter(|seen| family.contains(&seen.parent));
        let children: Vec<u32> = of.map(|seen| seen.process.0).collect();
        family.extend(children);
        if family.len() == before {
            break;
        }
    }
    let own = |seen: &Seen| seen.process.0 != root && family.contains(&seen.process.0);
    let own = all.into_iter().filter(own).map(|seen| {
        let folder = fs::read_link(format!("/proc/{}/cwd", seen.process.0));
        (seen.process, (seen.name, folder.unwrap_or_default()))
    });
    own.collect()
}

/// Waits until nothing of these runs any more.
fn gone(started: &BTreeMap<Process, (String, PathBuf)>) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut left = processes();
        left.retain(|seen| started.contains_key(&seen.process));
        if left.is_empty() {
            return;
        }
        let left: Vec<&str> = left.iter().map(|seen| seen.name.as_str()).collect();
        assert!(Instant::now() < deadline, "left running: {left:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The numbers of the one line that has these words around them.
fn numbers<const N: usize>(said: &str, words: [&str; N]) -> Vec<u64> {
    let mut lines = said.lines().filter_map(|line| {
        let (_, mut rest) = line.split_once(words[0])?;
        let mut found = Vec::new();
        for word in &words[1..] {
            let (number, after) = rest.split_once(word)?;
            found.push(number.trim().parse().ok()?);
            rest = after;
        }
        Some(found)
    });
    let found = lines.next().unwrap_or_else(|| panic!("{words:?}\n{said}"));
    assert!(lines.next().is_none(), "{words:?} twice\n{said}");
    found
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn the_demo_plays_to_its_end_and_nothing_of_it_stays_but_what_was_asked_for() {
    // Built as the other tests build it: `cargo demo` finds it ready.
    cli();
    let place = tempfile::tempdir().unwrap();
    let [out, temporary] = ["out", "tmp"].map(|name| place.path().join(name));
    fs::create_dir(&temporary).unwrap();
    for folder in [place.path(), &temporary] {
        // Postgres may have to run as somebody else than we are.
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    let file = |name: &str| place.path().join(name);
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let checkout = checkout.canonicalize().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut demo = Command::new(cargo)
        .current_dir(&checkout)
        .args(["demo", "--", "--once", "--out"])
        .arg(&out)
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(File::create(file("said")).unwrap())
        .stderr(File::create(file("told")).unwrap())
        .spawn()
        .unwrap();
    let mut started = BTreeMap::new();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        started.extend(started_by(demo.id()));
        if let Some(status) = demo.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > deadline {
            demo.kill().unwrap();
            demo.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let [said, told] = ["said", "told"].map(|name| fs::read_to_string(file(name)).unwrap());
    assert!(status.is_some_and(|it| it.success()), "{said}\n{told}");
    held(&said, &out);

    let ran: BTreeSet<&str> = started.values().map(|(name, _)| name.as_str()).collect();
    for server in ["postgres", "ministack", "bootstrap"] {
        assert!(ran.contains(server), "{server}: {ran:?}");
    }
    gone(&started);
    assert_eq!(names(&temporary), BTreeSet::new());
    // Where its servers worked. What cargo starts works among sources.
    let folders: BTreeSet<&PathBuf> = started.values().map(|(_, folder)| folder).collect();
    let run = Path::new("local/run");
    let server = |it: &&PathBuf| {
        let emulator = it.ancestors().any(|part| part.ends_with(run));
        emulator || it.starts_with(&temporary)
    };
    let theirs: Vec<_> = folders.into_iter().filter(server).collect();
    assert!(theirs.len() >= 2, "{theirs:?}");
    for folder in theirs {
        assert!(!folder.exists(), "{}", folder.display());
    }
}

/// What the demo said and left, and the commands that it printed.
fn held(said: &str, out: &Path) {
    assert!(said.contains("\nEverything held, in "), "{said}");
    let left = [
        "run.json",
        "report.pdf",
        "export.tar",
        "delivery",
        "key.pem",
    ];
    let left = left.into_iter().chain(["stream.txt", "summary.json"]);
    assert_eq!(names(out), left.map(str::to_owned).collect());

    let stripe = numbers(said, ["Stripe saw ", " requests, ", " of them not GET."]);
    assert!(stripe[0] > 0, "{said}");
    assert_eq!(stripe[1], 0, "{said}");
    let package = numbers(said, ["as a package: ", " entries"]);
    let archive = numbers(said, ["as an archive: ", " entries"]);
    assert!(0 < package[0] && package[0] < archive[0], "{said}");
    let words = ["the findings of ", " runs and ", " decisions follow"];
    let replayed = numbers(said, words);
    let summary = fs::read(out.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let count = |name: &str| summary["counts"][name].as_u64().unwrap();
    // A decision for each repair that was begun, the one that was refused and the one that was rejected.
    let judged = count("repairs") + count("rejected") + count("refused_votes");
    assert!(
        replayed[0] > 0 && replayed[1] >= judged,
        "{replayed:?} {summary}"
    );
    assert_eq!(count("stripe_non_get_calls"), 0);
    assert!(count("stripe_requests") >= stripe[0], "{summary}");
    assert_eq!(count("incidents_opened"), count("expected_findings"));
    assert_eq!(count("repairs"), 2);
    assert!(count("incidents_resolved") >= 2, "{summary}");

    let commands = said.lines().map(str::trim);
    let commands = commands.filter(|line| line.contains(" verify "));
    let commands: Vec<&str> = commands.filter(|line| line.contains(" --key ")).collect();
    assert_eq!(commands.len(), 3, "{said}");
    for (command, entries) in commands.iter().zip([package[0], archive[0], archive[0]]) {
        let verified = Command::new("sh").args(["-c", command]).output().unwrap();
        let verdict = String::from_utf8(verified.stdout).unwrap();
        assert!(verified.status.success(), "{command}: {verdict}");
        assert!(
            verdict.contains(&format!(": {entries} entries")),
            "{verdict}"
        );
    }
}
