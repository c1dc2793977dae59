//! The loop at a terminal: a repair is proposed, looked at, approved or rejected with the command
//! line alone.

use counterfoil_core::tenancy::Role;

use super::stage::{Stage, stage};
use super::tenant::Tenant;
use super::terminal::Terminal;

/// Somebody of the tenant's workspace who has signed in.
async fn person(stage: &'static Stage, tenant: &Tenant, role: Role) -> Terminal {
    let who = &tenant.people[&role];
    let (subject, _) = who.split_once('@').unwrap();
    let terminal = Terminal::of(stage, subject.strip_prefix("person:").unwrap());
    terminal.sign_in().await;
    terminal
}

#[test]
fn a_repair_is_proposed_looked_at_and_approved_at_terminals() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, user) = stage.drifted("paid_no_access");
        let incident = stage.found(&tenant, &customer).await.id.to_string();
        let machine = Terminal::with_key(stage, &tenant.repair_key);
        let ben = person(stage, &tenant, Role::Approver).await;
        let propose = [
            "repair",
            &incident,
            "--reason",
            "Support asked for it",
            "--execute",
        ];
        let proposed = machine.done(&propose);
        for shown in [
            "writes     one row of public.app_users, key",
            "premium",
            "-> true",
            "waits for one more approval",
        ] {
            assert!(proposed.out.contains(shown), "{shown}: {proposed:?}");
        }
        let action = proposed.out.split_whitespace().next().unwrap();
        assert!(action.starts_with("act_"), "{proposed:?}");

        let waiting = ben.done(&["approvals"]);
        let row = waiting
            .out
            .lines()
            .find(|line| line.starts_with(action))
            .unwrap();
        assert!(
            row.contains(&customer) && row.contains("Support asked for it"),
            "{row}"
        );
        let looked = ben.done(&["approvals", action]);
        let digest = looked
            .out
            .split_whitespace()
            .find(|it| it.starts_with("sha256:"));
        let digest = digest.unwrap();
        let run = |who: &Terminal, more: &[&str]| {
            let words = ["approve", action, "--reason", "Checked the invoice"];
            who.run(&[&words, more].concat())
        };
        // Nobody looked, and no machine is a person.
        let unasked = run(&ben, &[]);
        assert_eq!(unasked.status, 2, "{unasked:?}");
        let own = run(&machine, &["--yes"]);
        assert_eq!(own.status, 1, "{own:?}");
        assert!(own.err.contains("base.forbid.machine-approves"), "{own:?}");
        assert_eq!(stage.updates(&tenant), 0);

        let approved = run(&ben, &["--digest", digest, "--yes"]);
        assert_eq!(approved.status, 0, "{approved:?}");
        assert!(approved.out.contains("is verified"), "{approved:?}");
        assert!(approved.out.contains(digest), "{approved:?}");
        assert!(stage.granted(&tenant, &user));
        assert_eq!(stage.updates(&tenant), 1);
        assert_eq!(
            ben.done(&["approvals"]).out,
            "Nothing waits for approval.\n"
        );
        let again = run(&ben, &["--yes"]);
        assert_eq!(again.status, 1, "{again:?}");
        assert_eq!(stage.updates(&tenant), 1);
    });
}

#[test]
fn what_a_machine_proposes_is_rejected_at_a_terminal_and_changes_nothing() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, _) = stage.drifted("wrong_plan");
        let incident = stage.found(&tenant, &customer).await.id.to_string();
        let machine = Terminal::with_key(stage, &tenant.repair_key);
        let words = [
            "repair",
            &incident,
            "--reason",
            "Found by the nightly job",
            "--json",
        ];
        let proposed = machine.done(&words).json();
        let action = proposed["id"].as_str().unwrap();
        let words = ["approve", action, "--reason", "I approve myself", "--yes"];
        let refused = machine.run(&words);
        assert_eq!(refused.status, 1, "{refused:?}");
        let ben = person(stage, &tenant, Role::Approver).await;
        let rows = stage.rows(&tenant);
        let words = [
            "reject",
            action,
            "--reason",
            "They cancelled by mail",
            "--yes",
            "--json",
        ];
        let rejected = ben.done(&words).json();
        assert_eq!(rejected["state"], "rejected", "{rejected}");
        assert_eq!(stage.rows(&tenant), rows);
        let again = machine.done(&["repair", &incident, "--reason", "They have not cancelled"]);
        assert!(
            again.out.contains("waits for one more approval"),
            "{again:?}"
        );
    });
}

/// Ben, and a repair that he has approved: its action, and the rows before and after it.
async fn repaired(
    stage: &'static Stage,
    tenant: &Tenant,
    kind: &str,
) -> (Terminal, String, [String; 2]) {
    let (customer, _) = stage.drifted(kind);
    let incident = stage.found(tenant, &customer).await.id.to_string();
    let before = stage.rows(tenant);
    let machine = Terminal::with_key(stage, &tenant.repair_key);
    let ben = person(stage, tenant, Role::Approver).await;
    let words = ["repair", &incident, "--reason", "Support asked for it"];
    let proposed = machine.done(&[&words[..], &["--execute", "--json"]].concat());
    let action = proposed.json()["id"].as_str().unwrap().to_owned();
    let words = ["approve", &action, "--reason", "Checked the invoice"];
    let approved = ben.done(&[&words[..], &["--yes"]].concat());
    assert!(approved.out.contains("is verified"), "{approved:?}");
    let after = stage.rows(tenant);
    assert_ne!(before, after);
    (ben, action, [before, after])
}

#[test]
fn a_repair_is_taken_back_at_terminals_and_the_row_is_what_it_was() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (ben, action, [before, _]) = repaired(stage, &tenant, "wrong_plan").await;
        let machine = Terminal::with_key(stage, &tenant.repair_key);
        let words = ["undo", &action, "--reason", "The plan was mapped wrongly"];
        let proposed = machine.done(&[&words[..], &["--execute"]].concat());
        for shown in [
            &format!("undoes     {action}"),
            "writes     one row of public.app_users, key",
            "plan",
            "The plan was mapped wrongly",
            "waits for one more approval",
        ] {
            assert!(proposed.out.contains(shown), "{shown}: {proposed:?}");
        }
        assert_eq!(stage.updates(&tenant), 1, "nothing before the approval");
        let back = proposed.out.split_whitespace().next().unwrap();
        assert_ne!(back, action, "an undo is an action of its own");
        // Both say the same two values, the other way round.
        let plan = |action: &str| {
            let shown = ben.done(&["approvals", action, "--json"]).json();
            let columns = shown["change"]["columns"].as_array().unwrap().clone();
            let plan = columns.iter().find(|it| it["column"] == "plan").unwrap();
            [plan["before"].clone(), plan["after"].clone()]
        };
        let [was, became] = plan(&action);
        assert_eq!(plan(back), [became, was]);

        let words = [
            "approve",
            back,
            "--reason",
            "The mapping is mended",
            "--yes",
        ];
        let approved = ben.run(&words);
        assert_eq!(stage.rows(&tenant), before, "{approved:?}");
        assert_eq!(stage.updates(&tenant), 2, "{approved:?}");
        assert_eq!(approved.status, 0, "{approved:?}");
        let again = machine.run(&["undo", back, "--reason", "And back once more", "--json"]);
        assert!(again.status == 0 || again.status == 1, "{again:?}");
        assert_eq!(stage.rows(&tenant), before, "nothing happens unapproved");
    });
}

#[test]
fn what_was_changed_since_a_repair_is_not_taken_back() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (ben, action, _) = repaired(stage, &tenant, "paid_no_access").await;
        let machine = Terminal::with_key(stage, &tenant.repair_key);
        let words = [
            "undo",
            &action,
            "--reason",
            "It was mapped wrongly",
            "--execute",
        ];
        let proposed = machine.done(&words);
        let back = proposed.out.split_whitespace().next().unwrap();
        let (_, user) = stage.drifted("paid_no_access");
        let elsewhere = format!(
            "UPDATE app_users SET premium = NOT premium, plan = 'by hand' WHERE id = '{user}'"
        );
        stage.postgres.sql(&tenant.database, &elsewhere).unwrap();
        let rows = stage.rows(&tenant);
        let words = [
            "approve",
            back,
            "--reason",
            "The mapping is mended",
            "--yes",
        ];
        let stale = ben.run(&words);
        assert_eq!(stale.status, 1, "{stale:?}");
        assert!(
            stale.err.contains("is stale") && stale.err.contains("nothing was written"),
            "{stale:?}"
        );
        assert_eq!(stage.rows(&tenant), rows, "{stale:?}");
    });
}
