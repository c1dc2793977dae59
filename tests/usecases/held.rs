//! Changes that wait for further people: what stands in the record, who says no, what binds, and how many
//! people rules may ask for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::governed_run::Registered;
use counterfoil_core::held_change::HeldChange;
use counterfoil_core::policy::{APPROVER_ROLE, Effect};
use counterfoil_core::ports::{Clock, State as _, StateWrite, StoredEntry, StoredPart};
use counterfoil_core::records::Directory;
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::{
    AdminError, AdminPorts, FlowChange, HeldChanges, KeepRetention, RetentionChange,
    RetentionError, RunError,
};

use crate::erasure::bench::Bench;
use crate::erasure::faults::{Plan, faulty};
use crate::repairs::meanwhile::{before, demoted, writing};

const WHY: &str = "the auditors need the longer window";

impl Bench {
    fn changes(&self) -> HeldChanges {
        HeldChanges {
            ports: AdminPorts {
                evidence: self.world.store.clone(),
                state: self.world.store.clone(),
                clock: Arc::new(self.world.clock.clone()),
                random: self.random.clone(),
            },
        }
    }

    async fn waiting(&self, ctx: &TenantCtx) -> Vec<HeldChange> {
        let found = self.changes().list(ctx).await.unwrap().into_iter();
        found.map(|it| it.value).collect()
    }

    /// Proposes to keep snapshots for 40 days.
    async fn shorter(&self) -> HeldChange {
        let held = self.retention().change(&self.admin, 40, Some(WHY), 0).await;
        assert!(matches!(held, Ok(RetentionChange::Held(_))), "{held:?}");
        self.waiting(&self.admin).await.remove(0)
    }

    async fn keep(&self, ctx: &TenantCtx, days: u64) -> bool {
        let retention = self.retention();
        let version = retention.read(ctx).await.unwrap().version;
        let kept = retention.change(ctx, days, None, version).await.unwrap();
        matches!(kept, RetentionChange::Done(_))
    }

    async fn days(&self) -> u64 {
        let kept = self.retention().read(&self.viewer).await.unwrap();
        kept.value.snapshot_days
    }

    fn own_stream(&self) -> Hash {
        self.world.workspace.stream.parse().unwrap()
    }

    /// Kinds and facts of the workspace's own stream.
    fn told(&self) -> Vec<(String, Json)> {
        let entries = self.world.store.stream(self.own_stream());
        entries.iter().map(told).collect()
    }

    fn last(&self, kind: &str) -> Json {
        let told = self.told().into_iter().rev();
        let mut of_kind = told.filter(|(it, _)| it == kind);
        of_kind.next().unwrap().1
    }

    fn count(&self, kind: &str) -> usize {
        self.told().iter().filter(|(it, _)| it == kind).count()
    }

    async fn accepted(&self) {
        for stream in [self.own_stream(), self.world.stream()] {
            let verdict = self.verdict_of(stream).await;
            assert!(verdict.is_accepted(), "{:?}", verdict.result);
        }
    }
}

fn told(entry: &StoredEntry) -> (String, Json) {
    let header = Json::parse(&entry.header).unwrap();
    let kind = header.get("kind").and_then(Json::as_str).unwrap();
    let Some(StoredPart::Present { bytes, .. }) = &entry.facts else {
        panic!("entry {} has no facts", entry.seq);
    };
    (kind.to_owned(), Json::parse(bytes).unwrap())
}

fn text<'a>(facts: &'a Json, name: &str) -> Option<&'a str> {
    facts.get(name).and_then(Json::as_str)
}

fn harmless(kind: &str) -> BTreeMap<String, Registered> {
    let registered = Registered { destructive: false };
    BTreeMap::from([(kind.to_owned(), registered)])
}

const TWO: &str = "@id(\"ws.require.two\") @why(\"two others agree\") @role(\"admin\") @hold(\"24h\")\n\
    forbid (principal, action == CF::Action::\"settings.change\", resource)\n\
    when { context.setting.loosening } unless { context.base.approvals.count >= 2 };";

#[tokio::test]
async fn the_decision_says_what_is_held_until_when_and_what_it_is() {
    let bench = Bench::new().await;
    let held = bench.shorter().await;
    let decision = bench.last("run.decision");
    assert_eq!(text(&decision, "effect"), Some("REQUIRE"));
    assert_eq!(text(&decision, "act"), Some(held.id.to_string().as_str()));
    assert_eq!(text(&decision, "action_hash"), Some(held.digest.as_str()));
    let until = Json::uint(held.expires_at.as_millis());
    let hold = decision.get("hold").unwrap();
    assert_eq!(hold.get("expires_at"), Some(&until));
    assert_eq!(text(hold, "role"), Some("admin"));
    let value = decision.get("change").unwrap().get("value").unwrap();
    assert_eq!(value.get("snapshot_days"), Some(&Json::uint(40)));
    assert_eq!(value.get("instead_of"), Some(&Json::uint(90)));
    assert_eq!(held.reason.as_deref(), Some(WHY));
    let words = bench.world.store.stream(bench.own_stream());
    let subject = words.iter().rev().find_map(|it| match &it.subject {
        Some(StoredPart::Present { bytes, .. }) => Some(String::from_utf8(bytes.clone()).unwrap()),
        _ => None,
    });
    assert!(subject.unwrap().contains(WHY), "words can be erased");
    let facts = bench
        .told()
        .iter()
        .map(|it| format!("{:?}", it.1))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(!facts.contains(WHY));
    assert!(bench.keep(&bench.owner, 40).await);
    assert!(bench.waiting(&bench.owner).await.is_empty());
    let carried = bench.last("run.decision");
    assert_eq!(text(&carried, "action_hash"), Some(held.digest.as_str()));
    bench.accepted().await;
}

#[tokio::test]
async fn whoever_could_agree_rejects_and_whoever_proposed_it_withdraws() {
    for withdrawn in [false, true] {
        let bench = Bench::new().await;
        let held = bench.shorter().await;
        let who = if withdrawn {
            &bench.admin
        } else {
            &bench.owner
        };
        let id = held.id.to_string();
        let ended = bench.changes().reject(who, &id, WHY).await.unwrap();
        assert_eq!(ended, held);
        assert!(bench.waiting(who).await.is_empty());
        let kinds: Vec<String> = bench.told().into_iter().map(|it| it.0).collect();
        let last = &kinds[kinds.len() - 3..];
        assert_eq!(last, ["run.open", "run.resolution", "run.close"]);
        let said = bench.last("run.resolution");
        assert_eq!(text(&said, "effect"), Some("DENY"));
        assert_eq!(text(&said, "approver"), Some(who.principal().id().as_str()));
        let judged = said.get("judged").unwrap();
        assert_eq!(text(judged, "action"), Some("approval.reject"));
        // What another person sends now is their own proposal.
        assert!(!bench.keep(&bench.owner, 40).await);
        assert_eq!(
            bench.waiting(who).await[0].by,
            bench.owner.principal().person().unwrap()
        );
        assert_eq!(bench.days().await, 90);
        bench.accepted().await;
    }
}

#[tokio::test]
async fn a_no_takes_a_reason_and_the_role_and_what_is_out_of_reach_is_absent() {
    let bench = Bench::new().await;
    let held = bench.shorter().await;
    let (changes, id) = (bench.changes(), held.id.to_string());
    let short = changes.reject(&bench.owner, &id, "no").await;
    assert!(matches!(short, Err(AdminError::Denied { .. })), "{short:?}");
    for ctx in [&bench.viewer, &bench.auditor] {
        let refused = changes.reject(ctx, &id, WHY).await;
        assert!(
            matches!(&refused, Err(AdminError::Denied { judgement, decision }) if judgement.effect == Effect::Deny && decision.is_some()),
            "{refused:?}"
        );
    }
    // Keys do not learn what waits in the workspace, whoever they speak for.
    let spoken_for = changes.reject(&bench.world.ben, &id, WHY).await;
    assert!(
        matches!(spoken_for, Err(AdminError::NotFound)),
        "{spoken_for:?}"
    );
    assert!(bench.waiting(&bench.world.ben).await.is_empty());
    assert!(bench.waiting(&bench.world.repair_key).await.is_empty());
    let other = Bench::new().await;
    let foreign = other.changes().reject(&other.owner, &id, WHY).await;
    let absent = changes.reject(&bench.owner, "act_01KARX6M000000000000000005", WHY);
    let (absent, key) = (
        absent.await,
        changes.reject(&bench.world.repair_key, &id, WHY).await,
    );
    for refused in [foreign, absent, key] {
        assert!(matches!(refused, Err(AdminError::NotFound)), "{refused:?}");
    }
    assert_eq!(bench.waiting(&bench.owner).await, [held]);
}

#[tokio::test]
async fn another_value_is_a_proposal_of_its_own_and_takes_the_place_of_the_first() {
    let bench = Bench::new().await;
    let first = bench.shorter().await;
    assert!(!bench.keep(&bench.owner, 50).await);
    let second = bench.waiting(&bench.owner).await.remove(0);
    assert_ne!((first.id, &first.digest), (second.id, &second.digest));
    let gone = bench
        .changes()
        .reject(&bench.owner, &first.id.to_string(), WHY)
        .await;
    assert!(matches!(gone, Err(AdminError::NotFound)), "{gone:?}");
    // The first value once more is a proposal again.
    assert!(!bench.keep(&bench.admin, 40).await);
    assert!(bench.keep(&bench.owner, 40).await);
    assert_eq!(bench.days().await, 40);
    bench.accepted().await;
}

#[tokio::test]
async fn a_rule_that_asks_for_two_approvals_is_met_by_two_further_people() {
    let bench = Bench::new().await;
    bench.world.under(TWO).await;
    let held = bench.shorter().await;
    assert_eq!(held.needed, 2);
    let day = Duration::from_hours(24);
    assert_eq!(
        held.expires_at,
        bench.world.clock.now().plus(day),
        "a rule's own time"
    );
    assert!(!bench.keep(&bench.owner, 40).await);
    assert!(!bench.keep(&bench.owner, 40).await, "one person is not two");
    assert!(!bench.keep(&bench.admin, 40).await);
    let said = bench.count("run.resolution");
    assert_eq!(said, 1, "an approval is recorded once");
    let waiting = bench.waiting(&bench.owner).await.remove(0);
    assert_eq!((waiting.given.len(), waiting.id), (1, held.id));
    assert!(bench.keep(&bench.second, 40).await);
    assert_eq!(bench.days().await, 40);
    assert_eq!(bench.count("run.resolution"), 2);
    let carried = bench.last("run.decision");
    let given = carried.get("request").unwrap().get("context").unwrap();
    let given = given.get("base").unwrap().get("approvals").unwrap();
    assert_eq!(given.get("count"), Some(&Json::uint(2)));
    bench.accepted().await;
}

/// The list names those who are still needed no more.
#[tokio::test]
async fn who_agreed_and_lost_the_role_is_not_listed_among_those_who_did() {
    let bench = Bench::new().await;
    bench.world.under(TWO).await;
    bench.shorter().await;
    assert!(!bench.keep(&bench.owner, 40).await);
    let listed = bench.waiting(&bench.second).await.remove(0).given;
    assert_eq!(listed.len(), 1);
    let write = demoted(&bench.world.store, &bench.owner).await;
    bench.world.store.write(vec![write]).await.unwrap();
    let listed = bench.waiting(&bench.second).await.remove(0).given;
    assert!(listed.is_empty(), "{listed:?}");
    assert!(!bench.keep(&bench.second, 40).await, "one is not two");
    let listed = bench.waiting(&bench.second).await.remove(0).given;
    assert_eq!(listed.len(), 1, "{listed:?}");
    bench.accepted().await;
}

#[tokio::test]
async fn what_one_of_two_agreed_to_is_rejected_all_the_same() {
    let bench = Bench::new().await;
    bench.world.under(TWO).await;
    let held = bench.shorter().await;
    assert!(!bench.keep(&bench.owner, 40).await);
    let id = held.id.to_string();
    let ended = bench.changes().reject(&bench.second, &id, WHY).await;
    assert_eq!(ended.unwrap().given.len(), 1);
    assert!(!bench.keep(&bench.second, 40).await);
    assert_eq!(bench.days().await, 90);
    bench.accepted().await;
}

#[tokio::test]
async fn what_waits_in_a_project_and_in_its_workspace_is_one_list_soonest_end_first() {
    let bench = Bench::new().await;
    let runs = bench.world.governed();
    let flow = runs.register(&bench.admin, "mails", harmless("mail.send"), None, 0);
    assert!(matches!(flow.await, Ok(FlowChange::Held(_))));
    bench.world.clock.advance(Duration::from_hours(1));
    bench.shorter_after().await;
    let names = async |ctx| {
        let found: Vec<String> = bench
            .waiting(ctx)
            .await
            .into_iter()
            .map(|it| it.name)
            .collect();
        found
    };
    assert_eq!(names(&bench.viewer).await, ["flow/mails", "retention"]);
    assert_eq!(names(&bench.world.repair_key).await, ["flow/mails"]);
    // An owner whom an approver key speaks for changes nothing with it, and stops nothing either.
    assert_eq!(names(&bench.world.ben).await, ["flow/mails"]);
    let id = bench.waiting(&bench.world.ben).await[0].id.to_string();
    let spoken_for = bench.changes().reject(&bench.world.ben, &id, WHY).await;
    assert!(
        matches!(&spoken_for, Err(AdminError::Denied { judgement, .. }) if judgement.rule == APPROVER_ROLE),
        "{spoken_for:?}"
    );
    let refused = bench.world.facts("run.decision").pop().unwrap();
    assert_eq!(
        refused.get("rule").and_then(Json::as_str),
        Some(APPROVER_ROLE)
    );
    bench.world.clock.advance(Duration::from_hours(71));
    assert_eq!(names(&bench.viewer).await, ["retention"]);
}

impl Bench {
    async fn shorter_after(&self) {
        assert!(!self.keep(&self.admin, 40).await);
    }

    fn failing(&self, happens: bool) -> (KeepRetention, HeldChanges) {
        let plan = Plan::new(0, happens);
        let mut retention = self.retention();
        retention.evidence = faulty(retention.evidence, &plan);
        let mut changes = self.changes();
        changes.ports.evidence = faulty(changes.ports.evidence, &Plan::new(0, happens));
        (retention, changes)
    }
}

#[tokio::test]
async fn a_lost_answer_proposes_agrees_carries_out_and_rejects_once() {
    for happens in [false, true] {
        let bench = Bench::new().await;
        bench.world.under(TWO).await;
        let people = [&bench.admin, &bench.owner, &bench.second];
        for (step, ctx) in people.into_iter().enumerate() {
            let lost = bench.failing(happens).0.change(ctx, 40, None, 0).await;
            assert!(lost.is_err(), "{step}: {lost:?}");
            let done = step == 2;
            let again = bench.retention().change(ctx, 40, None, 0).await;
            // What is in force has another version.
            assert_eq!(again.is_err(), done && happens, "{step}: {again:?}");
            assert_eq!(bench.count("run.resolution"), step);
        }
        assert_eq!(bench.days().await, 40);
        assert_eq!(
            bench.count("run.decision"),
            2,
            "proposed once, carried out once"
        );
        bench.accepted().await;
    }
    for happens in [false, true] {
        let bench = Bench::new().await;
        let id = bench.shorter().await.id.to_string();
        let lost = bench
            .failing(happens)
            .1
            .reject(&bench.owner, &id, WHY)
            .await;
        assert!(matches!(lost, Err(AdminError::Evidence(_))), "{lost:?}");
        let again = bench.changes().reject(&bench.owner, &id, WHY).await;
        assert_eq!(again.is_ok(), !happens, "{again:?}");
        assert_eq!(bench.count("run.resolution"), 1);
        assert!(bench.waiting(&bench.owner).await.is_empty());
    }
}

/// Whoever may not change it learns that, and not that it has changed.
#[tokio::test]
async fn rights_come_before_the_version_and_their_refusal_is_recorded() {
    let bench = Bench::new().await;
    let runs = bench.world.governed();
    let refused = runs
        .register(&bench.viewer, "mails", harmless("mail.send"), None, 7)
        .await;
    assert!(matches!(refused, Err(RunError::Denied(_))), "{refused:?}");
    let before = bench.count("run.decision");
    let refused = bench.retention().change(&bench.viewer, 40, None, 7).await;
    assert!(
        matches!(refused, Err(RetentionError::Denied(_))),
        "{refused:?}"
    );
    assert_eq!(bench.count("run.decision"), before + 1);
    let stale = bench.retention().change(&bench.admin, 40, None, 7).await;
    assert!(matches!(stale, Err(RetentionError::Changed)), "{stale:?}");
    assert!(bench.waiting(&bench.admin).await.is_empty());
}

#[tokio::test]
async fn the_version_that_somebody_saw_counts_for_what_they_confirm() {
    let bench = Bench::new().await;
    let (runs, wanted) = (bench.world.governed(), harmless("mail.send"));
    let held = runs
        .register(&bench.admin, "mails", wanted.clone(), None, 0)
        .await;
    assert!(matches!(held, Ok(FlowChange::Held(_))), "{held:?}");
    // Another registration comes into force meanwhile: what was proposed was a change from the first.
    let none = runs
        .register(&bench.admin, "mails", BTreeMap::new(), None, 0)
        .await;
    assert!(matches!(none, Ok(FlowChange::Done(_))), "{none:?}");
    assert!(bench.waiting(&bench.owner).await.is_empty());
    let stale = runs
        .register(&bench.owner, "mails", wanted.clone(), None, 0)
        .await;
    assert!(matches!(stale, Err(RunError::Changed)), "{stale:?}");
    let anew = runs.register(&bench.owner, "mails", wanted, None, 1).await;
    assert!(matches!(anew, Ok(FlowChange::Held(_))), "{anew:?}");
}

/// What rules ask for by the time that people agree counts, where it is more than it was.
#[tokio::test]
async fn rules_that_ask_for_more_people_since_the_proposal_are_heard() {
    let bench = Bench::new().await;
    let held = bench.shorter().await;
    assert_eq!(held.needed, 1);
    bench.world.under(TWO).await;
    assert!(!bench.keep(&bench.owner, 40).await, "one of two by now");
    assert_eq!(bench.waiting(&bench.owner).await[0].given.len(), 1);
    assert!(bench.keep(&bench.second, 40).await);
    bench.accepted().await;
}

#[tokio::test]
async fn rules_that_ask_for_a_higher_role_since_the_proposal_are_heard() {
    let bench = Bench::new().await;
    bench.world.join("Dora", Role::Admin).await;
    let dora = bench.world.sign_in("Dora").await;
    bench.shorter().await;
    let owners = TWO
        .replace("@role(\"admin\")", "@role(\"owner\")")
        .replace(">= 2", ">= 1");
    bench.world.under(&owners).await;
    let lower = bench.retention().change(&dora, 40, None, 0).await;
    assert!(lower.is_err(), "{lower:?}");
    assert_eq!(bench.days().await, 90);
    assert!(bench.keep(&bench.owner, 40).await);
    bench.accepted().await;
}

/// A rule's own time is shorter than that of a proposal: what was agreed to after it is proposed anew.
#[tokio::test]
async fn what_waited_longer_than_the_rule_allows_is_a_proposal_of_whoever_agrees() {
    let bench = Bench::new().await;
    bench.world.under(TWO).await;
    let held = bench.shorter().await;
    assert!(!bench.keep(&bench.owner, 40).await);
    bench.world.clock.advance(Duration::from_hours(24));
    let second = bench.fresh(&bench.second).await;
    assert!(!bench.keep(&second, 40).await);
    let anew = bench.waiting(&second).await.remove(0);
    assert_ne!(anew.id, held.id);
    assert_eq!(Some(anew.by), second.principal().person());
    assert!(anew.given.is_empty());
    assert_eq!(bench.days().await, 90);
    bench.accepted().await;
}

/// docs/workspaces.md: a proposal counts while whoever made it might still make it.
#[tokio::test]
async fn what_somebody_proposed_who_may_not_any_more_is_a_proposal_of_whoever_agrees() {
    let bench = Bench::new().await;
    let held = bench.shorter().await;
    let write = demoted(&bench.world.store, &bench.admin).await;
    bench.world.store.write(vec![write]).await.unwrap();
    assert!(!bench.keep(&bench.owner, 40).await);
    let anew = bench.waiting(&bench.owner).await.remove(0);
    assert_ne!(anew.id, held.id);
    assert_eq!(Some(anew.by), bench.owner.principal().person());
    assert_eq!(bench.days().await, 90);
    bench.accepted().await;
}

/// Whoever agreed first is asked for their role once more in the transaction that carries it out.
#[tokio::test]
async fn who_loses_the_role_while_the_last_one_agrees_has_agreed_to_nothing() {
    let bench = Bench::new().await;
    bench.world.under(TWO).await;
    bench.shorter().await;
    assert!(!bench.keep(&bench.owner, 40).await);
    let writes = vec![demoted(&bench.world.store, &bench.owner).await];
    let mut retention = bench.retention();
    let meanwhile = writing(&bench.world, writes);
    retention.evidence = before(&bench.world, Kind::RunDecision, meanwhile);
    let refused = retention.change(&bench.second, 40, None, 0).await;
    assert!(
        matches!(refused, Err(RetentionError::Changed)),
        "{refused:?}"
    );
    assert!(!bench.keep(&bench.second, 40).await, "one of two");
    assert_eq!(bench.days().await, 90);
    bench.accepted().await;
}

/// The only person of a workspace is not several.
#[tokio::test]
async fn whoever_is_alone_is_not_the_two_people_that_a_rule_asks_for() {
    let bench = Bench::new().await;
    let two = TWO.replace(" @hold(\"24h\")", "");
    bench.world.under(&two).await;
    bench.world.clock.advance(Duration::from_hours(24 * 8));
    for other in [
        &bench.owner,
        &bench.second,
        &bench.auditor,
        &bench.viewer,
        &bench.world.ann,
    ] {
        let person = other.principal().person().unwrap();
        let key = Directory::member_key(other.workspace(), person);
        let write = StateWrite::delete(key);
        assert!(bench.world.store.write(vec![write]).await.unwrap());
    }
    let admin = bench.fresh(&bench.admin).await;
    assert!(!bench.keep(&admin, 40).await);
    bench.world.clock.advance(Duration::from_hours(25));
    let admin = bench.fresh(&bench.admin).await;
    assert!(!bench.keep(&admin, 40).await);
    assert_eq!(bench.count("run.resolution"), 0);
    assert!(bench.waiting(&admin).await[0].given.is_empty());
    assert_eq!(bench.days().await, 90);
}
