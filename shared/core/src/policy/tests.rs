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
        login_age_s: 0,
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
        beyond_project: false,
    };
    check(&Question::Export(nobody), Effect::Deny, "default-deny");
}

#[test]
fn a_key_exports_its_project_and_a_person_the_workspace() {
    let export = |who, beyond_project| {
        Question::Export(ExportFacts {
            who,
            role_may_export: true,
            beyond_project,
        })
    };
    let permit = "base.permit.export";
    for who in [Who::RepairKey, Who::ReadKey] {
        check(&export(who, false), Effect::Allow, permit);
        let rule = "base.forbid.key-beyond-project";
        check(&export(who, true), Effect::Deny, rule);
    }
    for who in [Who::Approver, Who::Auditor] {
        check(&export(who, true), Effect::Allow, permit);
    }
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

#[test]
fn an_erasure_is_judged_by_role_and_stopped_by_a_legal_hold() {
    let facts = |role_may_erase, legal_hold, lost| {
        Question::Erase(EraseFacts {
            who: Who::Approver,
            role_may_erase,
            legal_hold,
            lost,
        })
    };
    let kept = "base.forbid.legal-hold-evidence";
    check(
        &facts(true, false, false),
        Effect::Allow,
        "base.permit.admin-erase",
    );
    check(&facts(false, false, false), Effect::Deny, "default-deny");
    check(&facts(true, true, false), Effect::Deny, kept);
    check(&facts(false, true, false), Effect::Deny, "default-deny");
    // What is gone already is not kept by denying it.
    check(
        &facts(true, true, true),
        Effect::Allow,
        "base.permit.admin-erase",
    );
    check(&facts(false, true, true), Effect::Deny, "default-deny");
}

#[test]
fn a_legal_hold_is_set_by_one_person_and_released_by_two() {
    let set = |role_may_hold| {
        Question::SetHold(HoldFacts {
            who: Who::Auditor,
            role_may_hold,
            by_key: false,
        })
    };
    check(&set(true), Effect::Allow, "base.permit.hold");
    check(&set(false), Effect::Deny, "default-deny");
    let confirmed = |role_may, loosening, approvals| ConfirmedFacts {
        who: Who::Approver,
        role_may,
        by_key: false,
        login_age_s: 0,
        loosening,
        approvals,
    };
    let release = |role_may, approvals| Question::ReleaseHold(confirmed(role_may, true, approvals));
    check(
        &release(true, 0),
        Effect::Require,
        "base.require.legal-release",
    );
    check(
        &release(true, 1),
        Effect::Allow,
        "base.permit.owner-release",
    );
    check(&release(false, 0), Effect::Deny, "default-deny");
    check(&release(false, 1), Effect::Deny, "default-deny");
    let setting = |role_may, loosening, approvals| {
        Question::ChangeSetting(confirmed(role_may, loosening, approvals))
    };
    let settings = "base.permit.admin-settings";
    check(&setting(true, false, 0), Effect::Allow, settings);
    check(
        &setting(true, true, 0),
        Effect::Require,
        "base.require.settings-loosen",
    );
    check(&setting(true, true, 1), Effect::Allow, settings);
    check(&setting(false, false, 0), Effect::Deny, "default-deny");
}

#[test]
fn roles_may_what_their_rules_say() {
    use crate::tenancy::Role;
    let rights = |role: Role| (role.may_administer(), role.may_hold(), role.may_release());
    assert_eq!(rights(Role::Viewer), (false, false, false));
    assert_eq!(rights(Role::Auditor), (false, true, false));
    assert_eq!(rights(Role::Approver), (false, false, false));
    assert_eq!(rights(Role::Admin), (true, true, false));
    assert_eq!(rights(Role::Owner), (true, true, true));
}

#[test]
fn a_person_ignores_for_a_time_with_a_reason_and_a_machine_never() {
    let facts = |who, lasts_s, reason_chars| IncidentFacts {
        who,
        fits: true,
        lasts_s,
        reason_chars,
        login_age_s: 0,
    };
    let asks = |facts, effect, rule| check(&Question::Ignore(facts), effect, rule);
    let permit = "base.permit.human-incident";
    asks(facts(Who::Approver, 15_552_000, 10), Effect::Allow, permit);
    asks(
        facts(Who::Approver, 15_552_001, 10),
        Effect::Deny,
        "base.forbid.ignore-long",
    );
    asks(
        facts(Who::Approver, 0, 10),
        Effect::Deny,
        "base.forbid.ignore-long",
    );
    asks(
        facts(Who::Approver, 60, 9),
        Effect::Deny,
        "base.forbid.incident-reason",
    );
    let stale = IncidentFacts {
        fits: false,
        ..facts(Who::Approver, 60, 10)
    };
    asks(stale, Effect::Deny, "base.forbid.incident-state");
    for who in [Who::Auditor, Who::Viewer, Who::RepairKey, Who::ReadKey] {
        asks(facts(who, 60, 10), Effect::Deny, "default-deny");
    }
    for who in [Who::Scheduler, Who::System] {
        let facts = facts(who, 0, 10);
        check(&Question::Reopen(facts), Effect::Deny, "default-deny");
        check(&Question::ResetBreaker(facts), Effect::Deny, "default-deny");
    }
}

fn admin() -> AdminFacts {
    AdminFacts {
        who: Who::Approver,
        role_may: true,
        by_key: false,
        login_age_s: 300,
        own: false,
        last_owner: false,
        legal_hold: false,
        approvals: 0,
    }
}

#[test]
fn whoever_leaves_leaves_alone_and_never_as_the_last_owner() {
    let leave = |change: fn(&mut AdminFacts), effect, rule| {
        let mut facts = AdminFacts {
            own: true,
            ..admin()
        };
        change(&mut facts);
        check(&Question::Leave(facts), effect, rule);
    };
    leave(|_| (), Effect::Allow, "base.permit.leave");
    leave(
        |f| f.last_owner = true,
        Effect::Deny,
        "base.forbid.last-owner",
    );
    leave(
        |f| f.by_key = true,
        Effect::Deny,
        "base.forbid.machine-admin",
    );
    leave(
        |f| f.login_age_s = 301,
        Effect::Deny,
        "base.forbid.stale-login-admin",
    );
    let own = AdminFacts {
        own: true,
        ..admin()
    };
    check(
        &Question::ChangeMember(own),
        Effect::Deny,
        "base.forbid.own-role",
    );
}

#[test]
fn a_refusal_for_age_alone_says_how_fresh_a_sign_in_must_be() {
    let leave = |login_age_s| {
        evaluate(&Question::Leave(AdminFacts {
            login_age_s,
            ..admin()
        }))
    };
    assert_eq!(leave(300).fresh_within_s(), None);
    assert_eq!(leave(301).fresh_within_s(), Some(300));
    for rule in rules::RULES
        .iter()
        .filter(|rule| rule.why.contains("older than"))
    {
        let judgement = Judgement {
            effect: Effect::Deny,
            approvals: 0,
            rule: rule.id,
            reason: rule.why,
        };
        let minutes = judgement.fresh_within_s().unwrap() / 60;
        let said = format!("older than {minutes} minutes");
        assert!(rule.why.contains(&said), "{}", rule.id);
    }
}

#[test]
fn whoever_may_not_do_it_anyhow_is_told_of_no_age_and_of_no_legal_hold() {
    let asks = |role_may, login_age_s, legal_hold| {
        let facts = AdminFacts {
            role_may,
            login_age_s,
            legal_hold,
            ..admin()
        };
        evaluate(&Question::Delete(facts)).rule
    };
    assert_eq!(asks(false, 301, true), "default-deny");
    assert_eq!(asks(true, 301, true), "base.forbid.legal-hold");
    assert_eq!(asks(true, 301, false), "base.forbid.stale-login-admin");
    assert_eq!(asks(true, 300, false), "base.require.delete");
    let erase = EraseFacts {
        who: Who::Viewer,
        role_may_erase: false,
        legal_hold: true,
        lost: false,
    };
    assert_eq!(evaluate(&Question::Erase(erase)).rule, "default-deny");
}

#[test]
fn an_approver_key_is_made_by_its_own_person_with_a_second_factor() {
    let make = |approver, own, second_factor, effect, rule| {
        let admin = AdminFacts { own, ..admin() };
        let facts = KeyFacts {
            admin,
            approver,
            second_factor,
        };
        check(&Question::CreateKey(facts), effect, rule);
    };
    let permit = "base.permit.owner";
    make(false, false, false, Effect::Allow, permit);
    make(true, true, true, Effect::Allow, permit);
    make(
        true,
        true,
        false,
        Effect::Deny,
        "base.forbid.no-second-factor",
    );
    make(
        true,
        false,
        true,
        Effect::Deny,
        "base.forbid.key-of-another",
    );
}
