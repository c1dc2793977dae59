//! Governed runs at a shell: the documented script, and people who look at what it did.

use std::process::{Command, Stdio};

use super::runs::{Live, approve_all, example, recorded};
use super::stage::stage;
use super::terminal::{Terminal, cli};

#[test]
fn the_agent_in_a_shell_script_runs_and_waits_for_people() {
    let stage = stage();
    let command = cli();
    stage.run(async {
        let tenant = stage.tenant().await;
        let live = Live::of(stage, &tenant).await;
        let own = command.parent().unwrap().to_owned();
        let others = std::env::var_os("PATH").unwrap();
        let path = [own].into_iter().chain(std::env::split_paths(&others));
        let program = Command::new("sh")
            .arg(example("agent.sh"))
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("COUNTERFOIL_API", &stage.cloud.api_url)
            .env("COUNTERFOIL_API_KEY", &live.agent)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = approve_all(stage, &live, program).await;
        let words: Vec<&str> = said.split_whitespace().collect();
        let run = words.iter().find(|it| it.starts_with("run_")).unwrap();
        assert!(said.contains("is completed, with 2 decisions"), "{said}");
        recorded(stage, &live, run).await;

        let people = Terminal::with_key(stage, &live.approver);
        let shown = people.done(&["run", "show", run]);
        for line in [
            "is completed",
            "decisions  2: 0 allowed, 2 held for people, 0 denied",
            "governance clean: every decision is resolved",
            "refund.create to invoice-1042, 29.00 USD: executed",
            "held for the approval of one other person",
            "base.require.machine-destructive",
            "approved by usr_",
        ] {
            assert!(shown.out.contains(line), "{line}: {shown:?}");
        }
        let listed = people.done(&["run", "list", "--purpose", "governed"]);
        assert!(listed.out.contains(run), "{listed:?}");
        let document = people.done(&["run", "show", run, "--json"]).json();
        assert_eq!(
            document["actions"].as_array().unwrap().len(),
            2,
            "{document}"
        );
        assert_eq!(document["governance"], "clean", "{document}");
    });
}

#[test]
fn a_script_is_stopped_where_people_say_no_and_withdraws_what_it_needs_no_more() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let live = Live::of(stage, &tenant).await;
        let agent = Terminal::with_key(stage, &live.agent);
        let people = Terminal::with_key(stage, &live.approver);
        let program = agent.file("refund.sh", "true");
        let start = [
            "run",
            "start",
            "refunds",
            "--program",
            program.to_str().unwrap(),
        ];
        let once = [&start[..], &["--idempotency-key", "batch-7"]].concat();
        let run = agent.done(&once).out.trim().to_owned();
        assert_eq!(
            agent.done(&once).out.trim(),
            run,
            "the same key is the same run"
        );

        let propose = |target: &str| {
            let words = ["run", "propose", &run, "refund.create", "--target", target];
            let said = agent.run(&words);
            assert_eq!(said.status, 4, "{said:?}");
            assert!(said.err.contains("held for the approval"), "{said:?}");
            // Nobody has said what a refund is.
            let register = "counterfoil flow register refunds --kind refund.create";
            assert!(said.err.contains(register), "{said:?}");
            said.out.trim().to_owned()
        };
        let (first, second) = (propose("invoice-1"), propose("invoice-2"));
        let early = agent.run(&["run", "result", &first, "executed"]);
        assert_eq!(early.status, 1, "{early:?}");
        assert!(
            early.err.contains(&format!("counterfoil run wait {first}")),
            "{early:?}"
        );
        let early = agent.run(&["run", "complete", &run]);
        assert_eq!(early.status, 1, "{early:?}");
        assert!(
            early.err.contains(&format!("counterfoil run show {run}")),
            "{early:?}"
        );
        let waits = agent.run(&["run", "wait", &first, "--at-most", "1"]);
        assert_eq!(waits.status, 4, "{waits:?}");

        let looked = people.done(&["approvals", &first]);
        assert!(
            looked.out.contains("does       refund.create to invoice-1"),
            "{looked:?}"
        );
        let words = [
            "reject",
            &first,
            "--reason",
            "They were paid already",
            "--yes",
        ];
        people.done(&words);
        let stopped = agent.run(&["run", "wait", &first]);
        assert_eq!(stopped.status, 5, "{stopped:?}");
        assert!(
            stopped.err.contains("is rejected: it must not be done"),
            "{stopped:?}"
        );
        agent.done(&["run", "withdraw", &second]);
        let completed = agent.done(&["run", "complete", &run]);
        assert!(
            completed.out.contains("is completed, with 2 decisions"),
            "{completed:?}"
        );
        let foreign = Terminal::with_key(stage, &tenant.repair_key);
        let hidden = foreign.run(&["run", "show", &run]);
        assert_eq!(hidden.status, 1, "{hidden:?}");
    });
}
