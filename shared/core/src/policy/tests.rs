use std::time::Duration;

use super::*;
use crate::ids::{KeyId, ProjectId, RunId, UserId, WorkspaceId};
use crate::money::Money;
use crate::ports::Clock;
use crate::tenancy::{Capability, Principal, Role, Via};
use crate::time::Timestamp;

/// A clock that goes on by `step` with each look.
struct Slow {
    at: std::sync::Mutex<Timestamp>,
    step: Duration,
}

impl Clock for Slow {
    fn now(&self) -> Timestamp {
        let mut at = self.at.lock().unwrap();
        *at = at.plus(self.step);
        *at
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

fn clock(step: Duration) -> Slow {
    Slow {
        at: std::sync::Mutex::new(NOW),
        step,
    }
}

fn person(role: Role, signed_in: Duration) -> Principal {
    Principal::User {
        id: UserId::from_bits(7),
        role,
        via: Via::Login {
            at: Timestamp::from_millis(
                NOW.as_millis() - u64::try_from(signed_in.as_millis()).unwrap(),
            ),
            second_factor: true,
        },
    }
}

fn place() -> Place {
    Place {
        workspace: WorkspaceId::from_bits(1),
        project: Some(ProjectId::from_bits(2)),
        live: Some(true),
        frozen: false,
        repairs_enabled: true,
        legal_hold: false,
    }
}

fn incident() -> IncidentFacts {
    IncidentFacts {
        id: "inc_1".to_owned(),
        kind: "paid_no_access",
        at_risk: Some(Money::new(4_900, "usd")),
        age_s: 60,
        customer: "h".repeat(64),
        legal_hold: false,
    }
}

fn repair() -> RepairFacts {
    RepairFacts {
        incident: incident(),
        change: ChangeFacts {
            table: "public.users".to_owned(),
            column: "plan".to_owned(),
            key_column: "id".to_owned(),
            value_kind: "plan",
            from: "free".to_owned(),
            to: "pro".to_owned(),
            direction: "grant",
            rows: 1,
            allowlisted: true,
        },
        standing: StandingFacts {
            mapped: true,
            identity: "metadata",
            promise_known: true,
            backing: "subscription",
            other_live_subscription: false,
            confirmed: true,
            livemode_matches: true,
            kept: false,
        },
        blast: BlastFacts {
            run_max: 50,
            hour_max: 50,
            day_max: 200,
            drift_permille_max: 50,
            ..BlastFacts::default()
        },
    }
}

#[track_caller]
fn check(question: &Question, asking: &Asking<'_>, effect: Effect, rule: &str) -> Judgement {
    let judgement = Rules::standard().judge(question, asking, &clock(Duration::ZERO));
    assert_eq!(
        (judgement.effect, judgement.rule.as_str()),
        (effect, rule),
        "{}",
        String::from_utf8_lossy(&judgement.considered.request.canonical())
    );
    judgement
}

fn every_question() -> Vec<Question> {
    let held = HeldFacts {
        id: "act_1".to_owned(),
        kind: "repair.execute".to_owned(),
        effect: "REQUIRE",
        machine: true,
        proposers: vec![UserId::from_bits(9)],
        owners: vec![UserId::from_bits(8), UserId::from_bits(8)],
        approvers: Vec::new(),
    };
    let evidence = EvidenceFacts {
        id: "run_1".to_owned(),
        extent: "run",
        entries: 3,
        legal_hold: false,
    };
    let bundle = BundleFacts {
        digest: "sha256:00".to_owned(),
        version: 3,
        loosening: true,
        signed_by: "00".to_owned(),
    };
    let vote = |approves| {
        Question::Vote(VoteFacts {
            approves,
            on: held.clone(),
            reason_chars: 20,
            digest_matches: true,
        })
    };
    vec![
        Question::Repair(Box::new(repair())),
        Question::RunAction(RunActionFacts {
            id: "act_1".to_owned(),
            kind: "invoice.send".to_owned(),
            registered: true,
            destructive: false,
            amount: Some(Money::new(1, "eur")),
            target: Some("inv-7".to_owned()),
            blast: BlastFacts::default(),
        }),
        Question::Ignore {
            incident: incident(),
            reason_chars: 10,
            lasts_s: 60,
        },
        Question::Reopen(incident()),
        Question::ResetBreaker,
        vote(true),
        vote(false),
        Question::Override(OverrideFacts {
            on: held.clone(),
            reason_chars: 20,
            ticket: true,
            last_30d: 0,
            overdue_reviews: 0,
        }),
        Question::Review {
            on: held,
            own: false,
            reason_chars: 10,
        },
        Question::ActivatePolicy(bundle.clone()),
        Question::RevokePolicy(bundle),
        Question::RegisterPolicyKey,
        Question::PutSecret { kind: "pg_repair" },
        Question::CreateKey {
            capability: "approver",
            speaks_for: Some(UserId::from_bits(7)),
        },
        Question::RevokeKey {
            capability: "read",
            own: true,
        },
        Question::ChangeMember {
            own: false,
            removes_last_owner: false,
            to: None,
        },
        Question::ChangeSetting {
            name: "retention",
            loosening: false,
        },
        Question::SetHold,
        Question::ReleaseHold,
        Question::Export(evidence.clone()),
        Question::Erase(evidence),
        Question::Delete,
    ]
}

#[test]
fn every_question_of_an_owner_conforms_to_the_schema_and_is_allowed_or_held() {
    let owner = person(Role::Owner, Duration::ZERO);
    for question in every_question() {
        let place = match question {
            Question::ChangeMember { .. } | Question::RegisterPolicyKey => {
                Place::workspace(WorkspaceId::from_bits(1))
            }
            _ => place(),
        };
        let asking = Asking::new(&owner, NOW, place);
        let said = Rules::standard().judge(&question, &asking, &clock(Duration::ZERO));
        assert_ne!(said.effect, Effect::Deny, "{question:?}: {}", said.rule);
    }
}

#[test]
fn every_question_of_every_principal_conforms_to_the_schema() {
    let owner = UserId::from_bits(3);
    let principals = [
        person(Role::Viewer, Duration::ZERO),
        Principal::ApiKey {
            id: KeyId::from_bits(4),
            capability: Capability::Repair,
            owner,
            owner_role: None,
        },
        Principal::Agent {
            id: "client".to_owned(),
            capability: Capability::Repair,
            owner,
            owner_role: Some(Role::Admin),
            on_behalf: true,
        },
    ];
    for principal in &principals {
        for question in every_question() {
            // A review is for people alone.
            if principal.person().is_none() && matches!(question, Question::Review { .. }) {
                continue;
            }
            let asking = Asking::new(principal, NOW, place());
            let said = Rules::standard().judge(&question, &asking, &clock(Duration::ZERO));
            assert_ne!(
                said.rule, "request-invalid",
                "{question:?} of {principal:?}"
            );
        }
    }
}

#[test]
fn a_machine_waits_in_live_and_a_person_repairs_with_a_fresh_sign_in() {
    let question = Question::Repair(Box::new(repair()));
    let scheduler = Principal::Scheduler {
        run: RunId::from_bits(5),
    };
    let machine = Asking::new(&scheduler, NOW, place());
    check(
        &question,
        &machine,
        Effect::Require,
        "base.require.machine-live",
    );
    let approved = machine.clone().with(Approvals::one(Role::Approver));
    check(
        &question,
        &approved,
        Effect::Allow,
        "base.permit.scheduler-operate",
    );
    let test = Asking {
        place: Place {
            live: Some(false),
            ..place()
        },
        ..machine
    };
    check(
        &question,
        &test,
        Effect::Allow,
        "base.permit.scheduler-operate",
    );

    let fresh = person(Role::Approver, Duration::from_mins(14));
    let asking = Asking::new(&fresh, NOW, place());
    check(
        &question,
        &asking,
        Effect::Allow,
        "base.permit.human-operate",
    );
}

#[test]
fn whoever_may_after_a_fresh_sign_in_is_told_so_and_nobody_else() {
    let question = Question::Repair(Box::new(repair()));
    let rule = "base.forbid.stale-login-live";
    let stale = person(Role::Approver, Duration::from_mins(16));
    let said = check(
        &question,
        &Asking::new(&stale, NOW, place()),
        Effect::Deny,
        rule,
    );
    assert_eq!(said.fresh_within_s, Some(900));
    let viewer = person(Role::Viewer, Duration::from_mins(16));
    let said = check(
        &Question::ResetBreaker,
        &Asking::new(&viewer, NOW, place()),
        Effect::Deny,
        "base.forbid.stale-login-admin",
    );
    assert_eq!(said.fresh_within_s, None);
}

#[test]
fn approvals_of_a_proposer_and_freezes_deny() {
    let question = Question::Repair(Box::new(repair()));
    let owner = person(Role::Owner, Duration::ZERO);
    let own = Asking::new(&owner, NOW, place()).with(Approvals {
        by_proposer: true,
        ..Approvals::one(Role::Owner)
    });
    check(&question, &own, Effect::Deny, "base.forbid.self-approved");
    let frozen = Place {
        frozen: true,
        ..place()
    };
    let asking = Asking::new(&owner, NOW, frozen);
    check(&question, &asking, Effect::Deny, "base.forbid.frozen");
}

#[test]
fn what_takes_too_long_is_denied_and_one_slow_moment_is_not() {
    let question = Question::ResetBreaker;
    let owner = person(Role::Owner, Duration::ZERO);
    let asking = Asking::new(&owner, NOW, place());
    let slow = clock(Duration::from_millis(51));
    let said = Rules::standard().judge(&question, &asking, &slow);
    assert_eq!(
        (said.effect, said.rule.as_str()),
        (Effect::Deny, "engine-budget")
    );
    let quick = clock(Duration::from_millis(1));
    let said = Rules::standard().judge(&question, &asking, &quick);
    assert_eq!(said.effect, Effect::Allow);
}

/// A clock of which the first judgements take long.
struct Hiccups {
    looks: std::sync::atomic::AtomicU32,
    slow: u32,
}

impl Clock for Hiccups {
    fn now(&self) -> Timestamp {
        // Each judgement looks three times: when it begins, and twice how long it took.
        let look = self.looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let (judgement, first) = (look / 3, look.is_multiple_of(3));
        let begins = NOW.plus(Duration::from_secs(u64::from(judgement)));
        let took = if judgement < self.slow { 51 } else { 1 };
        begins.plus(Duration::from_millis(if first { 0 } else { took }))
    }
}

/// docs/policies.md: it takes three attempts, each over the budget, to be denied for that.
#[test]
fn two_slow_moments_deny_nothing_and_three_do() {
    let owner = person(Role::Owner, Duration::ZERO);
    let asking = Asking::new(&owner, NOW, place());
    for (slow, effect) in [(1, Effect::Allow), (2, Effect::Allow), (3, Effect::Deny)] {
        let clock = Hiccups {
            looks: 0.into(),
            slow,
        };
        let said = Rules::standard().judge(&Question::ResetBreaker, &asking, &clock);
        assert_eq!(said.effect, effect, "{slow}");
        assert_eq!(said.rule == "engine-budget", effect == Effect::Deny);
    }
}

#[test]
fn a_workspace_without_its_bundle_only_recovers() {
    use counterfoil_policy::Failure;
    let rules = Rules::of(NO_BUNDLE.to_owned(), Err(Failure::BundleMissing), None);
    let owner = person(Role::Owner, Duration::ZERO);
    let asking = Asking::new(&owner, NOW, place());
    let clock = clock(Duration::ZERO);
    let said = rules.judge(&Question::ResetBreaker, &asking, &clock);
    assert_eq!(
        (said.effect, said.rule.as_str()),
        (Effect::Deny, "bundle-missing")
    );
    let said = rules.judge(&Question::SetHold, &asking, &clock);
    assert_eq!(said.effect, Effect::Allow);
}

#[test]
fn what_was_stored_is_judged_again_to_the_same_verdict() {
    let question = Question::Repair(Box::new(repair()));
    let key = Principal::ApiKey {
        id: KeyId::from_bits(4),
        capability: Capability::Repair,
        owner: UserId::from_bits(3),
        owner_role: Some(Role::Admin),
    };
    let rules = Rules::standard();
    let said = rules.judge(
        &question,
        &Asking::new(&key, NOW, place()),
        &clock(Duration::ZERO),
    );
    let bytes = said.considered.request.canonical();
    let stored = counterfoil_evidence::json::Json::parse_document(&bytes).unwrap();
    let again = rules.judge_stored(stored, said.considered.phase);
    assert_eq!(
        (again.effect, again.approvals, again.rule, again.reason),
        (said.effect, said.approvals, said.rule, said.reason)
    );
}

#[test]
fn builtin_bundles_have_the_digest_of_their_text() {
    for (digest, files) in builtin_bundles() {
        let text: String = files.iter().map(|(_, text)| *text).collect();
        assert!(!text.is_empty());
        assert_eq!(
            digest,
            counterfoil_evidence::hash::digest_string(text.as_bytes())
        );
    }
}

/// What each role may do at all, with a fresh sign-in: everything else is denied for want of a permit.
#[test]
fn roles_may_what_their_rules_say() {
    let own = ["key.revoke"];
    let keeps = ["evidence.export", "legal_hold.set", "override.review"];
    let operates = [
        "repair.execute",
        "run.action",
        "incident.ignore",
        "incident.reopen",
        "approval.give",
        "approval.reject",
    ];
    let administers = [
        "breaker.reset",
        "policy.activate",
        "policy.revoke",
        "secret.put",
        "settings.change",
        "evidence.erase",
    ];
    let owns = [
        "override.use",
        "policy_key.register",
        "key.create",
        "member.change",
        "legal_hold.release",
        "scope.delete",
    ];
    let may: [(Role, Vec<&[&str]>); 5] = [
        (Role::Viewer, vec![&own]),
        (Role::Auditor, vec![&own, &keeps]),
        (Role::Approver, vec![&own, &operates]),
        (Role::Admin, vec![&own, &keeps, &operates, &administers]),
        (
            Role::Owner,
            vec![&own, &keeps, &operates, &administers, &owns],
        ),
    ];
    for (role, sets) in may {
        let person = person(role, Duration::ZERO);
        for question in every_question() {
            let asking = Asking::new(&person, NOW, place());
            let said = Rules::standard().judge(&question, &asking, &clock(Duration::ZERO));
            let allowed = sets.iter().any(|set| set.contains(&question.action()));
            assert_eq!(
                said.effect != Effect::Deny,
                allowed,
                "{role:?} {}: {}",
                question.action(),
                said.rule
            );
            if !allowed {
                assert_eq!(said.rule, "default-deny", "{role:?} {}", question.action());
            }
        }
    }
}

/// The engine reads times with three digits after the second or with none, and takes no others.
#[test]
fn every_millisecond_of_a_second_is_a_time_that_can_be_judged() {
    let owner = person(Role::Owner, Duration::ZERO);
    for millis in [0, 1, 9, 10, 99, 100, 120, 123, 400, 999] {
        let at = NOW.plus(Duration::from_millis(millis));
        let asking = Asking::new(&owner, at, place());
        let said =
            Rules::standard().judge(&Question::ResetBreaker, &asking, &clock(Duration::ZERO));
        assert_eq!(said.effect, Effect::Allow, "{millis}: {}", said.rule);
    }
}
