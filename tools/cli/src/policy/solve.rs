//! What only a solver can say of rules: whether one of them may fail, whom they refuse always, and
//! whether they allow anything that other rules do not.
//!
//! Proofs come from cvc5 over Cedar's own translation (cedar-policy-symcc). Nothing is concluded from a
//! missing proof: without a solver, or where it gives up, a change counts as loosening.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use cedar_policy::{Authorizer, Effect, Policy, PolicyId, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::solver::{LocalSolver, Solver};
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env};
use counterfoil_policy::{Layer, LayerName, SCHEMA};

use super::folder::Folder;
use super::solved::{Loosened, Place, Report, Solved};
use super::votes::{Votes, lowered};

/// How long nothing is said about asking.
const QUIET: Duration = Duration::from_secs(2);

/// Types of principals that are no people.
const MACHINES: [&str; 3] = ["CF::ApiKey", "CF::Agent", "CF::Scheduler"];

/// Asks the solver about a folder's rules, and what they allow beyond those of another one.
pub(super) fn solve(folder: &Folder, against: Option<&Folder>) -> Result<Solved> {
    let Some(name) = installed() else {
        return Ok(Solved::NoSolver);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting")?;
    let rules = rules(folder)?;
    let earlier = against.map(rules_of_another).transpose()?;
    let schema = Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema);
    let schema = schema.map_err(|_| anyhow!("the schema cannot be read"))?;
    runtime.block_on(async {
        let solver = LocalSolver::cvc5().context("starting cvc5")?;
        let solver = CedarSymCompiler::new(solver).context("starting cvc5")?;
        let mut asked = Asked {
            schema: &schema,
            rules: &rules,
            earlier: earlier.as_ref(),
            solver,
            report: Report::new(name, earlier.is_some()),
        };
        // No rules of a workspace are asked about revoking, so nothing follows from what they say.
        let asks = |place: &RequestEnv| place.action().id().unescaped() != "policy.revoke";
        let places: Vec<_> = schema.request_envs().filter(asks).collect();
        let began = Instant::now();
        let mut quiet = true;
        for (done, place) in places.iter().enumerate() {
            if let Err(why) = asked.about(place).await {
                return Ok(Solved::GaveUp(format!("{why:#}")));
            }
            if quiet && began.elapsed() >= QUIET {
                quiet = false;
                let places = places.len();
                eprintln!(
                    "asking {} about {places} places: {} are answered",
                    asked.report.solver(),
                    done.saturating_add(1)
                );
            }
        }
        if let Some(against) = against {
            asked
                .report
                .lowers(lowered(&votes(against)?, &votes(folder)?));
        }
        Ok(Solved::Proved(asked.report))
    })
}

/// The solver's own name, where it runs.
fn installed() -> Option<String> {
    let path = std::env::var_os("CVC5").unwrap_or_else(|| "cvc5".into());
    let output = std::process::Command::new(path).arg("--version").output();
    let output = output.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `This is cvc5 version 1.0.3` or `cvc5 1.3.1`.
    let line = text.lines().next()?;
    let line = line.trim().trim_start_matches("This is ");
    Some(line.replace("version ", "").chars().take(40).collect())
}

/// Every rule under its own id.
fn rules(folder: &Folder) -> Result<PolicySet> {
    let mut set = PolicySet::new();
    for (path, text) in folder.policies() {
        let parsed = counterfoil_policy::policies(text).with_context(|| path.to_owned())?;
        for policy in parsed.policies() {
            let id = policy.annotation("id").unwrap_or_default();
            let named = policy.new_id(PolicyId::new(id));
            let twice = || format!("`{id}` is the id of two rules");
            set.add(named).with_context(twice)?;
        }
    }
    Ok(set)
}

fn rules_of_another(folder: &Folder) -> Result<PolicySet> {
    rules(folder).with_context(|| folder.at.display().to_string())
}

/// Who approves, by rule.
fn votes(folder: &Folder) -> Result<BTreeMap<String, Votes>> {
    let files = folder.policies();
    let layer = Layer::of(LayerName::Workspace, "", 0, &files);
    let layer = layer.with_context(|| folder.at.display().to_string())?;
    let mut votes = BTreeMap::new();
    for policy in rules_of_another(folder)?.policies() {
        let id = policy.id().to_string();
        let Some(rule) = layer.rules().get(&id) else {
            continue;
        };
        let mut body = policy.to_json().context("reading a rule")?;
        if let Some(body) = body.as_object_mut() {
            body.remove("annotations");
        }
        let (role, hold, body) = (rule.role, rule.hold, body.to_string());
        votes.insert(id, Votes { role, hold, body });
    }
    Ok(votes)
}

struct Asked<'a, S: Solver> {
    schema: &'a Schema,
    rules: &'a PolicySet,
    earlier: Option<&'a PolicySet>,
    solver: CedarSymCompiler<S>,
    report: Report,
}

impl<S: Solver> Asked<'_, S> {
    /// Who, which action, on what: each such place has questions of its own.
    async fn about(&mut self, env: &RequestEnv) -> Result<()> {
        let place = place(env);
        let doing = || format!("asking the solver about {place}");
        for policy in self.rules.policies() {
            let never = self.never_fails(policy, env).await;
            if !never.with_context(doing)? {
                self.report.may_fail(policy.id().to_string(), place.clone());
            }
        }
        let set = CompiledPolicySet::compile(self.rules, env, self.schema);
        let set = set.with_context(doing)?;
        let denied = self.solver.check_always_denies_opt(&set).await;
        if denied.with_context(doing)? {
            if MACHINES.contains(&place.principal.as_str()) {
                self.report.denies_machines(place.clone());
            } else if self.is_said(env).await.with_context(doing)? {
                self.report.forbids(place.clone());
            } else {
                let by = self.refusing(env).await.with_context(doing)?;
                self.report.denies(place.clone(), by);
            }
        }
        if let Some(earlier) = self.earlier {
            let before = CompiledPolicySet::compile(earlier, env, self.schema);
            let before = before.with_context(doing)?;
            let asked = self
                .solver
                .check_implies_with_counterexample_opt(&set, &before);
            if let Some(example) = asked.await.with_context(doing)? {
                let refused_by = refused_by(earlier, &example);
                self.report.loosens(Loosened { place, refused_by });
            }
        }
        Ok(())
    }

    /// Whether nothing but rules without a condition refuses always: their author said that in so many
    /// words. What conditions add up to, nobody may have seen.
    async fn is_said(&mut self, env: &RequestEnv) -> Result<bool, cedar_policy_symcc::err::Error> {
        let said = |it: &&Policy| it.effect() == Effect::Forbid && !it.has_non_scope_constraint();
        let others = self.rules.policies().filter(|it| !said(it)).cloned();
        let Ok(others) = PolicySet::from_policies(others) else {
            return Ok(false);
        };
        let set = CompiledPolicySet::compile(&others, env, self.schema)?;
        Ok(!self.solver.check_always_denies_opt(&set).await?)
    }

    /// The rules that refuse always there: each that does alone; where none does, each without which the
    /// others would not. Empty where nothing permits it.
    async fn refusing(
        &mut self,
        env: &RequestEnv,
    ) -> Result<Vec<String>, cedar_policy_symcc::err::Error> {
        let forbids = self.rules.policies();
        let forbids = forbids.filter(|it| it.effect() == Effect::Forbid);
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        for rule in forbids {
            let compiled = CompiledPolicy::compile(rule, env, self.schema)?;
            if self.solver.check_always_matches_opt(&compiled).await? {
                alone.push(rule.id().to_string());
                continue;
            }
            let others = self.rules.policies().filter(|it| it.id() != rule.id());
            let Ok(others) = PolicySet::from_policies(others.cloned()) else {
                continue;
            };
            let set = CompiledPolicySet::compile(&others, env, self.schema)?;
            if !self.solver.check_always_denies_opt(&set).await? {
                together.push(rule.id().to_string());
            }
        }
        let mut by = if alone.is_empty() { together } else { alone };
        by.sort_unstable();
        Ok(by)
    }

    async fn never_fails(
        &mut self,
        policy: &Policy,
        env: &RequestEnv,
    ) -> Result<bool, cedar_policy_symcc::err::Error> {
        let compiled = CompiledPolicy::compile(policy, env, self.schema)?;
        self.solver.check_never_errors_opt(&compiled).await
    }
}

fn place(env: &RequestEnv) -> Place {
    let action = env.action().id().unescaped().to_owned();
    Place {
        principal: env.principal().to_string(),
        action,
        resource: env.resource().to_string(),
    }
}

/// The rules that refuse the solver's example, sorted; empty where nothing permits it.
fn refused_by(rules: &PolicySet, example: &Env) -> Vec<String> {
    let answer = Authorizer::new().is_authorized(&example.request, rules, &example.entities);
    let mut ids: Vec<String> = answer
        .diagnostics()
        .reason()
        .map(PolicyId::to_string)
        .collect();
    ids.sort_unstable();
    ids
}
