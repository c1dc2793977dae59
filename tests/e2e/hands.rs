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
