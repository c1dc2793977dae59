use super::*;

fn repair() -> RepairFacts {
    RepairFacts {
        who: Who::Scheduler,
        environment: "live".to_owned(),
        repairs_enabled: true,
        rows: 1,
        allowlisted: true,
        target_known: true,
        promise_known: true,
        identity: "metadata".to_owned(),
        confirmed: true,
        livemode_matches: true,
        revokes: false,
        other_live_subscription: false,
        comped: false,
        breaker_open: false,
        amount_exceeded: false,
        run_limit_reached: false,
        approvals: 0,
        self_approved: false,
    }
}

fn vote() -> ApprovalFacts {
    ApprovalFacts {
        who: Who::Approver,
        held: true,
        is_proposer: false,
        voted_before: false,
        digest_matches: true,
        reason_chars: 10,
    }
}

#[track_caller]
fn check(question: &Question, effect: Effect, rule: &str) {
    let judgement = evaluate(question);
    assert_eq!(
        (judgement.effect, judgement.rule),
        (effect, rule),
        "{question:?}"
    );
    assert_eq!(judgement.approvals > 0, effect == Effect::Require);
}

fn check_repair(change: impl FnOnce(&mut RepairFacts), effect: Effect, rule: &str) {
    let mut facts = repair();
    change(&mut facts);
    check(&Question::Repair(facts), effect, rule);
}

fn check_vote(change: impl FnOnce(&mut ApprovalFacts), effect: Effect, rule: &str) {
    let mut facts = vote();
    change(&mut facts);
    check(&Question::Approve(facts), effect, rule);
}

#[test]
fn every_repair_waits_for_another_person_and_then_may_happen() {
    check_repair(|_| {}, Effect::Require, "base.require.machine-live");
    check_repair(
        |f| f.who = Who::Approver,
        Effect::Require,
        "base.require.four-eyes",
    );
    check_repair(
        |f| f.approvals = 1,
        Effect::Allow,
        "base.permit.scheduler-operate",
    );
    check_repair(
        |f| (f.who, f.approvals) = (Who::Approver, 1),
        Effect::Allow,
        "base.permit.human-operate",
    );
}

#[test]
fn every_doubt_about_a_repair_is_a_deny_that_approvals_do_not_lift() {
    type Case = (fn(&mut RepairFacts), &'static str);
    let cases: [Case; 16] = [
        (|f| f.rows = 2, "base.forbid.multi-row"),
        (|f| f.rows = 0, "base.forbid.multi-row"),
        (|f| f.allowlisted = false, "base.forbid.unlisted-column"),
        (|f| f.repairs_enabled = false, "base.forbid.repairs-off"),
        (|f| f.target_known = false, "base.forbid.no-target"),
        (|f| f.promise_known = false, "base.forbid.unknown"),
        (|f| f.identity = "email".to_owned(), "base.forbid.identity"),
        (
            |f| f.identity = "ambiguous".to_owned(),
            "base.forbid.identity",
        ),
        (|f| f.confirmed = false, "base.forbid.unconfirmed"),
        (|f| f.livemode_matches = false, "base.forbid.wrong-mode"),
        (
            |f| (f.revokes, f.other_live_subscription) = (true, true),
            "base.forbid.revoke-other-live",
        ),
        (
            |f| (f.revokes, f.comped) = (true, true),
            "base.forbid.revoke-comp",
        ),
        (|f| f.breaker_open = true, "base.forbid.breaker"),
        (|f| f.run_limit_reached = true, "base.forbid.blast-run"),
        (|f| f.amount_exceeded = true, "base.forbid.blast-amount"),
        (|f| f.self_approved = true, "base.forbid.self-approved"),
    ];
    for (change, rule) in cases {
        check_repair(change, Effect::Deny, rule);
        check_repair(
            |f| {
                change(f);
                f.approvals = 3;
            },
            Effect::Deny,
            rule,
        );
    }
}

#[test]
fn whoever_has_no_permit_is_denied_by_default() {
    for who in [Who::ReadKey, Who::Viewer, Who::Auditor, Who::System] {
        check_repair(|f| f.who = who, Effect::Deny, "default-deny");
    }
    let nobody = ExportFacts {
        who: Who::ReadKey,
        role_may_export: false,
    };
    check(&Question::Export(nobody), Effect::Deny, "default-deny");
}

#[test]
fn votes_are_given_by_other_people_once_with_a_reason_and_the_right_digest() {
    check_vote(|_| {}, Effect::Allow, "base.permit.approve");
    check_vote(
        |f| f.is_proposer = true,
        Effect::Deny,
        "base.forbid.proposer-approves",
    );
    check_vote(
        |f| f.voted_before = true,
        Effect::Deny,
        "base.forbid.approves-twice",
    );
    check_vote(
        |f| f.digest_matches = false,
        Effect::Deny,
        "base.forbid.approval-form",
    );
    check_vote(
        |f| f.reason_chars = 9,
        Effect::Deny,
        "base.forbid.approval-form",
    );
    check_vote(|f| f.held = false, Effect::Deny, "base.forbid.not-held");
    for who in [Who::RepairKey, Who::ReadKey, Who::Scheduler, Who::System] {
        check_vote(
            |f| f.who = who,
            Effect::Deny,
            "base.forbid.machine-approves",
        );
    }
    check_vote(|f| f.who = Who::Viewer, Effect::Deny, "default-deny");
}

#[test]
fn a_proposer_may_withdraw_by_rejecting() {
    let own = ApprovalFacts {
        is_proposer: true,
        ..vote()
    };
    check(&Question::Reject(own), Effect::Allow, "base.permit.approve");
}

#[test]
fn rule_ids_are_unique_and_every_rule_has_a_sentence() {
    let mut ids: Vec<_> = rules::RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert!(
        rules::RULES
            .iter()
            .all(|rule| rule.why.ends_with('.') && rule.why.len() <= 200)
    );
}

#[test]
fn the_digest_is_that_of_the_rules_text() {
    assert!(rules::TEXT.contains("base.forbid.proposer-approves"));
    assert_eq!(bundle_digest(), digest_string(rules::TEXT.as_bytes()));
}
