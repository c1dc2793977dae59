//! `counterfoil policy impact`: recorded decisions judged again with a stored bundle. One report of a
//! deployment covers 2,000 of them; here they follow one another, and are told as one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args as ClapArgs;
use counterfoil_policy::Impact;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::remote::{OfBundle, of_bundle};
use super::remote_view::{list, number, tell_impact};
use crate::answer::text;
use crate::client::{Client, Failure};
use crate::output::say;
use crate::plain::{say_json, shown};

/// Decisions that one report covers, at most.
const MOST_OF_ONE: u64 = 2_000;
/// Decisions that are looked at, at most.
const MOST: u64 = 10_000;
/// What a decision was, and what it would have been.
const EFFECTS: [&str; 3] = ["deny", "require", "allow"];

/// Judges recorded decisions again with a stored bundle
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    of: OfBundle,
    /// Decisions since, for example 2026-11-01T00:00:00Z; of 90 days unless said otherwise
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Decisions before
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The newest ones, at most
    #[arg(long, value_name = "NUMBER", default_value_t = MOST, value_parser = clap::value_parser!(u64).range(1..=MOST))]
    limit: u64,
    /// Keep the reports, one in a line, the newest first; the activation cites that one's digest
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    let api = Client::of(&args.of.call)?.quiet();
    let path = of_bundle(&api, &args.of.digest, "impact").await?;
    let mut reports = Reports::default();
    let ended = reports.gather(&api, &path, args).await;
    if reports.answers.is_empty() {
        return ended;
    }
    if let Some(out) = &args.out {
        reports.keep(out).map_err(Failure::Unknown)?;
    }
    if args.of.call.json {
        say_json(&reports.document());
    } else {
        tell(args, &reports);
        let newest = reports.answers.first();
        let active = newest.map_or("", |it| text(it, "/report/active"));
        if ended.is_ok() && active != args.of.digest {
            let digest = shown(&args.of.digest);
            say(format_args!("next: counterfoil policy activate {digest}"));
        }
    }
    ended
}

fn tell(args: &Args, reports: &Reports) {
    let digest = shown(&args.of.digest);
    let others = reports.others().map(|(from, to)| {
        format!("counterfoil policy impact {digest} --from {from:.3} --to {to:.3}")
    });
    tell_impact(&reports.document(), others.as_deref());
    if let Some(out) = &args.out {
        let kept = match reports.answers.as_slice() {
            [_] => "the report is",
            _ => "the reports are",
        };
        say(format_args!("{kept} in {}", out.display()));
    }
}

/// Answers of the deployment, each about older decisions than the one before.
#[derive(Debug, Default)]
struct Reports {
    answers: Vec<Value>,
}

impl Reports {
    /// Asks until everything is looked at, or as much as is wanted. What came stays where something
    /// fails on the way.
    async fn gather(&mut self, api: &Client, path: &str, args: &Args) -> Result<(), Failure> {
        let (mut from, mut to) = (args.from.clone(), args.to.clone());
        eprintln!(
            "judging recorded decisions again, the newest first: at most {} of them",
            args.limit
        );
        loop {
            let limit = args.limit.saturating_sub(self.looked()).min(MOST_OF_ONE);
            let body = json!({ "from": from, "to": to, "limit": limit });
            let sent = api.change(Method::POST, path, Some(&body), None).await;
            let answer = sent.inspect_err(|_| self.unfinished())?.body;
            let next = time(Some(&answer), "/report/reached");
            if self.reached().is_some_and(|last| next >= Some(last)) {
                let what = "the deployment looks at the same decisions again";
                return Err(Failure::Unknown(anyhow!(what)));
            }
            self.answers.push(answer);
            let Some(reached) = next else {
                return Ok(());
            };
            if self.looked() >= args.limit {
                return Ok(());
            }
            eprintln!("{} so far, back to {reached:.3}; going on", self.looked());
            from = time(self.answers.first(), "/report/from").map(|from| format!("{from:.3}"));
            to = Some(format!("{reached:.3}"));
        }
    }

    /// Says how much of it is there, where something fails.
    fn unfinished(&self) {
        if !self.answers.is_empty() {
            eprintln!(
                "not all of it: {} decisions were looked at, and then the next request failed",
                self.looked()
            );
        }
    }

    /// Decisions that were looked at.
    fn looked(&self) -> u64 {
        let of_each = ["/report/judged", "/report/not_comparable"];
        let of_each = of_each.map(|pointer| self.sum(pointer));
        of_each.into_iter().fold(0, u64::saturating_add)
    }

    /// How far it came, where there is more.
    fn reached(&self) -> Option<Timestamp> {
        time(self.answers.last(), "/report/reached")
    }

    /// Since when and until when the decisions are that were not looked at.
    fn others(&self) -> Option<(Timestamp, Timestamp)> {
        let from = time(self.answers.first(), "/report/from")?;
        Some((from, self.reached()?))
    }

    fn sum(&self, pointer: &str) -> u64 {
        let of_each = self.answers.iter().map(|answer| number(answer, pointer));
        of_each.fold(0, u64::saturating_add)
    }

    /// All of them as one report, and the digest of each.
    fn document(&self) -> Value {
        let mut impact = Impact {
            judged: self.sum("/report/judged"),
            more_approvals: self.sum("/report/more_approvals"),
            fewer_approvals: self.sum("/report/fewer_approvals"),
            engine_errors: self.sum("/report/engine_errors"),
            flipped: self.sum("/report/flipped"),
            ..Impact::default()
        };
        for before in EFFECTS {
            for after in EFFECTS {
                let many = self.sum(&format!("/report/transitions/{before}/{after}"));
                if many > 0 {
                    let row = impact.transitions.entry(before).or_default();
                    row.insert(after, many);
                }
            }
        }
        let sentence = impact.sentence();
        let reports = self.answers.iter().filter_map(|it| it.get("report"));
        let flips: Vec<&Value> = reports.clone().flat_map(|it| list(it, "flips")).collect();
        // The newest says which bundle and since when; the oldest how far it came.
        let mut report = reports.clone().next().cloned().unwrap_or_default();
        if let (Value::Object(report), Ok(Value::Object(sums))) =
            (&mut report, serde_json::to_value(&impact))
        {
            report.extend(sums);
            report.insert("flips".to_owned(), json!(flips));
            report.insert("sentence".to_owned(), json!(sentence));
            let other = self.sum("/report/not_comparable");
            report.insert("not_comparable".to_owned(), json!(other));
            for name in ["complete", "reached"] {
                report.remove(name);
                let last = reports.clone().next_back().and_then(|it| it.get(name));
                report.extend(last.map(|last| (name.to_owned(), last.clone())));
            }
        }
        let digests = self.answers.iter().map(|it| text(it, "/digest"));
        let digests: Vec<&str> = digests.collect();
        json!({ "sentence": sentence, "digest": digests.first(), "digests": digests, "report": report })
    }

    /// Writes what the digests are over.
    fn keep(&self, out: &Path) -> anyhow::Result<()> {
        let reports = self.answers.iter().filter_map(|it| it.get("report"));
        let lines: Vec<String> = reports.map(Value::to_string).collect();
        fs::write(out, lines.join("\n")).with_context(|| out.display().to_string())
    }
}

fn time(answer: Option<&Value>, pointer: &str) -> Option<Timestamp> {
    let at = answer?.pointer(pointer)?.as_i64()?;
    Timestamp::from_millisecond(at).ok()
}
