//! How long a decision takes, and what it costs to start the engine: `cargo bench -p counterfoil-policy`.
//!
//! Beside a decision (eight questions to the engine and more for its twin: four steps in each of two
//! layers) stands one plain question to the engine on the same policies, which cannot be gone below.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    reason = "a benchmark reads the clock and prints ratios"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cedar_policy::{Authorizer, Context, Entities, EntityUid, PolicySet, Schema};
use counterfoil_evidence::json::Json;
use counterfoil_policy::check::scenario::{self, Scenario};
use counterfoil_policy::{
    Effect, Impact, Layer, LayerName, Layers, Outcome, Phase, Request, SCHEMA, baseline,
    baseline_files, judge,
};
use serde_json::Value;

const SCENARIOS: &str = include_str!("../rules/baseline/tests/scenarios.json");
/// Decisions of an impact report.
const REPLAYED: u32 = 10_000;
/// What the candidate of that report refuses.
const REFUSED: &str = "evidence.export";

fn main() {
    start();
    println!();
    let own = baseline().unwrap().rules().len();
    println!("one decision, by rules of the workspace beside the {own} of the baseline");
    println!("rules       judged   with reading   one plain question   ratio");
    for rules in [10, 100, 200, 1_000] {
        decide(rules);
    }
    println!();
    replay();
}

/// What the first decision of a process pays once.
fn start() {
    let files: Vec<(&str, &str)> = baseline_files().collect();
    let schema = best(20, || {
        black_box(Schema::from_cedarschema_str(SCHEMA).unwrap().0);
    });
    let layer = best(20, || {
        black_box(Layer::of(LayerName::Baseline, "", 0, &files).unwrap());
    });
    let bundle = text_of(200);
    let full = best(20, || {
        black_box(layer_of(&bundle));
    });
    println!(
        "the first decision of a process pays: schema {schema:.1?}, baseline {layer:.1?}, a bundle of 200 rules {full:.1?}"
    );
}

fn decide(rules: u32) {
    let text = text_of(rules);
    let workspace = layer_of(&text);
    let layers = Layers {
        baseline: baseline(),
        workspace: Ok(&workspace),
    };
    let stored = stored(&scenario());
    let request = Request::read(stored.clone());
    let none = || Duration::ZERO;
    let judged = best(200, || {
        let verdict = judge(layers, &request, Phase::Propose, &none);
        assert_eq!(verdict.effect, Effect::Require);
    });
    let read = best(200, || {
        let request = Request::read(stored.clone());
        black_box(judge(layers, &request, Phase::Propose, &none));
    });
    let plain = plain(&text, &stored);
    let ratio = judged.as_secs_f64() / plain.as_secs_f64();
    println!("{rules:>5} {judged:>12.1?} {read:>14.1?} {plain:>20.1?} {ratio:>7.1}");
}

/// One question to the engine, everything prepared, on both layers' policies.
fn plain(workspace: &str, stored: &Json) -> Duration {
    let baseline: String = baseline_files().map(|(_, text)| text).collect();
    let set: PolicySet = format!("{baseline}\n{workspace}").parse().unwrap();
    let question: Value = serde_json::from_slice(&stored.canonical()).unwrap();
    let uid = |name: &str| {
        let field = |part: &str| {
            let value = question.pointer(&format!("/{name}/{part}"));
            value.unwrap().as_str().unwrap()
        };
        let written = format!("{}::{:?}", field("type"), field("id"));
        written.parse::<EntityUid>().unwrap()
    };
    let schema = Schema::from_cedarschema_str(SCHEMA).unwrap().0;
    let field = |name: &str| question.get(name).unwrap().clone();
    let action = uid("action");
    let entities = Entities::from_json_value(field("entities"), Some(&schema)).unwrap();
    let context = Context::from_json_value(field("context"), Some((&schema, &action))).unwrap();
    let asked = cedar_policy::Request::new(
        uid("principal"),
        action,
        uid("resource"),
        context,
        Some(&schema),
    );
    let (asked, authorizer) = (asked.unwrap(), Authorizer::new());
    best(200, || {
        black_box(authorizer.is_authorized(&asked, &set, &entities));
    })
}

/// An impact report: recorded questions are read and judged again, by a candidate that refuses what the
/// rules in force do not.
fn replay() {
    let in_force = layer_of(&text_of(10));
    let candidate = format!(
        "{}@id(\"ws.forbid.export\") @why(\"nothing leaves\")\n\
         forbid (principal, action == CF::Action::\"{REFUSED}\", resource);\n",
        text_of(10)
    );
    let candidate = layer_of(&candidate);
    let with = |layer| Layers {
        baseline: baseline(),
        workspace: Ok(layer),
    };
    let scenarios = scenario::read(SCENARIOS).unwrap();
    let proposed = scenarios.iter().filter(|scenario| !scenario.real);
    let recorded: Vec<(&str, Json, Outcome)> = proposed
        .map(|scenario| {
            let before = Outcome::of(&scenario.ask(with(&in_force)).unwrap());
            (scenario.action.as_str(), stored(scenario), before)
        })
        .collect();
    let decisions = || recorded.iter().cycle().zip(0..REPLAYED).map(|(it, _)| it);
    let refused = decisions()
        .filter(|(action, _, before)| *action == REFUSED && before.effect != Effect::Deny)
        .count();
    assert!(refused > 0, "a report in which nothing flips shows nothing");
    let began = Instant::now();
    let mut impact = Impact::default();
    for (action, stored, before) in decisions() {
        let request = Request::read(stored.clone());
        let verdict = judge(with(&candidate), &request, Phase::Propose, &|| {
            Duration::ZERO
        });
        impact.add("dec", action, before.clone(), &verdict);
    }
    let took = began.elapsed();
    assert_eq!(impact.judged, u64::from(REPLAYED));
    assert_eq!(usize::try_from(impact.flipped), Ok(refused));
    let each = took / REPLAYED;
    println!(
        "impact of {REPLAYED} recorded decisions, of which {refused} flip: {took:.2?}, {each:.1?} each"
    );
}

fn scenario() -> Scenario {
    let all = scenario::read(SCENARIOS).unwrap();
    let mut all = all.into_iter();
    all.find(|scenario| scenario.name == "agent grants, live")
        .unwrap()
}

fn stored(scenario: &Scenario) -> Json {
    let question = scenario.question().unwrap().to_string();
    Json::parse_document(question.as_bytes()).unwrap()
}

/// Rules as workspaces write them: about one action each.
fn text_of(rules: u32) -> String {
    let mut text = String::from(
        "@id(\"ws.permit.all\") @why(\"the baseline applies\") permit (principal, action, resource);\n",
    );
    for at in 1..rules {
        writeln!(
            text,
            "@id(\"ws.require.r{at}\") @why(\"more than {at}.00 at risk needs two\")\n\
             forbid (principal is CF::User, action == CF::Action::\"repair.execute\", resource)\n\
             when {{ resource.at_risk.currency == \"eur\" && resource.at_risk.minor > {at}00 }}\n\
             unless {{ context.base.approvals.count >= 2 }};"
        )
        .unwrap();
    }
    text
}

fn layer_of(text: &str) -> Layer {
    let files = [("policies/all.cedar", text)];
    Layer::of(LayerName::Workspace, "sha256:00", 1, &files).unwrap()
}

/// The shortest of several times.
fn best(times: u32, mut act: impl FnMut()) -> Duration {
    let once = |_| {
        let began = Instant::now();
        act();
        began.elapsed()
    };
    (0..times).map(once).min().unwrap()
}
