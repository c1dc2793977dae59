//! Rows that must be accepted: what one package cannot show, and the controls. Each has the verdict
//! that belongs to it, because "accepted" alone would hide a level too high.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::package::tar;
use counterfoil_evidence::seal::{self, Seal, Witness};
use counterfoil_evidence::verify::{
    Accepted, Package, TimestampAuthority, Token, Trust, Verdict, verify_with,
};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::attacks::folders::files;
use crate::attacks::{anchors, seals};
use crate::controls::rotation;
use crate::forge::{Forge, Sealer, at, check, items, with};
use crate::rules::{
    base, closing, decision, everything, hold, opening, resolution, seq, simple_run, step, subject,
};
use crate::second::{verify, verify_witnessed};

/// Number, what it is, how it is made, and the verdict in short.
pub type Row = (&'static str, &'static str, fn() -> Verdict, &'static str);

const BASE: &str = "L2 kept r1=clean r2=clean";

pub const ROWS: &[Row] = &[
    (
        "10",
        "cut tail and newer seals, no anchor",
        || unanchored(cut()),
        "L2 kept x=clean",
    ),
    (
        "17",
        "package of another tenant under its own pin",
        other_tenant,
        "L2 kept r1=clean",
    ),
    (
        "49",
        "fork signed with the genuine key, no anchor",
        || unanchored(anchors::second_history()),
        "L2 kept r1=clean x=clean y=clean z=clean",
    ),
    (
        "57d",
        "erasure while the hold is on another run",
        || erased("gdpr", r2()),
        BASE,
    ),
    (
        "57f",
        "loss under a hold on the run",
        || erased("lost", r1()),
        LOST,
    ),
    (
        "57g",
        "loss under a hold on a range",
        || erased("lost", range(4, 5)),
        LOST,
    ),
    (
        "57h",
        "loss under a hold on everything",
        || erased("lost", everything()),
        LOST,
    ),
    (
        "57i",
        "loss under a hold that was released later",
        released_later,
        LOST,
    ),
    (
        "57k",
        "loss while the hold is on another run",
        || erased("lost", r2()),
        BASE,
    ),
    (
        "57l",
        "loss while the hold is on other entries",
        || erased("lost", range(5, 9)),
        BASE,
    ),
    (
        "57m",
        "loss under two holds",
        || lost_under_two(|f| f.export()),
        "L2 violated r1=clean r2=clean lost=h2,h3",
    ),
    (
        "57n",
        "loss under a hold, range package",
        || lost_under_two(|f| f.range(15, f.entries.len())),
        "L2 violated lost=h2,h3",
    ),
    (
        "57o",
        "loss under a hold, run package",
        || lost_under_two(|f| f.run("r1")),
        "L2 unchecked r1=clean",
    ),
    (
        "59c",
        "action under an approved REQUIRE",
        || whole(base()),
        BASE,
    ),
    (
        "60e",
        "one approval of one",
        || {
            run_of(|r| {
                let held = r.decide("REQUIRE");
                r.vote(held, "usr_1", "ALLOW");
                r.act("repair.started", held);
                r.act("repair.executed", held);
                [1, 0, 1, 0, 0, 0]
            })
        },
        "L2 kept a=clean",
    ),
    ("62c", "(r, n-s) in the last seal", other_signature, BASE),
    (
        "63b",
        "all versions of the seals, none contradicts",
        versions,
        "L3 kept r1=clean r2=clean",
    ),
    (
        "65",
        "untouched archive",
        || verify(Package::of_file(&tar::write(&files())), &base().trust()),
        BASE,
    ),
    (
        "65z",
        "untouched archive, compressed",
        || {
            verify(
                Package::of_file(&gzip(&tar::write(&files()))),
                &base().trust(),
            )
        },
        BASE,
    ),
    (
        "66b",
        "output file that the run recorded",
        output,
        "L2 unchecked r1=clean",
    ),
    (
        "72u",
        "heartbeat: two seals of one size in a folder",
        heartbeat,
        BASE,
    ),
    (
        "96",
        "period that its neighbours prove",
        period,
        "L2 kept r1=unknown r2=clean",
    ),
    (
        "97",
        "one of one witness",
        || witnessed(&[1], 1, |f, at| cosign(f, 1, at)),
        "L4 kept r1=clean r2=clean witnesses=1",
    ),
    (
        "97b",
        "two of three witnesses",
        || {
            witnessed(&[1, 2, 3], 2, |f, at| {
                [cosign(f, 1, at), cosign(f, 3, at)].concat()
            })
        },
        "L4 kept r1=clean r2=clean witnesses=2",
    ),
    (
        "97c",
        "cosignature of another seal is not counted",
        || witnessed(&[1], 1, |f, _| cosign(f, 1, 0)),
        BASE,
    ),
    (
        "97d",
        "one witness key under two names counts once",
        one_key_twice,
        "L2 kept r1=clean r2=clean witnesses=1",
    ),
    (
        "97e",
        "an invalid cosignature line before the valid one",
        || {
            witnessed(&[1], 1, |f, at| {
                [cosign(f, 1, 0), cosign(f, 1, at)].concat()
            })
        },
        "L4 kept r1=clean r2=clean witnesses=1",
    ),
    (
        "98",
        "time-stamp on the last seal, anchored",
        || stamped(true, |f| f.seals.len() - 1, Some(&Genuine)),
        "L4 kept r1=clean r2=clean stamped",
    ),
    (
        "98b",
        "time-stamp on an older seal",
        || stamped(true, |_| 0, Some(&Genuine)),
        "L3 kept r1=clean r2=clean",
    ),
    (
        "98d",
        "time-stamp that nobody can check",
        || stamped(true, |f| f.seals.len() - 1, None),
        "L3 kept r1=clean r2=clean",
    ),
    (
        "98e",
        "time-stamp without an anchor",
        || stamped(false, |f| f.seals.len() - 1, Some(&Genuine)),
        "L2 kept r1=clean r2=clean stamped",
    ),
    ("100l", "comment of an approver erased", comment, BASE),
    (
        "101e",
        "break-glass, then an ALLOW",
        || {
            run_of(|r| {
                let held = r.hold_for(2);
                r.override_(held);
                let decided = r.decide("ALLOW");
                r.act("repair.started", decided);
                r.act("repair.executed", decided);
                [2, 1, 1, 0, 1, 1]
            })
        },
        "L2 kept a=overridden",
    ),
    (
        "101i",
        "held in one run, approved and done in a later one",
        later_run,
        "L2 kept a=unresolved b=clean",
    ),
    (
        "102",
        "proof for an old anchor only",
        || linked(&[6]),
        "L2 unchecked r1=clean anchors=6",
    ),
    (
        "102b",
        "proofs for both anchors",
        || linked(&[6, 12]),
        "L3 unchecked r1=clean anchors=6,12",
    ),
    (
        "103",
        "older run package with a proof to a newer anchor",
        || older(|f| f.run("r2")),
        "L3 unchecked r2=clean anchors=17",
    ),
    (
        "103d",
        "older range package with a proof to a newer anchor",
        || older(|f| f.range(3, 9)),
        "L3 kept r1=unknown anchors=17 open=r2",
    ),
    (
        "105",
        "forged seal version by a retired key",
        forged_version,
        "L3 kept r1=clean r2=clean anchors=18",
    ),
    (
        "109b",
        "run package with one of two branches",
        branch,
        "L2 unchecked r=clean",
    ),
    (
        "110",
        "effect begun, no result",
        || begun(&[], |f| f.export()),
        "L2 kept a=unresolved",
    ),
    (
        "110b",
        "same, run aborted by the sweeper",
        || aborted(),
        "L2 kept a=unresolved",
    ),
    (
        "110c",
        "same, the result in a later run",
        result_later,
        "L2 kept a=unresolved b=clean",
    ),
    (
        "110d",
        "begun and executed",
        || begun(&["repair.executed"], |f| f.export()),
        "L2 kept a=clean",
    ),
    (
        "110e",
        "begun and failed",
        || begun(&["repair.failed"], |f| f.export()),
        "L2 kept a=clean",
    ),
    (
        "110f",
        "begun without result after break-glass",
        || {
            run_of(|r| {
                let held = r.hold_for(2);
                r.override_(held);
                let decided = r.decide("ALLOW");
                r.act("repair.started", decided);
                [2, 1, 1, 0, 1, 1]
            })
        },
        "L2 kept a=overridden",
    ),
    (
        "110g",
        "begun, no result, in a run package",
        || begun(&[], |f| f.run("a")),
        "L2 unchecked a=unresolved",
    ),
    (
        "all",
        "every rule in use and a rotation, both keys pinned",
        everything_in_use,
        "L2 kept r1=clean r2=clean r3=clean",
    ),
];

const LOST: &str = "L2 violated r1=clean r2=clean lost=h2";

#[test]
fn what_must_be_accepted_is_accepted_with_its_verdict() {
    let mut wrong = Vec::new();
    for (number, name, make, expected) in ROWS {
        let verdict = make();
        let got = short(&verdict);
        // Anchors are named only where the row is about them.
        let anchors = expected.contains("anchors=") || !got.contains(" anchors=");
        let same = if anchors {
            got == *expected
        } else {
            got.starts_with(expected)
        };
        if !same {
            wrong.push(format!("{number} {name}: expected {expected}, got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A verdict in one line.
fn short(verdict: &Verdict) -> String {
    let accepted = match &verdict.result {
        Ok(accepted) => accepted,
        Err(fault) => return fault.to_string(),
    };
    let Accepted {
        level, hold_status, ..
    } = accepted;
    let mut text = format!("L{level} {}", hold_status.name());
    for (run, is) in &accepted.governance {
        text += &format!(" {run}={}", is.name());
    }
    let list = |name: &str, items: Vec<String>| match items.as_slice() {
        [] => String::new(),
        items => format!(" {name}={}", items.join(",")),
    };
    let lost = accepted.lost_under_hold.iter();
    text += &list("lost", lost.map(|lost| lost.hold.clone()).collect());
    if accepted.witnesses > 0 {
        text += &format!(" witnesses={}", accepted.witnesses);
    }
    if accepted.timestamp {
        text += " stamped";
    }
    text += &list(
        "anchors",
        accepted.anchors.iter().map(u64::to_string).collect(),
    );
    text + &list("open", accepted.open.clone())
}

fn whole(mut forge: Forge) -> Verdict {
    if forge.seals.is_empty() || forge.last_size() < forge.entries.len() as u64 {
        forge.seal();
    }
    check(&forge.export(), &forge.trust())
}

/// Accepted, and the missing anchor is said.
fn unanchored(forge: Forge) -> Verdict {
    let verdict = check(&forge.export(), &forge.trust());
    assert!(
        verdict.to_string().contains("no anchor was given"),
        "{verdict}"
    );
    verdict
}

fn cut() -> Forge {
    let mut forge = anchors::second_history();
    forge.seals.truncate(1);
    forge.entries.truncate(6);
    forge
}

fn other_tenant() -> Verdict {
    let mut other = Forge::new("prj_other", &Sealer::new(1));
    simple_run(&mut other, "r1");
    other.seal();
    check(
        &other.export(),
        &Trust::new(Sealer::new(1).key, other.stream),
    )
}

fn r1() -> Json {
    object([("run", "r1".into())])
}

fn r2() -> Json {
    object([("run", "r2".into())])
}

fn range(from: u64, to: u64) -> Json {
    object([("from", Json::uint(from)), ("to", Json::uint(to))])
}

/// The subject of the executed repair of `r1` erased while a hold is active.
fn erased(reason: &str, target: Json) -> Verdict {
    let mut forge = base();
    forge.add("hold.set", None, hold("h2", target), None);
    forge.redact(seq::EXECUTED, reason);
    whole(forge)
}

fn released_later() -> Verdict {
    let mut forge = base();
    forge.add("hold.set", None, hold("h2", everything()), None);
    forge.redact(seq::EXECUTED, "lost");
    forge.add("hold.release", None, object([("hold", "h2".into())]), None);
    whole(forge)
}

fn lost_under_two(package: fn(&Forge) -> Json) -> Verdict {
    let mut forge = base();
    forge.add("hold.set", None, hold("h2", everything()), None);
    forge.add("hold.set", None, hold("h3", range(0, 9)), None);
    forge.redact(seq::EXECUTED, "lost");
    forge.seal();
    check(&package(&forge), &forge.trust())
}

/// One run `a` about one action.
struct Run {
    forge: Forge,
}

impl Run {
    fn add(&mut self, kind: &str, facts: Json) -> Hash {
        self.forge.add(kind, Some("a"), facts, None)
    }

    fn decide(&mut self, effect: &str) -> Hash {
        self.add("run.decision", decision(effect, "x"))
    }

    fn hold_for(&mut self, approvals: u64) -> Hash {
        let facts = with(decision("REQUIRE", "x"), "approvals", Json::uint(approvals));
        self.add("run.decision", facts)
    }

    fn vote(&mut self, decision: Hash, approver: &str, effect: &str) {
        self.add("run.resolution", resolution(decision, approver, effect));
    }

    fn override_(&mut self, decision: Hash) {
        let vote = resolution(decision, "usr_1", "ALLOW");
        self.add("run.resolution", with(vote, "override", true.into()));
    }

    fn act(&mut self, kind: &str, decision: Hash) {
        self.add(kind, step(decision, "x"));
    }
}

/// Plays a run and closes it with the counts that it gives.
fn run_of(play: fn(&mut Run) -> [u64; 6]) -> Verdict {
    whole(played(play))
}

fn played(play: impl Fn(&mut Run) -> [u64; 6]) -> Forge {
    let mut run = Run {
        forge: Forge::new("prj_1", &Sealer::new(1)),
    };
    run.add("run.open", opening());
    let counts = play(&mut run);
    run.add("run.close", closing(counts));
    run.forge
}

fn begun(then: &[&str], package: fn(&Forge) -> Json) -> Verdict {
    let mut forge = played(|run| {
        let decided = run.decide("ALLOW");
        run.act("repair.started", decided);
        for kind in then {
            run.act(kind, decided);
        }
        [1, 1, 0, 0, 0, 0]
    });
    forge.seal();
    check(&package(&forge), &forge.trust())
}

fn aborted() -> Verdict {
    let mut run = Run {
        forge: Forge::new("prj_1", &Sealer::new(1)),
    };
    run.add("run.open", opening());
    let decided = run.decide("ALLOW");
    run.act("repair.started", decided);
    run.add(
        "run.close",
        with(closing([1, 1, 0, 0, 0, 0]), "status", "aborted".into()),
    );
    whole(run.forge)
}

fn result_later() -> Verdict {
    let mut forge = played(|run| {
        let decided = run.decide("ALLOW");
        run.act("repair.started", decided);
        [1, 1, 0, 0, 0, 0]
    });
    forge.add("run.open", Some("b"), opening(), None);
    let again = forge.add("run.decision", Some("b"), decision("ALLOW", "x"), None);
    forge.add("repair.executed", Some("b"), step(again, "x"), None);
    forge.add("run.close", Some("b"), closing([1, 1, 0, 0, 0, 0]), None);
    whole(forge)
}

fn later_run() -> Verdict {
    let mut forge = Forge::new("prj_1", &Sealer::new(1));
    forge.add("run.open", Some("a"), opening(), None);
    let held = forge.add("run.decision", Some("a"), decision("REQUIRE", "x"), None);
    let closed = forge.add("run.close", Some("a"), closing([1, 0, 1, 0, 1, 0]), None);
    let cause = object([("entry", Json::from(held)), ("seq", Json::uint(2))]);
    let facts = with(with(opening(), "cause", cause), "prior_run", closed.into());
    forge.add("run.open", Some("b"), facts, None);
    forge.add(
        "run.resolution",
        Some("b"),
        resolution(held, "usr_1", "ALLOW"),
        None,
    );
    let decided = forge.add("run.decision", Some("b"), decision("ALLOW", "x"), None);
    forge.add("repair.started", Some("b"), step(decided, "x"), None);
    forge.add("repair.executed", Some("b"), step(decided, "x"), None);
    forge.add("run.close", Some("b"), closing([1, 1, 0, 0, 0, 0]), None);
    whole(forge)
}

fn other_signature() -> Verdict {
    let mut forge = base();
    forge.seals.pop();
    let body = forge.next_body();
    forge.seals.push(seals::other_form(&forge, &body));
    check(&forge.export(), &forge.trust())
}

fn versions() -> Verdict {
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

fn output() -> Verdict {
    let forge = base();
    let mut trust = forge.trust();
    let digest = counterfoil_evidence::hash::sha256(b"report");
    trust.outputs = vec![("out/report".to_owned(), digest)];
    check(&forge.run("r1"), &trust)
}

fn heartbeat() -> Verdict {
    let mut forge = base();
    forge.at += 1_000;
    forge.seal();
    let files = crate::attacks::folders::files_of(&forge);
    verify(Package::Folder(&files), &forge.trust())
}

fn period() -> Verdict {
    let forge = base();
    let package = with(
        forge.range(3, 12),
        "from_at",
        Json::uint(forge.entries[3].at() - 1),
    );
    let package = with(package, "to_at", Json::uint(forge.entries[11].at() + 1));
    check(&package, &forge.trust())
}

fn witness_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn vkey(name: &str, seed: u8) -> String {
    use base64::Engine as _;
    let mut typed = vec![4];
    typed.extend_from_slice(witness_key(seed).verifying_key().as_bytes());
    let id = witness_id(name, &typed);
    let key = base64::engine::general_purpose::STANDARD.encode(&typed);
    format!("{name}+{}+{key}", hex::encode(id))
}

fn witness_id(name: &str, typed: &[u8]) -> Vec<u8> {
    let hash = counterfoil_evidence::hash::sha256(&[name.as_bytes(), b"\n", typed].concat());
    hash.as_bytes()[..4].to_vec()
}

/// A cosignature line of witness `w<seed>` over the seal at a place.
fn cosign(forge: &Forge, seed: u8, place: usize) -> String {
    cosign_as(&format!("w{seed}"), forge, seed, place)
}

fn cosign_as(name: &str, forge: &Forge, seed: u8, place: usize) -> String {
    use base64::Engine as _;
    let body = Seal::parse(&forge.seals[place]).unwrap().body.bytes();
    let seconds = 1_795_392_100_u64;
    let head = format!("cosignature/v1\ntime {seconds}\n");
    let signature = witness_key(seed).sign(&[head.as_bytes(), &body].concat());
    let mut typed = vec![4];
    typed.extend_from_slice(witness_key(seed).verifying_key().as_bytes());
    let mut payload = witness_id(name, &typed);
    payload.extend_from_slice(&seconds.to_be_bytes());
    payload.extend_from_slice(&signature.to_bytes());
    let payload = base64::engine::general_purpose::STANDARD.encode(payload);
    format!("\u{2014} {name} {payload}\n")
}

/// The base stream; its last seal gets the lines that `sign` makes for it.
fn witnessed(pinned: &[u8], quorum: u64, sign: fn(&Forge, usize) -> String) -> Verdict {
    let mut forge = base();
    let last = forge.seals.len() - 1;
    let lines = sign(&forge, last);
    forge.seals[last] += &lines;
    let mut trust = forge.trust();
    let keys: Vec<_> = pinned
        .iter()
        .map(|seed| vkey(&format!("w{seed}"), *seed))
        .collect();
    trust.witnesses = keys
        .iter()
        .map(|key| Witness::parse(key).unwrap())
        .collect();
    trust.quorum = quorum;
    verify_witnessed(
        Package::Document(&forge.export().canonical()),
        &trust,
        &keys,
    )
}

fn one_key_twice() -> Verdict {
    let mut forge = base();
    let last = forge.seals.len() - 1;
    let lines = ["w1", "w2"].map(|name| cosign_as(name, &forge, 1, last));
    forge.seals[last] += &lines.concat();
    let mut trust = forge.trust();
    let keys = ["w1", "w2"].map(|name| vkey(name, 1));
    trust.witnesses = keys
        .iter()
        .map(|key| Witness::parse(key).unwrap())
        .collect();
    trust.quorum = 2;
    verify_witnessed(
        Package::Document(&forge.export().canonical()),
        &trust,
        &keys,
    )
}

#[test]
fn a_witness_key_whose_id_name_or_type_is_not_its_own_is_refused() {
    let good = vkey("w1", 1);
    assert!(Witness::parse(&good).is_ok());
    let (name, rest) = good.split_once('+').unwrap();
    for bad in [
        format!("{name}x+{rest}"),
        format!("+{rest}"),
        good.replace("+0", "+1").replace("+a", "+b"),
        good[..good.len() - 1].to_owned(),
        name.to_owned(),
    ] {
        assert!(bad == good || Witness::parse(&bad).is_err(), "{bad}");
    }
}

/// An authority that takes every token that names the hash of the bytes.
#[derive(Debug)]
struct Genuine;

impl TimestampAuthority for Genuine {
    fn check(&self, data: &[u8], response: &[u8]) -> Token {
        let hash = counterfoil_evidence::hash::sha256(data);
        if response.strip_prefix(b"token ") == Some(hash.as_bytes()) {
            Token::Valid
        } else {
            Token::Invalid
        }
    }
}

fn stamped(
    anchored: bool,
    place: fn(&Forge) -> usize,
    authority: Option<&dyn TimestampAuthority>,
) -> Verdict {
    use base64::Engine as _;
    let forge = base();
    let hash = Seal::parse(&forge.seals[place(&forge)])
        .unwrap()
        .seal_hash();
    let token = [b"token ".as_slice(), hash.as_bytes()].concat();
    let token = base64::engine::general_purpose::STANDARD.encode(token);
    let item = object([("seal", Json::from(hash)), ("tsr", token.into())]);
    let package = with(forge.export(), "timestamps", Json::Array(vec![item]));
    let mut trust = forge.trust();
    if anchored {
        trust.anchors = vec![forge.seals.last().unwrap().clone()];
    }
    verify_with(Package::Document(&package.canonical()), &trust, authority)
}

#[test]
fn a_token_that_the_authority_refuses_is_refused() {
    #[derive(Debug)]
    struct Never;
    impl TimestampAuthority for Never {
        fn check(&self, _: &[u8], _: &[u8]) -> Token {
            Token::Invalid
        }
    }
    let verdict = stamped(true, |_| 1, Some(&Never));
    assert_eq!(crate::forge::outcome(&verdict), "E_TIMESTAMP");
}

fn comment() -> Verdict {
    let mut forge = base();
    forge.redact(seq::VOTE_1 + 1, "erasure_request");
    whole(forge)
}

/// A run package with proofs for anchors of these sizes; anchors of sizes 6 and 12 are held.
fn linked(sizes: &[u64]) -> Verdict {
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

fn older(package: fn(&Forge) -> Json) -> Verdict {
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

fn handed_over() -> (Forge, Sealer) {
    let mut forge = base();
    let (old, new) = (forge.sealers[0].clone(), Sealer::new(2));
    forge.add("key.rotate", None, rotation(&new, &old), None);
    forge.sealers = vec![new, old.clone()];
    forge.seal();
    (forge, old)
}

fn forged_version() -> Verdict {
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

fn branch() -> Verdict {
    let mut forge = Forge::new("prj_2", &Sealer::new(1));
    for text in ["one", "two"] {
        forge.forget_run("r");
        forge.add("run.open", Some("r"), opening(), Some(subject(text)));
        forge.add("run.close", Some("r"), closing([0; 6]), None);
    }
    forge.seal();
    check(&forge.run_of("r", &[1, 2]), &forge.trust())
}

fn everything_in_use() -> Verdict {
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
