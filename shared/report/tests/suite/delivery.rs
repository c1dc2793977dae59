//! The report of a bulk delivery.

use std::collections::BTreeMap;

use counterfoil_evidence::hash::{Hash, sha256};
use counterfoil_evidence::verify::{Accepted, Package, verify};
use counterfoil_report::{
    About, Delivery, IncidentRow, Period, RepairRow, ReportError, RunRow, delivery_report,
};

use crate::forge::{RUN, Stream, about};
use crate::tools::{Pdf, dense};

pub const MANIFEST: &[u8] = br#"{"schema":"counterfoil.delivery/1","members":[]}"#;

pub struct Made {
    pub about: About,
    pub accepted: Accepted,
    digest: Hash,
    bytes: u64,
    keys: Vec<Hash>,
    kinds: BTreeMap<String, u64>,
    pub runs: Vec<RunRow>,
    pub incidents: Vec<IncidentRow>,
    pub repairs: Vec<RepairRow>,
}

impl Made {
    pub fn new() -> Self {
        let mut stream = Stream::new();
        stream.open("usr_1");
        let decision = stream.decide('2', "ALLOW", "base.permit", "One row.");
        stream.repair(decision, '2', "free", "pro");
        stream.close(0, 0);
        let export = stream.export();
        let accepted = verify(Package::Document(&export), &stream.trust())
            .result
            .unwrap();
        let kinds = [
            ("genesis", 1),
            ("run.open", 1),
            ("run.decision", 1),
            ("run.close", 1),
        ];
        let repair = [
            ("repair.started", 1),
            ("repair.executed", 1),
            ("repair.verified", 1),
        ];
        Self {
            about: about(),
            digest: sha256(&export),
            bytes: u64::try_from(export.len()).unwrap(),
            keys: vec![stream.key()],
            kinds: kinds
                .into_iter()
                .chain(repair)
                .map(|(k, n)| (k.to_owned(), n))
                .collect(),
            runs: vec![RunRow {
                run: RUN.to_owned(),
                at: accepted.sealed_at - 90,
                purpose: "repair".to_owned(),
                status: Some("completed".to_owned()),
                decisions: (1, 0, 0),
                answer: None,
            }],
            incidents: vec![IncidentRow {
                seq: 3,
                at: accepted.sealed_at - 60,
                incident: "inc_5N86E8CYSM5CW5EPMYH3YVAGVA".to_owned(),
                event: "resolved 🚀".to_owned(),
            }],
            repairs: vec![RepairRow {
                seq: 4,
                at: accepted.sealed_at - 50,
                run: RUN.to_owned(),
                outcome: "executed".to_owned(),
                checked: Some("match".to_owned()),
                change: "plan from free to pro".to_owned(),
            }],
            accepted,
        }
    }

    pub fn delivery(&self) -> Delivery<'_> {
        let total = |count: usize| u64::try_from(count).unwrap();
        Delivery {
            about: &self.about,
            accepted: &self.accepted,
            package_digest: self.digest,
            package_bytes: self.bytes,
            keys: &self.keys,
            manifest: MANIFEST,
            period: Some(Period {
                from: 1_793_491_200_000,
                to: 1_796_083_200_000,
            }),
            entries: (0, self.accepted.entries),
            kinds: &self.kinds,
            runs: &self.runs,
            runs_total: total(self.runs.len()),
            incidents: &self.incidents,
            incidents_total: total(self.incidents.len()),
            repairs: &self.repairs,
            repairs_total: total(self.repairs.len()),
        }
    }
}

#[test]
fn a_delivery_is_told_and_carries_its_manifest() {
    let made = Made::new();
    let bytes = delivery_report(&made.delivery()).unwrap();
    assert!(bytes == delivery_report(&made.delivery()).unwrap());
    let pdf = Pdf::new(bytes);
    pdf.assert_sound();
    pdf.assert_fonts_embedded();
    pdf.assert_inside_margins();
    assert!(pdf.attachment() == MANIFEST);
    let text = pdf.dense();
    for said in [
        "from 1 Nov 2026, 00:00:00 UTC until 1 Dec 2026, 00:00:00 UTC",
        RUN,
        "CLEAN",
        "inc_5N86E8CYSM5CW5EPMYH3YVAGVA",
        "resolved U+1F680",
        "findings object",
        "EXECUTED MATCH",
        "plan from free to pro",
        "run.decision",
        &made.accepted.seal_hash.to_string(),
        &made.accepted.stream.to_string(),
        &made.digest.to_string(),
        "counterfoil verify evidence.tar --key key.pem",
    ] {
        assert!(text.contains(&dense(said)), "{said} is not in the report");
    }
}

#[test]
fn an_empty_delivery_is_a_report_too() {
    let mut made = Made::new();
    made.accepted.entries = 0;
    made.accepted.governance.clear();
    made.kinds.clear();
    made.runs.clear();
    made.incidents.clear();
    made.repairs.clear();
    let pdf = Pdf::new(delivery_report(&made.delivery()).unwrap());
    pdf.assert_sound();
    assert!(pdf.dense().contains("Thereisnorunintheseentries."));
}

#[test]
fn rows_that_are_left_out_are_counted() {
    let made = Made::new();
    let mut delivery = made.delivery();
    delivery.runs_total = 12_346;
    let text = Pdf::new(delivery_report(&delivery).unwrap()).text();
    assert!(text.contains("12,345 more are in index.csv"), "{text}");
}

#[test]
fn a_summary_that_contradicts_the_verdict_is_refused() {
    let made = Made::new();
    let mut short = made.delivery();
    short.entries = (0, 3);
    let kinds = BTreeMap::from([("run.open".to_owned(), 2)]);
    let mut other = made.delivery();
    other.kinds = &kinds;
    let mut few = made.delivery();
    few.repairs_total = 0;
    for delivery in [short, other, few] {
        let refused = delivery_report(&delivery);
        assert!(
            matches!(refused, Err(ReportError::Summary(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn a_held_run_names_the_entry_that_answers_it() {
    let mut stream = Stream::new();
    stream.open("usr_1");
    stream.decide('3', "REQUIRE", "ws.four-eyes", "One more.");
    stream.close(1, 0);
    let export = stream.export();
    let verdict = verify(Package::Document(&export), &stream.trust());
    let mut made = Made::new();
    made.accepted = verdict.result.unwrap();
    let entries = made.accepted.entries;
    made.kinds = BTreeMap::from([("run.open".to_owned(), entries)]);
    let without = Pdf::new(delivery_report(&made.delivery()).unwrap()).dense();
    made.runs[0].answer = Some(31);
    let with = Pdf::new(delivery_report(&made.delivery()).unwrap()).dense();
    let explained = dense("the answer, where one was given, is in a later run");
    for text in [&without, &with] {
        assert!(text.contains(&explained), "{text}");
    }
    assert!(with.contains("UNRESOLVEDansweredinentry31"), "{with}");
    assert!(!without.contains("answeredinentry"), "{without}");
    let clean = Pdf::new(delivery_report(&Made::new().delivery()).unwrap()).dense();
    assert!(!clean.contains(&explained), "{clean}");
}

#[test]
fn failed_repairs_are_counted_apart() {
    let mut made = Made::new();
    made.repairs.push(RepairRow {
        seq: 9,
        at: made.accepted.sealed_at,
        run: RUN.to_owned(),
        outcome: "failed".to_owned(),
        checked: None,
        change: "nothing: row-changed".to_owned(),
    });
    let name = "repair.verified";
    let count = made.kinds.remove(name).unwrap();
    made.kinds.insert("repair.failed".to_owned(), count);
    let text = Pdf::new(delivery_report(&made.delivery()).unwrap()).dense();
    assert!(text.contains("Repairs2,ofwhich1failed"), "{text}");
}
