//! The rules in force for one workspace: the product's baseline, and the workspace's own bundle.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use counterfoil_evidence::hash::digest_string;
use counterfoil_policy::{
    Failure, Layer, LayerName, Layers, Outcome, Phase, Request, RequestError, TEMPLATES, Verdict,
    baseline, baseline_digest, baseline_files, judge,
};

use super::asking::{Asking, approver_role, fresh_within};
use super::judgement::{Considered, Judgement, Shadow};
use super::question::Question;
use super::request::stored;
use crate::bundles;
use crate::ids::WorkspaceId;
use crate::ports::{Clock, PortError, State};

/// The rules in force for one workspace, as they were read for one request.
#[derive(Debug, Clone)]
pub struct Rules {
    digest: String,
    workspace: Result<Arc<Layer>, Failure>,
    /// A candidate that is judged beside the active bundle and changes nothing.
    shadow: Option<Arc<Layer>>,
}

impl Rules {
    /// Reads which bundle is active for a workspace. Where there is none, every workspace starts with
    /// one that permits everything which the baseline permits.
    ///
    /// # Errors
    /// When the state could not be read: then nothing is judged, and nothing happens.
    pub async fn load(state: &dyn State, workspace: WorkspaceId) -> Result<Self, PortError> {
        let loaded = Box::pin(bundles::load(state, workspace)).await?;
        let shadow = loaded.shadow;
        Ok(match loaded.active {
            Some(active) => Self {
                digest: active.digest,
                workspace: active.layer,
                shadow,
            },
            None => Self {
                shadow,
                ..Self::standard()
            },
        })
    }

    /// The rules of a workspace without a bundle of its own.
    pub fn standard() -> Self {
        Self::of(default_bundle_digest(), default_bundle(), None)
    }

    /// Rules with the layer of a workspace, or with what is wrong with the bundle of that digest.
    pub const fn of(
        digest: String,
        workspace: Result<Arc<Layer>, Failure>,
        shadow: Option<Arc<Layer>>,
    ) -> Self {
        Self {
            digest,
            workspace,
            shadow,
        }
    }

    /// Judges. `clock` tells how long it took: what takes too long is denied.
    pub fn judge(&self, question: &Question, asking: &Asking<'_>, clock: &dyn Clock) -> Judgement {
        let phase = phase(asking);
        let stored = stored(question, asking);
        let request = Request::read(stored.clone());
        let (verdict, took) = self.within_budget(&request, phase, clock);
        let fresh_within_s = self.sign_in_again(&verdict, question, asking);
        let considered = Considered {
            phase,
            action: question.action(),
            request: stored,
            baseline: baseline_digest().to_owned(),
            policy: self.digest.clone(),
            layers: verdict.layers,
            role: approver_role(verdict.role),
            hold: verdict.hold,
            shadow: self.in_shadow(&request, phase),
            broken: None,
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        };
        Judgement {
            effect: verdict.effect,
            approvals: verdict.approvals,
            rule: verdict.rule,
            reason: verdict.reason,
            fresh_within_s,
            considered: Box::new(considered),
        }
    }

    /// A process that was not let run for a moment is no slow policy: it takes three attempts, each
    /// over the budget, to be denied for that.
    fn within_budget(
        &self,
        request: &Result<Request, RequestError>,
        phase: Phase,
        clock: &dyn Clock,
    ) -> (Verdict, Duration) {
        let once = || {
            let began = clock.now();
            let elapsed = || clock.now().since(began);
            let verdict = judge(self.layers(), request, phase, &elapsed);
            (verdict, elapsed())
        };
        let slow =
            |(verdict, _): &(Verdict, Duration)| verdict.rule == Failure::EngineBudget.rule();
        let first = once();
        if !slow(&first) {
            return first;
        }
        let second = once();
        if slow(&second) { once() } else { second }
    }

    /// What the candidate would have said. Its errors are its own.
    fn in_shadow(&self, request: &Result<Request, RequestError>, phase: Phase) -> Option<Shadow> {
        let candidate = self.shadow.as_ref()?;
        let layers = Layers {
            baseline: baseline(),
            workspace: Ok(candidate.as_ref()),
        };
        let outcome = Outcome::of(&judge(layers, request, phase, &|| Duration::ZERO));
        Some(Shadow {
            bundle: candidate.digest().to_owned(),
            effect: outcome.effect,
            approvals: outcome.approvals,
            rules: outcome.rules,
        })
    }

    /// Judges a question that was stored.
    pub fn judge_stored(&self, request: counterfoil_evidence::json::Json, phase: Phase) -> Verdict {
        let request = Request::read(request);
        judge(self.layers(), &request, phase, &|| Duration::ZERO)
    }

    /// The digest of the workspace's bundle, also where it could not be loaded; [`NO_BUNDLE`] where
    /// there is none.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn layers(&self) -> Layers<'_> {
        Layers {
            baseline: baseline(),
            workspace: self.workspace.as_deref().map_err(|failure| *failure),
        }
    }

    /// Whether a fresh sign-in, and nothing else, would lift a DENY; whoever may never do it is not
    /// sent to sign in again.
    fn sign_in_again(
        &self,
        verdict: &Verdict,
        question: &Question,
        asking: &Asking<'_>,
    ) -> Option<u32> {
        let within = fresh_within(&verdict.rule)?;
        let serving = asking.serving.signed_in_at(asking.at)?;
        let fresh = Asking {
            proposer: if std::ptr::eq(asking.proposer, asking.serving) {
                &serving
            } else {
                asking.proposer
            },
            serving: &serving,
            ..asking.clone()
        };
        let again = self.judge_stored(stored(question, &fresh), phase(asking));
        (!again.denied())
            .then(|| u32::try_from(within.as_secs()).ok())
            .flatten()
    }
}

/// What a record names as the digest where a workspace has no bundle at all.
pub const NO_BUNDLE: &str = concat!(
    "sha256:",
    "0000000000000000000000000000000000000000000000000000000000000000"
);

const fn phase(asking: &Asking<'_>) -> Phase {
    match asking.approvals {
        None => Phase::Propose,
        Some(_) => Phase::Execute,
    }
}

/// The digest of the bundle that every workspace starts with.
pub fn default_bundle_digest() -> String {
    digest_string(standard_text().as_bytes())
}

/// The rules that every workspace starts with.
fn standard_text() -> &'static str {
    let standard = TEMPLATES.iter().find(|it| it.name == "default");
    standard.map_or("", |it| it.policies)
}

/// A bundle that is built into this binary: its digest, and its files as `(path, text)`.
pub type BuiltIn = (String, Vec<(&'static str, &'static str)>);

/// The baseline, and the bundle that every workspace starts with. The digest of either is that of its
/// files' texts, one after the other.
pub fn builtin_bundles() -> Vec<BuiltIn> {
    let standard = vec![("policies/default.cedar", standard_text())];
    vec![
        (baseline_digest().to_owned(), baseline_files().collect()),
        (default_bundle_digest(), standard),
    ]
}

/// The bundle that every workspace starts with, parsed once per process.
pub(crate) fn default_bundle() -> Result<Arc<Layer>, Failure> {
    static PARSED: OnceLock<Option<Arc<Layer>>> = OnceLock::new();
    let parse = || {
        let files = [("policies/default.cedar", standard_text())];
        Layer::of(LayerName::Workspace, default_bundle_digest(), 0, &files)
            .ok()
            .map(Arc::new)
    };
    PARSED
        .get_or_init(parse)
        .clone()
        .ok_or(Failure::BundleUnverified)
}
