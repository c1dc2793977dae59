//! The streams and packages of the rows.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::seal::{self, Seal};
use counterfoil_evidence::verify::{Package, Trust, Verdict};

use crate::attacks::{anchors, seals};
use crate::controls::rotation;
use crate::forge::{Forge, Sealer, at, check, items, with};
use crate::rules::{base, closing, everything, hold, opening, seq, simple_run, subject};
use crate::second::verify;

pub fn whole(mut forge: Forge) -> Verdict {
    if forge.seals.is_empty() || forge.last_size() < forge.entries.len() as u64 {
        forge.seal();
    }
    check(&forge.export(), &forge.trust())
}

/// Accepted, and the missing anchor is said.
pub fn unanchored(forge: &Forge) -> Verdict {
    let verdict = check(&forge.export(), &forge.trust());
    assert!(
        verdict.to_string().contains("no anchor was given"),
        "{verdict}"
    );
    verdict
}

pub fn cut() -> Forge {
    let mut forge = anchors::second_history();
    forge.seals.truncate(1);
    forge.entries.truncate(6);
    forge
}

pub fn other_tenant() -> Verdict {
    let mut other = Forge::new("prj_other", &Sealer::new(1));
    simple_run(&mut other, "r1");
    other.seal();
    check(
        &other.export(),
        &Trust::new(Sealer::new(1).key, other.stream),
    )
}

pub fn r1() -> Json {
    object([("run", "r1".into())])
}

pub fn r2() -> Json {
    object([("run", "r2".into())])
}

pub fn range(from: u64, to: u64) -> Json {
    object([("from", Json::uint(from)), ("to", Json::uint(to))])
}

/// The subject of the executed repair of `r1` erased while a hold is active.
pub fn erased(reason: &str, target: Json) -> Verdict {
    let mut forge = base();
    forge.add("hold.set", None, hold("h2", target), None);
    forge.redact(seq::EXECUTED, reason);
    whole(forge)
}

pub fn released_later() -> Verdict {
    let mut forge = base();
    forge.add("hold.set", None, hold("h2", everything()), None);
    forge.redact(seq::EXECUTED, "lost");
    forge.add("hold.release", None, object([("hold", "h2".into())]), None);
    whole(forge)
}

pub fn lost_under_two(package: fn(&Forge) -> Json) -> Verdict {
    let mut forge = base();
    forge.add("hold.set", None, hold("h2", everything()), None);
    forge.add("hold.set", None, hold("h3", range(0, 9)), None);
    forge.redact(seq::EXECUTED, "lost");
    forge.seal();
    check(&package(&forge), &forge.trust())
}

pub fn other_signature() -> Verdict {
    let mut forge = base();
    forge.seals.pop();
    let body = forge.next_body();
    forge.seals.push(seals::other_form(&forge, &body));
    check(&forge.export(), &forge.trust())
}

pub fn versions() -> Verdict {
    let forge = base();
    let mut trust = forge.trust();
    trust.versions = forge.seals.clone();
    check(&forge.export(), &trust)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn output() -> Verdict {
    let forge = base();
    let mut trust = forge.trust();
    let digest = counterfoil_evidence::hash::sha256(b"report");
    trust.outputs = vec![("out/report".to_owned(), digest)];
    check(&forge.run("r1"), &trust)
}

pub fn heartbeat() -> Verdict {
    let mut forge = base();
    forge.at += 1_000;
    forge.seal();
    let files = crate::attacks::folders::files_of(&forge);
    verify(Package::Folder(&files), &forge.trust())
}

pub fn period() -> Verdict {
    let forge = base();
    let package = with(
        forge.range(3, 12),
        "from_at",
        Json::uint(forge.entries[3].at() - 1),
    );
    let package = with(package, "to_at", Json::uint(forge.entries[11].at() + 1));
    check(&package, &forge.trust())
}

pub fn comment() -> Verdict {
    let mut forge = base();
    forge.redact(seq::VOTE_1 + 1, "erasure_request");
    whole(forge)
}

/// A run package with proofs for anchors of these sizes; anchors of sizes 6 and 12 are held.
pub fn linked(sizes: &[u64]) -> Verdict {
    let forge = base();
    let mut trust = forge.trust();
    trust.anchors = forge.seals[..2].to_vec();
    let proofs = sizes.iter().map(|size| {
        object([
            ("proof", forge.link(*size, 17)),
            ("size", Json::uint(*size)),
        ])
    });
    let package = with(
        forge.run("r1"),
        "consistency",
        Json::Array(proofs.collect()),
    );
    check(&package, &trust)
}

pub fn older(package: fn(&Forge) -> Json) -> Verdict {
    let forge = base();
    let mut old = forge.clone();
    old.seals.truncate(2);
    let mut trust = forge.trust();
    trust.anchors = vec![forge.seals[2].clone()];
    let proof = object([("proof", forge.link(12, 17)), ("size", Json::uint(17))]);
    check(
        &with(package(&old), "consistency", Json::Array(vec![proof])),
        &trust,
    )
}

pub fn handed_over() -> (Forge, Sealer) {
    let mut forge = base();
    let (old, new) = (forge.sealers[0].clone(), Sealer::new(2));
    forge.add("key.rotate", None, rotation(&new, &old), None);
    forge.sealers = vec![new, old.clone()];
    forge.seal();
    (forge, old)
}

pub fn forged_version() -> Verdict {
    let (forge, old) = handed_over();
    let mut trust = forge.trust();
    let last = forge.seals.last().unwrap();
    let mut body = Seal::parse(last).unwrap().body;
    body.root = body.head;
    let forged = seal::note(&body, &[(old.key.clone(), old.der(&body))]);
    trust.versions = vec![last.clone(), forged];
    let verdict = check(&forge.export(), &trust);
    assert!(verdict.to_string().contains("E_KEY_RETIRED"), "{verdict}");
    verdict
}

pub fn branch() -> Verdict {
    let mut forge = Forge::new("prj_2", &Sealer::new(1));
    for text in ["one", "two"] {
        forge.forget_run("r");
        forge.add("run.open", Some("r"), opening(), Some(subject(text)));
        forge.add("run.close", Some("r"), closing([0; 6]), None);
    }
    forge.seal();
    check(&forge.run_of("r", &[1, 2]), &forge.trust())
}

pub fn everything_in_use() -> Verdict {
    let (mut forge, _) = handed_over();
    simple_run(&mut forge, "r3");
    forge.add(
        "stream.close",
        None,
        object([("reason", "project deleted".into())]),
        None,
    );
    forge.seal();
    let mut package = forge.export();
    assert_eq!(
        items(at(&mut package, "entries")).len(),
        forge.entries.len()
    );
    check(&package, &forge.trust())
}
