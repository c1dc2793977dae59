//! Ten thousand good packages, none refused: random histories, each in every form, whole, by run and by
//! range.

use std::collections::BTreeSet;

use counterfoil_evidence::hash::sha256;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::package::tar;
use counterfoil_evidence::seal::Seal;
use counterfoil_evidence::verify::Package;

use crate::accepted::gzip;
use crate::attacks::folders::files_of;
use crate::forge::{Forge, Part, Sealer, with};
use crate::rules::{
    closing, decision, everything, hold, opening, party, resolution, step, subject,
};
use crate::second::sampled;

const PACKAGES: usize = 10_000;

/// Numbers that depend on a seed only.
struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.drawn += 1;
        let bytes = [self.seed.to_be_bytes(), self.drawn.to_be_bytes()].concat();
        let hash = sha256(&bytes);
        let first: [u8; 8] = hash.as_bytes()[..8].try_into().unwrap();
        u64::from_be_bytes(first) % most
    }
}

#[test]
fn ten_thousand_good_packages_are_accepted() {
    let mut count = 0;
    let mut seen = BTreeSet::new();
    for seed in 0.. {
        let mut dice = Dice { seed, drawn: 0 };
        let forge = history(&mut dice);
        let trust = forge.trust();
        for package in packages(&forge, &mut dice) {
            // Two packages of one stream may be equal; they count once.
            if !seen.insert(sha256(&package)) {
                continue;
            }
            let verdict = sampled(count, Package::of_file(&package), &trust);
            assert!(verdict.is_accepted(), "history {seed}: {verdict}");
            count += 1;
            if count == PACKAGES {
                return;
            }
        }
    }
}

/// The documents and archives of a history: whole, all closed runs, and a number of ranges.
fn packages(forge: &Forge, dice: &mut Dice) -> Vec<Vec<u8>> {
    let archive = tar::write(&files_of(forge));
    let mut packages = vec![forge.export().canonical(), gzip(&archive), archive];
    let size = forge.last_size();
    let closed: BTreeSet<String> = (0..forge.entries.len())
        .filter(|seq| forge.kind(*seq) == "run.close")
        .map(|seq| {
            let run = forge.entries[seq].header.get("run").unwrap();
            run.get("id").unwrap().as_str().unwrap().to_owned()
        })
        .collect();
    packages.extend(closed.iter().map(|id| forge.run(id).canonical()));
    for _ in 0..2 * size {
        let from = dice.below(size);
        let to = from + 1 + dice.below(size - from);
        if !outruns(forge, from, to) {
            packages.push(forge.range(from as usize, to as usize).canonical());
        }
    }
    packages
}

/// Whether a part of the range was erased after its covering seal: such a range must wait for a later
/// seal, so it is no package.
fn outruns(forge: &Forge, from: u64, to: u64) -> bool {
    let sizes = forge
        .seals
        .iter()
        .map(|note| Seal::parse(note).unwrap().body.size);
    let covering = sizes.into_iter().find(|size| *size >= to).unwrap();
    let entries = &forge.entries[from as usize..to as usize];
    entries
        .iter()
        .any(|entry| match entry.parts.get("subject") {
            Some(Part::Absent(by)) => *by >= covering,
            _ => false,
        })
}

fn history(dice: &mut Dice) -> Forge {
    let mut forge = Forge::new(&format!("prj_{}", dice.seed), &Sealer::new(1));
    for number in 0..2 + dice.below(6) {
        match dice.below(6) {
            0..3 => run(&mut forge, &format!("run_{number}"), dice),
            3 => {
                let name = format!("hold_{number}");
                forge.add("hold.set", None, hold(&name, everything()), None);
                let release = object([("hold", name.as_str().into())]);
                forge.add("hold.release", None, release, None);
            }
            4 => observe(&mut forge, dice),
            _ => redact(&mut forge, dice),
        }
        if dice.below(2) == 0 {
            forge.seal();
        }
    }
    forge.seal();
    forge
}

fn observe(forge: &mut Forge, dice: &mut Dice) {
    let facts = object([
        ("result", Json::from("ok")),
        ("target", party("key_1")),
        ("topic", "webhook.health".into()),
        ("refused", Json::uint(dice.below(1 << 53))),
    ]);
    forge.add(
        "observation.recorded",
        None,
        facts,
        Some(subject("cus_\u{1f9fe}")),
    );
}

fn redact(forge: &mut Forge, dice: &mut Dice) {
    let present = |seq: &usize| {
        matches!(
            forge.entries[*seq].parts.get("subject"),
            Some(Part::Present(..))
        )
    };
    let open: Vec<usize> = (0..forge.entries.len()).filter(present).collect();
    if !open.is_empty() {
        let pick = dice.below(open.len() as u64) as usize;
        forge.redact(open[pick], "erasure_request");
    }
}

fn run(forge: &mut Forge, id: &str, dice: &mut Dice) {
    forge.add("run.open", Some(id), opening(), None);
    let mut counts = [0; 6];
    for index in 0..dice.below(4) {
        let action = format!("{id}/{index}");
        counts[0] += 1;
        let effect = ["ALLOW", "REQUIRE", "DENY"][dice.below(3) as usize];
        let facts = with(decision(effect, &action), "approvals", Json::uint(1));
        let decided = forge.add("run.decision", Some(id), facts, Some(subject(&action)));
        let allowed = match effect {
            "ALLOW" => {
                counts[1] += 1;
                true
            }
            "REQUIRE" => {
                counts[2] += 1;
                match dice.below(3) {
                    0 => {
                        counts[4] += 1;
                        false
                    }
                    vote => {
                        let effect = if vote == 1 { "ALLOW" } else { "DENY" };
                        let facts = resolution(decided, "usr_1", effect);
                        forge.add("run.resolution", Some(id), facts, Some(subject("why")));
                        vote == 1
                    }
                }
            }
            _ => {
                counts[3] += 1;
                false
            }
        };
        if allowed {
            forge.add("repair.started", Some(id), step(decided, &action), None);
            if dice.below(4) > 0 {
                let kind = ["repair.executed", "repair.failed"][dice.below(2) as usize];
                forge.add(kind, Some(id), step(decided, &action), None);
            }
        }
    }
    if dice.below(5) > 0 {
        forge.add("run.close", Some(id), closing(counts), None);
    }
}
