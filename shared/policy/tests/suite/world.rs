//! The scenarios of the baseline, and a workspace's layer that asks for more than it.

use std::time::Duration;

use counterfoil_evidence::json::Json;
use counterfoil_policy::check::scenario::{self, Scenario};
use counterfoil_policy::{
    Layer, LayerName, Layers, Phase, Request, RequestError, Verdict, baseline, judge,
};
use serde_json::Value;

pub(crate) use counterfoil_policy::check::scenario::said;

const SCENARIOS: &str = include_str!("../../rules/baseline/tests/scenarios.json");
const WORKSPACE: &str = include_str!("workspace.cedar");

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenario::read(SCENARIOS).unwrap()
}

/// The scenario of that name.
pub(crate) fn scenario(name: &str) -> Scenario {
    let found = scenarios()
        .into_iter()
        .find(|scenario| scenario.name == name);
    found.unwrap_or_else(|| panic!("no scenario `{name}`"))
}

pub(crate) fn workspace() -> Layer {
    workspace_of(WORKSPACE)
}

pub(crate) fn workspace_of(text: &str) -> Layer {
    let files = [("policies/all.cedar", text)];
    Layer::of(LayerName::Workspace, "sha256:00", 1, &files).unwrap()
}

pub(crate) fn read(question: &Value) -> Result<Request, RequestError> {
    Request::read(Json::parse_document(question.to_string().as_bytes()).unwrap())
}

/// What the baseline and a layer of a workspace answer.
pub(crate) fn ask(scenario: &Scenario, workspace: &Layer) -> Verdict {
    let layers = Layers {
        baseline: baseline(),
        workspace: Ok(workspace),
    };
    scenario.ask(layers).unwrap()
}

/// What they answer to a question in the stored form.
pub(crate) fn ask_question(question: &Value, workspace: &Layer) -> Verdict {
    let layers = Layers {
        baseline: baseline(),
        workspace: Ok(workspace),
    };
    judge(layers, &read(question), Phase::Propose, &|| Duration::ZERO)
}
