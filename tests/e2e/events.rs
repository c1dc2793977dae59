//! Every file of `events/` against the function that it is for: as it is, where nothing that it
//! names exists, and with the ids, keys and signatures of a real tenant in their places.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::SealStore;
use counterfoil_core::run::RunStep;
use counterfoil_core::tenancy::Role;
use counterfoil_local::FUNCTIONS;
use counterfoil_testkit::stripe::sign_event;
use serde_json::{Value, json};

use counterfoil_testkit::issuer::CLIENT_ID;

use super::stage::{Stack, Stage, now, stage, wait};
use super::tenant::{Setup, Tenant};

const PROJECT: &str = "prj_01KARX6M000000000000000002";
const AGENT: &str = "cfk_test_Example001_ExampleExampleExampleExampleEx0119p0BU";
const APPROVER: &str = "cfk_test_Example002_ExampleExampleExampleExampleEx023jP2My";
const RUN: &str = "run_01KARX6M000000000000000003";
const INCIDENT: &str = "inc_01KARX6M000000000000000004";
const ACTION: &str = "act_01KARX6M000000000000000005";
const EXPORT: &str = "exp_01KARX6M000000000000000006";
const SOURCE: &str = "aws.partner/stripe.com/ed_test_Example000001";
const ISSUER: &str = "https://issuer.example.com";
const STREAM: &str = "a9b1b25b277fa8146284e58adbd81b8f38181e9ba124daa00022da8445f7d879";

/// What a function says to an event.
#[derive(Debug, PartialEq)]
enum Says {
    /// An answer for the HTTP API.
    Status(u64),
    /// An answer for whoever invoked it.
    Answer(Value),
    /// That it failed; whoever invoked it may try again.
    Failed,
}

fn folder(function: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    root.join(function)
}

fn text(function: &str, name: &str) -> String {
    fs::read_to_string(folder(function).join(format!("{name}.json"))).unwrap()
}

fn files() -> BTreeSet<(String, String)> {
    let mut files = BTreeSet::new();
    for function in FUNCTIONS {
        for file in fs::read_dir(folder(function)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let name = name.strip_suffix(".json").unwrap().to_owned();
            files.insert((function.to_owned(), name));
        }
    }
    files
}

/// The output of the template that names a function.
fn output(function: &str) -> &'static str {
    match function {
        "stripe-webhook" => "StripeWebhookFunction",
        "scheduled-reconcile" => "ReconcileFunction",
        "repair-approve" => "RepairFunction",
        "export" => "ExportFunction",
        "api" => "ApiFunctionName",
        "mcp" => "McpFunction",
        _ => "ArchiveFunction",
    }
}

async fn says(stack: &Stack, function: &str, event: &Value) -> Says {
    let Some(answer) = stack.invoke(output(function), event).await else {
        return Says::Failed;
    };
    match answer.get("statusCode").and_then(Value::as_u64) {
        Some(status) => Says::Status(status),
        None => Says::Answer(answer),
    }
}

/// Requests to `api`.
const OF_API: [&str; 75] = [
    "read-flow",
    "register-flow",
    "open-run",
    "complete-run",
    "preview-decision",
    "read-decision",
    "list-projects",
    "make-project",
    "read-project",
    "change-project",
    "read-me",
    "list-workspaces",
    "found-workspace",
    "read-workspace",
    "rename-workspace",
    "list-members",
    "read-member",
    "change-member",
    "remove-member",
    "list-invitations",
    "make-invitation",
    "revoke-invitation",
    "accept-invitation",
    "list-keys",
    "make-key",
    "read-key",
    "revoke-key",
    "rotate-key",
    "list-connections",
    "connect",
    "disconnect",
    "list-mappings",
    "add-mapping",
    "read-mapping",
    "activate-mapping",
    "read-project-deletion",
    "delete-project",
    "confirm-project-deletion",
    "keep-project",
    "read-workspace-deletion",
    "delete-workspace",
    "confirm-workspace-deletion",
    "keep-workspace",
    "read-policy",
    "register-policy-key",
    "list-policy-bundles",
    "upload-policy-bundle",
    "read-policy-bundle",
    "activate-policy-bundle",
    "revoke-policy-bundle",
    "shadow-policy-bundle",
    "policy-bundle-impact",
    "acknowledge-incident",
    "ask-check",
    "ignore-incident",
    "list-entries",
    "list-incidents",
    "list-runs",
    "read-entry",
    "read-ledger",
    "read-customer",
    "read-incident",
    "reopen-incident",
    "change-retention",
    "change-schedule",
    "declare-lost",
    "erase-customer",
    "erase-run",
    "list-holds",
    "read-retention",
    "read-schedule",
    "read-webhook-health",
    "read-run",
    "release-hold",
    "set-hold",
];

/// Requests of people and keys to `repair-approve`.
const OF_REPAIRS: &[&str] = &[
    "approve",
    "cancel",
    "execute",
    "inbox",
    "not-authenticated",
    "override",
    "propose-for-incident",
    "propose-in-run",
    "read-action",
    "reject",
    "report-action",
    "review-override",
    "undo",
];

/// What an empty installation says to the files as they are: cleanly, that there is no such thing.
fn nothing_there() -> Vec<(&'static str, &'static str, Says)> {
    let status = |function, status, names: &[&'static str]| {
        let says = |name: &&'static str| (function, *name, Says::Status(status));
        names.iter().map(says).collect::<Vec<_>>()
    };
    let mut all = status(
        "stripe-webhook",
        404,
        &[
            "altered-body",
            "not-signed",
            "secret-being-rolled",
            "subscription-updated",
            "subscription-updated-base64",
            "thin-event",
        ],
    );
    all.extend(status("repair-approve", 401, OF_REPAIRS));
    all.extend(status("export", 401, &["create", "download", "read"]));
    all.extend(status("api", 401, &OF_API));
    all.extend(status("api", 200, &["read-login", "read-security"]));
    all.extend(status("mcp", 401, &["call-tool"]));
    all.extend(status("repair-approve", 401, &["propose-by-agent"]));
    all.extend(status("export", 401, &["by-agent"]));
    all.extend(status("mcp", 405, &["no-stream"]));
    all.extend(status("mcp", 200, &["read-metadata"]));
    let idle = json!({
        "holds_finished": 0, "erasures_finished": 0, "deleted": 0, "removed": 0, "put_off": 0,
        "pruned": 0, "objects_deleted": 0, "held": 0,
    });
    let not_a_request = json!([{ "itemIdentifier": "059f36b4-87a3-44ab-83d2-661970000012" }]);
    let none = |name| {
        let none = Says::Answer(json!({ "runs": [] }));
        ("scheduled-reconcile", name, none)
    };
    all.extend(["due", "scan", "incremental"].map(none));
    let ended = json!({ "expired": 0, "aborted": 0, "ended": 0 });
    all.push(("scheduled-reconcile", "runs", Says::Answer(ended)));
    let rewraps = ["repair-approve", "scheduled-reconcile", "stripe-webhook"];
    all.extend(rewraps.map(|function| {
        let nothing = json!({ "done": 0, "gone": 0, "more": false });
        (function, "rewrap", Says::Answer(nothing))
    }));
    let third = json!([{ "itemIdentifier": "059f36b4-87a3-44ab-83d2-661970000003" }]);
    let last = json!([{ "itemIdentifier": "059f36b4-87a3-44ab-83d2-661970000014" }]);
    all.extend([
        ("stripe-webhook", "from-event-bus", Says::Failed),
        ("repair-approve", "propose-by-scan", Says::Failed),
        (
            "repair-approve",
            "sweep",
            Says::Answer(json!({ "finished": 0, "left": 0, "projects_left": 0 })),
        ),
        (
            "scheduled-reconcile",
            "probe",
            Says::Answer(json!({ "probed": 0, "failed": 0, "recorded": 0 })),
        ),
        (
            "scheduled-reconcile",
            "check-customer",
            Says::Answer(json!({ "batchItemFailures": [] })),
        ),
        (
            "scheduled-reconcile",
            "probe-key",
            Says::Answer(json!({ "batchItemFailures": [] })),
        ),
        (
            "scheduled-reconcile",
            "check-batch",
            Says::Answer(json!({ "batchItemFailures": third })),
        ),
        (
            "scheduled-reconcile",
            "scan-pieces",
            Says::Answer(json!({ "batchItemFailures": last })),
        ),
        (
            "export",
            "request",
            Says::Answer(json!({ "batchItemFailures": not_a_request })),
        ),
        ("api", "retention", Says::Answer(idle)),
    ]);
    all.extend(archive());
    all
}

/// What the archive of an empty installation says.
fn archive() -> Vec<(&'static str, &'static str, Says)> {
    let sealed = || Says::Answer(json!({ "sealed": [] }));
    let refused = || {
        let refused = json!([{ "stream": STREAM, "cause": "item_changed" }]);
        Says::Answer(json!({ "sealed": [], "refused": refused }))
    };
    vec![
        ("archive", "entries-appended", sealed()),
        ("archive", "seal", sealed()),
        ("archive", "seal-stream", sealed()),
        ("archive", "rotate", Says::Failed),
        ("archive", "recheck", Says::Failed),
        ("archive", "entry-changed", refused()),
        ("archive", "entry-removed", refused()),
    ]
}

#[test]
fn an_empty_installation_answers_every_event_cleanly() {
    let stage = stage();
    let stack = stage.other_stack();
    stage.run(async {
        let expected = nothing_there();
        let named = expected
            .iter()
            .map(|(function, name, _)| ((*function).to_owned(), (*name).to_owned()));
        assert_eq!(named.collect::<BTreeSet<_>>(), files());
        for (function, name, expected) in expected {
            let event = serde_json::from_str(&text(function, name)).unwrap();
            let said = says(&stack, function, &event).await;
            assert_eq!(said, expected, "events/{function}/{name}.json");
        }
    });
}

/// A tenant in a stack of its own, and what stands in the places of the examples.
struct Real<'a> {
    stack: &'a Stack,
    tenant: Tenant,
    swaps: Vec<(&'static str, String)>,
}

impl<'a> Real<'a> {
    async fn new(stage: &Stage, stack: &'a Stack) -> Self {
        let setup = Setup {
            auto_propose: true,
            ..Setup::default()
        };
        let tenant = stage.tenant_in(stack, setup).await;
        // Nothing is wrong with this one: checks of it propose nothing.
        let mut accounts = stage.sample.accounts.iter();
        let account = accounts.find(|account| !account.drifted).unwrap();
        let project = &tenant.project;
        let swaps = vec![
            (PROJECT, project.id.to_string()),
            (
                "ws_01KARX6M000000000000000001",
                project.workspace.to_string(),
            ),
            (AGENT, tenant.repair_key.clone()),
            (APPROVER, tenant.ben.clone()),
            ("cus_Example000001", account.customer.clone()),
            (STREAM, project.stream.clone()),
        ];
        Self {
            stack,
            tenant,
            swaps,
        }
    }

    /// The event of a file, for this tenant and what `more` names.
    fn event(&self, function: &str, name: &str, more: &[(&'static str, &str)]) -> Value {
        let mut text = text(function, name);
        for (example, real) in &self.swaps {
            text = text.replace(example, real);
        }
        for (example, real) in more {
            assert!(text.contains(example), "{name} names no {example}");
            text = text.replace(example, real);
        }
        serde_json::from_str(&text).unwrap()
    }

    async fn http(
        &self,
        function: &str,
        name: &str,
        more: &[(&'static str, &str)],
    ) -> (u64, Value) {
        let event = self.event(function, name, more);
        self.answered(function, &event).await
    }

    async fn answered(&self, function: &str, event: &Value) -> (u64, Value) {
        let answer = self.stack.invoke(output(function), event).await.unwrap();
        let body = answer["body"].as_str().unwrap();
        let body = serde_json::from_str(body).unwrap_or_default();
        (answer["statusCode"].as_u64().unwrap(), body)
    }

    async fn other(&self, function: &str, name: &str, more: &[(&'static str, &str)]) -> Value {
        let event = self.event(function, name, more);
        self.stack.invoke(output(function), &event).await.unwrap()
    }

    async fn incidents(&self, state: IncidentState) -> Vec<Incident> {
        let mut incidents = self.stack.incidents(&self.tenant).await;
        incidents.retain(|incident| incident.state == state);
        incidents
    }

    /// The owner, signed in, instead of the key of the file.
    fn as_owner(&self, event: &mut Value) {
        let owner = &self.tenant.people[&Role::Owner];
        let subject = owner.strip_prefix("person:").unwrap();
        let (subject, project) = subject.split_once('@').unwrap();
        let token = stage().issuer.mint(subject, |_| {});
        event["headers"]["authorization"] = json!(format!("Bearer {token}"));
        event["headers"]["counterfoil-project"] = json!(project);
    }

    /// The vote of a file on an action as it was displayed.
    async fn vote(&self, name: &str, action: &Value) -> (u64, Value) {
        let id = action["id"].as_str().unwrap();
        let digest = action["action_digest"].as_str().unwrap();
        let shown = format!("sha256:{}", "f".repeat(64));
        let mut event = self.event("repair-approve", name, &[(ACTION, id)]);
        let ballot = event["body"].as_str().unwrap().replace(&shown, digest);
        event["body"] = json!(ballot);
        self.answered("repair-approve", &event).await
    }
}

#[test]
fn every_event_does_its_work_for_the_tenant_it_names() {
    let stage = stage();
    let parameters = [
        ("StripeEventSource", SOURCE),
        ("StripeEventProject", PROJECT),
        ("OidcIssuer", ISSUER),
        ("OidcAudience", "https://api.example.com"),
        ("OidcClientId", "cli"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let stack = stage.other_stack_with(parameters.into());
    stage.run(async {
        let real = Real::new(stage, &stack).await;
        deliveries(&real).await;
        event_bus_of(&real).await;
        let run = scan(&real).await;
        let follow_up = requests(&real, &run).await;
        exports(&real, &follow_up).await;
        sign_in(&real).await;
        tenants(&real).await;
        checks(&real, &run).await;
        sealing(&real).await;
    });
}

/// A key of one project reaches nothing of its workspace, founds nothing and joins nothing.
async fn tenants(real: &Real<'_>) {
    let (status, me) = real.http("api", "read-me", &[]).await;
    assert_eq!((status, &me["type"]), (200, &json!("api_key")), "{me}");
    assert_eq!(me["project_id"], json!(real.tenant.project.id));
    assert!(me.get("secret").is_none(), "{me}");
    let (status, mine) = real.http("api", "list-workspaces", &[]).await;
    assert_eq!((status, &mine["items"]), (200, &json!([])));
    for name in ["found-workspace", "accept-invitation"] {
        let (status, refused) = real.http("api", name, &[]).await;
        assert_eq!(
            (status, &refused["code"]),
            (403, &json!("capability-missing"))
        );
    }
    for name in [
        "read-workspace",
        "rename-workspace",
        "list-members",
        "read-member",
        "change-member",
        "remove-member",
        "list-invitations",
        "make-invitation",
        "revoke-invitation",
        "list-keys",
        "make-key",
        "read-key",
        "revoke-key",
        "rotate-key",
    ] {
        let (status, nothing) = real.http("api", name, &[]).await;
        assert_eq!(
            (status, &nothing["code"]),
            (404, &json!("not-found")),
            "{name}"
        );
    }
}

async fn deliveries(real: &Real<'_>) {
    let mut statuses = Vec::new();
    for name in [
        "subscription-updated",
        "subscription-updated-base64",
        "secret-being-rolled",
        "thin-event",
        "altered-body",
        "not-signed",
    ] {
        let mut event = real.event("stripe-webhook", name, &[]);
        let signed = if name == "altered-body" {
            real.event("stripe-webhook", "subscription-updated", &[])
        } else {
            event.clone()
        };
        let body = signed["body"].as_str().unwrap();
        let body = match signed["isBase64Encoded"].as_bool() {
            Some(true) => STANDARD.decode(body).unwrap(),
            _ => body.as_bytes().to_vec(),
        };
        let secrets = ["whsec_test_secret_old", &real.tenant.webhook_secret];
        let secrets = if name == "secret-being-rolled" {
            &secrets[..]
        } else {
            &secrets[1..]
        };
        if let Some(header) = event.pointer_mut("/headers/stripe-signature") {
            *header = json!(sign_event(secrets, &body, now().as_secs()));
        }
        statuses.push((name, real.answered("stripe-webhook", &event).await.0));
    }
    let expected = [
        ("subscription-updated", 200),
        ("subscription-updated-base64", 200),
        ("secret-being-rolled", 200),
        ("thin-event", 200),
        ("altered-body", 400),
        ("not-signed", 400),
    ];
    assert_eq!(statuses, expected);
}

/// An event of the event bus, before and after the function knows whose it is.
async fn event_bus_of(real: &Real<'_>) {
    let account = [("111122223333", real.stack.deployment.account.as_str())];
    let event = real.event("stripe-webhook", "from-event-bus", &account);
    // The parameter names the project of the examples, which is not there.
    assert_eq!(
        says(real.stack, "stripe-webhook", &event).await,
        Says::Failed
    );
    let project = real.tenant.project.id.to_string();
    real.stack
        .configure(output("stripe-webhook"), "STRIPE_EVENT_PROJECT", &project)
        .await;
    let mut outcomes = Vec::new();
    let mut test = event.clone();
    test["detail"]["livemode"] = json!(false);
    let mut other = event.clone();
    other["source"] = json!(format!("{SOURCE}2"));
    for event in [&event, &event, &test, &other] {
        outcomes.push(says(real.stack, "stripe-webhook", event).await);
    }
    let outcome = |name: &str| Says::Answer(json!({ "outcome": name }));
    let expected = [
        outcome("queued"),
        outcome("duplicate"),
        outcome("refused"),
        Says::Failed,
    ];
    assert_eq!(outcomes, expected);
}

/// The run of the scheduled scan, when it has proposed.
async fn scan(real: &Real<'_>) -> String {
    let answer = real.other("scheduled-reconcile", "scan", &[]).await;
    let run = answer["runs"][0].as_str().unwrap().to_owned();
    wait("the end of the scan", async || {
        let runs = real.stack.runs(&real.tenant).await;
        let scan = runs.into_iter().find(|known| known.id.to_string() == run);
        (scan?.step == RunStep::Done).then_some(())
    })
    .await;
    let due = real.other("scheduled-reconcile", "due", &[]).await;
    assert_eq!(due, json!({ "runs": [] }), "the next one is hours away");
    schedule(real).await;
    run
}

/// The approver of the files may look at the schedule; the owner changes it.
async fn schedule(real: &Real<'_>) {
    let (status, shown) = real.http("api", "read-schedule", &[]).await;
    assert_eq!((status, &shown["full_every_hours"]), (200, &json!(168)));
    assert_eq!(shown["incremental_every_hours"], json!(2));
    assert!(shown["measured"]["full_scan_seconds"].as_u64() > Some(0));
    let (status, denied) = real.http("api", "change-schedule", &[]).await;
    assert_eq!((status, &denied["code"]), (403, &json!("action-denied")));
    let change = async |more: &[(&'static str, &str)]| {
        let mut event = real.event("api", "change-schedule", more);
        real.as_owner(&mut event);
        real.answered("api", &event).await
    };
    let (status, changed) = change(&[]).await;
    assert_eq!(
        (status, &changed["incremental_every_hours"]),
        (200, &json!(6)),
        "{changed}"
    );
    let (status, stale) = change(&[]).await;
    assert_eq!(
        (status, &stale["code"]),
        (412, &json!("precondition-failed"))
    );
    let hourly = [("\\\"0\\\"", "\\\"1\\\""), (":168,", ":1,")];
    let (status, refused) = change(&hourly).await;
    assert_eq!(status, 400, "{refused}");
    let error = &refused["errors"][0];
    assert_eq!(error["pointer"], "/full_every_hours");
    let rule = error["detail"].as_str().unwrap();
    assert!(rule.contains("hours or less often fits"), "{rule}");
}

/// Returns the run of the approved repair.
async fn requests(real: &Real<'_>, run: &str) -> String {
    let (status, _) = real.http("repair-approve", "not-authenticated", &[]).await;
    assert_eq!(status, 401);
    let (status, inbox) = real.http("repair-approve", "inbox", &[]).await;
    assert_eq!(status, 200);
    let held = inbox["items"].as_array().unwrap();
    assert_eq!(held.len(), 4, "the mapping's limit");
    for action in held {
        assert_eq!(
            action["proposer"],
            json!({ "type": "scheduler", "id": run })
        );
        assert_eq!(action["decision"]["effect"], "REQUIRE");
    }
    let (status, approved) = real.vote("approve", &held[0]).await;
    assert_eq!(
        (status, &approved["state"]),
        (200, &json!("verified")),
        "{approved}"
    );
    let (status, rejected) = real.vote("reject", &held[1]).await;
    assert_eq!(
        (status, &rejected["state"]),
        (200, &json!("rejected")),
        "{rejected}"
    );

    let open = real.incidents(IncidentState::Open).await;
    let open = open
        .iter()
        .find(|incident| incident.finding.not_repairable.is_none());
    let incident = open.unwrap().id.to_string();
    let swaps = [(INCIDENT, incident.as_str())];
    let (status, proposed) = real
        .http("repair-approve", "propose-for-incident", &swaps)
        .await;
    assert_eq!(
        (status, &proposed["state"]),
        (201, &json!("held")),
        "{proposed}"
    );
    let id = [(ACTION, proposed["id"].as_str().unwrap())];
    let (status, read) = real.http("repair-approve", "read-action", &id).await;
    assert_eq!((status, &read), (200, &proposed));
    let (status, refused) = real.vote("execute", &proposed).await;
    assert_eq!((status, &refused["code"]), (409, &json!("action-held")));
    let (status, cancelled) = real.http("repair-approve", "cancel", &id).await;
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")));
    let (status, refused) = real.http("repair-approve", "undo", &id).await;
    assert_eq!((status, &refused["code"]), (409, &json!("wrong-state")));

    // The run is done: its id is no credential any more.
    let swaps = [(RUN, run), (INCIDENT, incident.as_str())];
    let late = real
        .other("repair-approve", "propose-by-scan", &swaps)
        .await;
    assert_eq!(late, json!({ "action": null }));
    let swept = real.other("repair-approve", "sweep", &[]).await;
    let nothing = json!({ "finished": 0, "left": 0, "projects_left": 0 });
    assert_eq!(swept, nothing);
    approved["follow_up_run"].as_str().unwrap().to_owned()
}

async fn exports(real: &Real<'_>, run: &str) {
    // The approver of the files may not export; the owner may.
    let ada = real.tenant.ada.as_str();
    let ben: &str = &real.tenant.ben;
    let (status, _) = real.http("export", "create", &[(RUN, run)]).await;
    assert_eq!(status, 403);
    let owned = |name, more: &[(&'static str, &str)]| {
        let mut event = real.event("export", name, more);
        event["headers"]["authorization"] = json!(format!("Bearer {ada}"));
        assert_ne!(ada, ben);
        event
    };
    let (status, made) = real
        .answered("export", &owned("create", &[(RUN, run)]))
        .await;
    assert_eq!(status, 202, "{made}");
    let id = [(EXPORT, made["id"].as_str().unwrap())];
    // The queue may have brought it already; then the message finds nothing to do, or a worker.
    real.other("export", "request", &id).await;
    let read = wait("the export", async || {
        let (status, read) = real.answered("export", &owned("read", &id)).await;
        assert_eq!(status, 200, "{read}");
        (read["state"] == "ready").then_some(read)
    });
    let read = read.await;
    let (status, link) = real.answered("export", &owned("download", &id)).await;
    assert_eq!(status, 200, "{link}");
    let fetched = reqwest::get(link["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(
        fetched.bytes().await.unwrap().len(),
        usize::try_from(read["bytes"].as_u64().unwrap()).unwrap()
    );
}

async fn sign_in(real: &Real<'_>) {
    let (status, place) = real.http("api", "read-login", &[]).await;
    // The issuer of the stage: all stacks have it from their environment.
    let told =
        json!({ "issuer": stage().issuer.url(), "client_id": CLIENT_ID, "scope": "counterfoil" });
    assert_eq!((status, place), (200, told));
    let file = real.other("api", "read-security", &[]).await;
    assert_eq!(file["headers"]["content-type"], "text/plain; charset=utf-8");
    let committed = include_str!("../../docs/security.txt");
    assert_eq!(
        (&file["statusCode"], &file["body"]),
        (&json!(200), &json!(committed))
    );
}

async fn checks(real: &Real<'_>, run: &str) {
    let before = real.stack.runs(&real.tenant).await.len();
    let answer = real
        .other("scheduled-reconcile", "check-customer", &[])
        .await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let answer = real
        .other("scheduled-reconcile", "check-batch", &[(RUN, run)])
        .await;
    let third = "059f36b4-87a3-44ab-83d2-661970000003";
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [{ "itemIdentifier": third }] })
    );
    assert!(real.stack.runs(&real.tenant).await.len() >= before + 2);
    let answer = real.other("scheduled-reconcile", "probe-key", &[]).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let entries = real.stack.entries(&real.tenant).await;
    let probed = |facts: &Value| facts["topic"] == "probe.stripe_key" && facts["result"] == "ok";
    assert!(entries.iter().any(|entry| probed(&entry.facts)));
    let (status, health) = real.http("api", "read-webhook-health", &[]).await;
    assert_eq!(
        (status, &health["connection"]["state"]),
        (200, &json!("open"))
    );
    let counts = json!({ "duplicate": 2, "queued": 3 });
    assert_eq!(
        health["today"]["counts"], counts,
        "three signed deliveries are one event"
    );
    // The scan is done: its pieces find nothing left to do.
    let answer = real
        .other("scheduled-reconcile", "scan-pieces", &[(RUN, run)])
        .await;
    let last = "059f36b4-87a3-44ab-83d2-661970000014";
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [{ "itemIdentifier": last }] })
    );
}

async fn sealing(real: &Real<'_>) {
    let stream = real.tenant.project.stream_id().unwrap();
    let seals = real.stack.boot.seals().unwrap();
    for name in ["entries-appended", "seal", "seal-stream"] {
        let size = real.stack.entries(&real.tenant).await.len();
        // The table's own stream may have sealed it before; then there is nothing new.
        let answer = real.other("archive", name, &[]).await;
        assert!(answer["sealed"].is_array(), "{name}: {answer}");
        let sealed = seals.last(stream).await.unwrap().unwrap().size;
        assert!(usize::try_from(sealed).unwrap() >= size, "{name}");
    }
    for name in ["entry-changed", "entry-removed"] {
        let answer = real.other("archive", name, &[]).await;
        let refused = json!([{ "stream": stream.to_string(), "cause": "item_changed" }]);
        assert_eq!(answer["refused"], refused, "{name}: {answer}");
    }
    // Nothing was changed in truth, and so the refusal can be lifted.
    let answer = real.other("archive", "recheck", &[]).await;
    assert!(answer["intact"]["sealed"].is_u64(), "{answer}");
    let answer = real.other("archive", "seal-stream", &[]).await;
    assert!(answer["sealed"].is_array(), "{answer}");
}
