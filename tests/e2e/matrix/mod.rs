//! The tenancy matrix: every route, every kind of caller, an id that exists and one that never did.
//!
//! The order of checks is what it tests: who is calling (401), whose it is (404), what they may do
//! (403), and only then what they sent. What is out of reach is, byte for byte, what never existed.

mod principals;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::calls::Answer;
use crate::erasure::member;
use crate::policies::stored;
use crate::stage::{Stage, stage};
use crate::tenant::Tenant;
use counterfoil_core::tenancy::Role;
use principals::{Name, Principal, Standing, everybody};
use rows::{ROWS, Row, Scope};

const NEVER: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// What there is, by the path it is found under.
pub(crate) struct Records {
    pub(crate) workspace: String,
    pub(crate) project: String,
    pub(crate) ids: BTreeMap<&'static str, String>,
}

impl Records {
    /// The path of a row with what exists, or with a record or a tenant that never did.
    fn path(&self, row: &Row, absent: Absent) -> String {
        let never = |id: &str| match id.split_once('_') {
            Some((prefix, _)) => format!("{prefix}_{NEVER}"),
            // The number of an entry, the hash of a mapping.
            None => "999999".to_owned(),
        };
        let pick = |id: &str, is: bool| if is { never(id) } else { id.to_owned() };
        let tenant = absent == Absent::Tenant;
        let path = row
            .path
            .replace("{workspace_id}", &pick(&self.workspace, tenant));
        let path = path.replace("{project_id}", &pick(&self.project, tenant));
        let path = path.replace("{kind}", "webhook");
        let path = path.replace("{flow}", "refunds");
        let Some((family, _)) = path.split_once('{') else {
            return path;
        };
        let (family, rest) = (family.to_owned(), path.split_once('}').unwrap().1);
        let kind = family.trim_end_matches('/').rsplit('/').next().unwrap();
        // Runs and actions are of two sorts, and these routes are about one of them.
        let kind = match row.path {
            "/v1/runs/{id}/actions" | "/v1/runs/{id}/complete" => "governed runs",
            "/v1/actions/{id}/result" => "actions of runs",
            _ => kind,
        };
        let id = self
            .ids
            .get(kind)
            .unwrap_or_else(|| panic!("no record for {}", row.path));
        format!("{family}{}{rest}", pick(id, absent == Absent::Record))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// Everything exists.
    Nothing,
    /// The record in the path.
    Record,
    /// The project or workspace, in the path or in the header.
    Tenant,
}

impl Row {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether the path names something besides a tenant.
    fn has_record(&self) -> bool {
        let known = ["{workspace_id}", "{project_id}", "{kind}", "{flow}"];
        let rest = known
            .into_iter()
            .fold(self.path.to_owned(), |path, word| path.replace(word, ""));
        rest.contains('{')
    }

    fn names_tenant(&self) -> bool {
        self.path.contains("{workspace_id}") || self.path.contains("{project_id}")
    }

    /// What is sent: nothing that could change anything.
    fn body(&self) -> Value {
        match self.method {
            "GET" | "DELETE" => Value::Null,
            _ => json!({ "no_such_field": true }),
        }
    }
}

async fn send(
    stage: &Stage,
    row: &Row,
    caller: &Principal,
    path: &str,
    header: Option<&str>,
) -> Answer {
    stage
        .knock(
            row.method,
            path,
            caller.bearer.as_deref(),
            header,
            &row.body(),
        )
        .await
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let document = include_str!("../../../docs/openapi.json");
    let document: Value = serde_json::from_str(document).unwrap();
    let mut routes = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                routes.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    let rows: BTreeSet<String> = ROWS.iter().map(Row::name).collect();
    assert_eq!(rows.len(), ROWS.len(), "a row twice");
    assert_eq!(routes, rows);
}

#[test]
fn who_may_call_what_and_what_strangers_learn() {
    let stage = stage();
    stage.run(async {
        let (tenant, foreign) = (stage.tenant().await, stage.tenant().await);
        let (second, _) = stage.second_project(&tenant).await;
        let callers = everybody(stage, &tenant, &foreign, &second).await;
        let records = records(stage, &tenant).await;
        let mut wrong = Vec::new();
        let mut requests = 0_u32;
        for row in ROWS {
            for name in Name::ALL {
                let seen = Seen {
                    stage,
                    row,
                    name,
                    caller: &callers[&name],
                    records: &records,
                };
                let (sent, faults) = seen.all().await;
                requests += sent;
                wrong.extend(faults);
            }
        }
        eprintln!(
            "matrix: {} routes, {} callers, {requests} requests",
            ROWS.len(),
            Name::ALL.len()
        );
        assert!(
            wrong.is_empty(),
            "{} wrong answers:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    });
}

/// One cell of the matrix.
struct Seen<'a> {
    stage: &'a Stage,
    row: &'a Row,
    name: Name,
    caller: &'a Principal,
    records: &'a Records,
}

impl Seen<'_> {
    async fn all(&self) -> (u32, Vec<String>) {
        match (self.row.scope, self.name.standing()) {
            (Scope::Open, _) => self.each(&[(Absent::Nothing, self.row.status)]).await,
            (_, Standing::Unknown) => self.alike(401).await,
            (Scope::Nobody, _) => {
                let status = if self.row.may.contains(&self.name) {
                    self.row.status
                } else {
                    403
                };
                self.each(&[(Absent::Nothing, status)]).await
            }
            (_, Standing::Outside) => self.alike(404).await,
            // A key of one project reaches nothing of its workspace.
            (Scope::Workspace, _) if self.name.is_project_key() => self.alike(404).await,
            (_, Standing::Inside) => {
                let status = if self.row.may.contains(&self.name) {
                    self.row.status
                } else {
                    403
                };
                if self.row.method == "DELETE" && status != 403 && self.name != Name::Owner {
                    return (0, Vec::new());
                }
                let mut asked = vec![(Absent::Nothing, status)];
                if self.row.has_record() {
                    asked.push((Absent::Record, 404));
                }
                self.each(&asked).await
            }
        }
    }

    async fn answer(&self, absent: Absent, outside: bool) -> Answer {
        let path = self.records.path(self.row, absent);
        let never = format!("prj_{NEVER}");
        let by_header = self.row.scope == Scope::Project && !self.row.names_tenant();
        let header = match (by_header, absent) {
            (false, _) => None,
            (true, Absent::Tenant) => Some(never.as_str()),
            (true, _) if outside => Some(self.records.project.as_str()),
            (true, _) if self.name.is_project_key() => None,
            (true, _) => Some(self.caller.project.as_str()),
        };
        send(self.stage, self.row, self.caller, &path, header).await
    }

    async fn each(&self, asked: &[(Absent, u16)]) -> (u32, Vec<String>) {
        let mut wrong = Vec::new();
        let mut sent = 0;
        for (absent, status) in asked {
            let answer = self.answer(*absent, false).await;
            sent += 1;
            if answer.status != *status {
                wrong.push(self.fault(*absent, *status, &answer));
            }
        }
        (sent, wrong)
    }

    /// What exists and what does not is answered alike, byte for byte.
    async fn alike(&self, status: u16) -> (u32, Vec<String>) {
        let mut answers = vec![
            (Absent::Nothing, self.answer(Absent::Nothing, true).await),
            (Absent::Tenant, self.answer(Absent::Tenant, true).await),
        ];
        // In their own tenant, with somebody else's id and with one that never was.
        let own = self.row.has_record() && !self.row.names_tenant() && status == 404;
        // Every stream has an entry of the same number, so this is nobody's in particular.
        let own = own && !self.row.path.contains("{seq}");
        if own && self.name != Name::Stranger {
            answers.push((Absent::Nothing, self.answer(Absent::Nothing, false).await));
            answers.push((Absent::Record, self.answer(Absent::Record, false).await));
        }
        let mut wrong = Vec::new();
        let first = answers[0].1.clone();
        for (absent, answer) in &answers {
            if answer.status != status {
                wrong.push(self.fault(*absent, status, answer));
            } else if *answer != first {
                wrong.push(format!(
                    "{} as {:?}: {absent:?} absent looks different:\n  {first:?}\n  {answer:?}",
                    self.row.name(),
                    self.name
                ));
            }
        }
        (u32::try_from(answers.len()).unwrap(), wrong)
    }

    fn fault(&self, absent: Absent, expected: u16, answer: &Answer) -> String {
        format!(
            "{} as {:?}, {absent:?} absent: {expected} expected, got {} {}",
            self.row.name(),
            self.name,
            answer.status,
            answer.text
        )
    }
}

/// A governed run of the repair key, and the answer to an action of it.
async fn governed(stage: &Stage, tenant: &Tenant) -> (String, Answer) {
    let (key, digest) = (&tenant.repair_key, format!("sha256:{}", "0".repeat(64)));
    let flow = json!({ "id": "refunds", "version_sha256": digest, "kind": "governed" });
    let flow = json!({ "flow": flow });
    let run = stage.post_once("/v1/runs", key, "matrix", &flow).await;
    assert_eq!(run.status, 201, "{}", run.text);
    let path = format!("/v1/runs/{}/actions", run.field("/id"));
    let mail = json!({ "kind": "mail.send", "target": "ticket-1" });
    let mail = json!({ "type": "run.action", "params": mail });
    let acted = stage.post_once(&path, key, "matrix", &mail).await;
    assert_eq!(acted.status, 201, "{}", acted.text);
    (run.field("/id"), acted)
}

/// A change that waits for a second person.
async fn waiting(stage: &Stage, owner: &str) -> String {
    let kinds = json!({ "actions": [{ "kind": "mail.send", "destructive": false }] });
    let path = "/v1/flows/mails";
    let flow = stage.call("GET", path, Some(owner), None, &Value::Null);
    let flow = flow.await;
    let held = stage.call("PUT", path, Some(owner), Some(flow.etag()), &kinds);
    let held = held.await;
    assert_eq!(held.status, 202, "{}", held.text);
    let waits = stage.call("GET", "/v1/changes", Some(owner), None, &Value::Null);
    waits.await.field("/items/0/id")
}

/// A record of every family that a path can name.
pub(crate) async fn records(stage: &Stage, tenant: &Tenant) -> Records {
    let (customer, _) = stage.drifted("paid_no_access");
    let incident = stage.found(tenant, &customer).await;
    let action = stage.propose(tenant, &incident).await;
    let run = incident.opened_by.to_string();
    let export = stage.export(&tenant.ada, &run).await;
    let owner = &tenant.people[&Role::Owner];
    let hold = json!({ "target": { "run": run }, "reason": "kept while the matrix looks at it" });
    let hold = stage.post_once("/v1/holds", owner, "matrix", &hold).await;
    assert_eq!(hold.status, 201, "{}", hold.text);
    let (governed, acted) = governed(stage, tenant).await;
    let workspace = tenant.project.workspace.to_string();
    let invited = json!({ "role": "viewer", "name": "Somebody" });
    let path = format!("/v1/workspaces/{workspace}/invitations");
    let invited = stage.post_once(&path, owner, "matrix", &invited).await;
    assert_eq!(invited.status, 201, "{}", invited.text);
    let path = format!("/v1/workspaces/{workspace}/keys");
    let keys = stage
        .call("GET", &path, Some(owner), None, &Value::Null)
        .await;
    // Not one that approves: replacing that takes a second factor.
    let keys = keys.json();
    let mut keys = keys["items"].as_array().unwrap().iter();
    let plain = keys.find(|key| key["approver"].is_null()).unwrap();
    let plain = plain["id"].as_str().unwrap().to_owned();
    // Somebody who can go: their subject is their id.
    let spare = member(&stage.main, tenant, Role::Viewer).await;
    let spare = spare
        .strip_prefix("person:")
        .unwrap()
        .split_once('@')
        .unwrap()
        .0
        .to_owned();
    Records {
        workspace: tenant.project.workspace.to_string(),
        project: tenant.project.id.to_string(),
        ids: BTreeMap::from([
            ("incidents", incident.id.to_string()),
            ("actions", action.field("/id")),
            ("customers", customer),
            ("runs", run),
            ("governed runs", governed),
            ("actions of runs", acted.field("/action/id")),
            ("decisions", acted.field("/decision/decision")),
            ("entries", "1".to_owned()),
            ("exports", export.field("/id")),
            ("changes", waiting(stage, owner).await),
            ("holds", hold.field("/id")),
            ("invitations", invited.field("/id")),
            ("keys", plain),
            ("members", spare),
            ("mappings", tenant.project.mapping.clone().unwrap()),
            ("policy-bundles", stored(stage, tenant).await),
        ]),
    }
}
