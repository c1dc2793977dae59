//! From nothing to an incident, over the API and the command line alone: a person signs in, founds a
//! workspace, makes a project, connects Stripe and a database, stores and activates a mapping, and asks
//! for a scan. Nothing is prepared behind the API's back.

use std::path::Path;

use counterfoil_core::redacted::Redacted;
use counterfoil_testkit::stripe::{APP_USERS_TABLE, insert_users};
use serde_json::{Value, json};

use super::calls::{Answer, person};
use super::stage::{Stage, stage, wait};
use super::tenant::{MAPPING, REPAIRABLE, role};
use super::terminal::{Said, Terminal};

/// Somebody new, and what they have made so far.
struct Founder {
    stage: &'static Stage,
    /// How they sign in.
    subject: String,
    terminal: Terminal,
    workspace: String,
    project: String,
}

impl Founder {
    async fn post(&self, path: &str, body: Value) -> Answer {
        let who = person(&self.subject, "");
        self.stage.call("POST", path, Some(&who), None, &body).await
    }

    /// A POST about the project that the header names.
    async fn post_in(&self, path: &str, body: Value) -> Answer {
        let who = person(&self.subject, &self.project);
        self.stage.call("POST", path, Some(&who), None, &body).await
    }

    async fn get(&self, path: &str) -> Answer {
        let who = person(&self.subject, &self.project);
        self.stage
            .call("GET", path, Some(&who), None, &Value::Null)
            .await
    }

    async fn connect(&self, kind: &str, secret: &Redacted<String>) -> Answer {
        let path = format!("/v1/projects/{}/connections/{kind}", self.project);
        let who = person(&self.subject, "");
        let body = json!({ "secret": secret.reveal() });
        let shown = self.get(&format!("/v1/projects/{}", self.project)).await;
        let etag = Some(shown.etag());
        self.stage.call("PUT", &path, Some(&who), etag, &body).await
    }

    async fn missing(&self) -> usize {
        let project = self.get(&format!("/v1/projects/{}", self.project)).await;
        assert_eq!(project.status, 200, "{}", project.text);
        project.json()["missing"].as_array().unwrap().len()
    }

    /// `counterfoil project map`.
    fn map(&self, file: &Path, more: &[&str]) -> Said {
        let file = file.to_str().unwrap();
        let words = ["project", "map", file, "--project", &self.project];
        self.terminal.run(&[&words, more].concat())
    }
}

#[test]
fn a_person_goes_from_nothing_to_an_incident_over_the_api_and_the_command_line() {
    let stage = stage();
    stage.run(async {
        let number = stage.number();
        let subject = format!("founder-{number}");
        let mut founder = Founder {
            stage,
            terminal: Terminal::of(stage, &subject),
            subject,
            workspace: String::new(),
            project: String::new(),
        };
        let founded = json!({ "name": "New shop", "your_name": "Fay" });
        let founded = founder.post("/v1/workspaces", founded).await;
        assert_eq!(founded.status, 201, "{}", founded.text);
        founder.workspace = founded.field("/id");
        let path = format!("/v1/workspaces/{}/projects", founder.workspace);
        let made = json!({ "name": "Shop", "environment": "live" });
        let made = founder.post(&path, made).await;
        assert_eq!(made.status, 201, "{}", made.text);
        founder.project = made.field("/id");
        assert_eq!(founder.missing().await, 3);

        connects(&founder, number).await;
        maps(&founder).await;
        assert_eq!(founder.missing().await, 0);
        repairs(&founder, number).await;
        scans(&founder).await;
    });
}

/// Stripe and a real Postgres, whose credentials are probed.
async fn connects(founder: &Founder, number: u32) {
    let stage = founder.stage;
    let stripe = Redacted::new(stage.stripe.restricted_key());
    let connected = founder.connect("stripe", &stripe).await;
    assert_eq!(connected.status, 200, "{}", connected.text);
    let database = format!("founded_{number}");
    stage.postgres.create_database(&database).unwrap();
    stage.postgres.sql(&database, APP_USERS_TABLE).unwrap();
    let rows = insert_users(&stage.sample.users);
    stage.postgres.sql(&database, &rows).unwrap();
    let name = format!("read_founded_{number}");
    let url = role(&stage.postgres, &database, &name, "read-role.sql", &[]);
    let connected = founder.connect("database", &Redacted::new(url)).await;
    assert_eq!(connected.status, 200, "{}", connected.text);
}

/// Without a mapping nothing is checked; a wrong one is refused, a right one stored, then activated.
async fn maps(founder: &Founder) {
    let early = json!({ "project": founder.project });
    let early = founder.post_in("/v1/checks", early).await;
    assert_eq!(early.says(), (409, "project-incomplete".to_owned()));

    let mappings = format!("/v1/projects/{}/mappings", founder.project);
    let wrong = MAPPING.replace("[match]", "[mtach]");
    assert_ne!(wrong, MAPPING);
    let body = json!({ "format": "toml", "text": wrong });
    let refused = founder.post(&mappings, body).await;
    assert_eq!(refused.says(), (422, "mapping-invalid".to_owned()));
    let errors = refused.json()["errors"].clone();
    let line = wrong
        .lines()
        .position(|line| line.starts_with("[mtach]"))
        .unwrap();
    let misspelt = errors.as_array().unwrap().iter();
    let misspelt = misspelt.clone().find(|it| it["path"] == "mtach").unwrap();
    assert_eq!(misspelt["line"], line + 1, "{misspelt}");
    assert_eq!(misspelt["fix"], "did you mean `match`?", "{misspelt}");
    let none = founder.get(&mappings).await;
    assert_eq!(none.json()["items"], json!([]), "nothing was stored");

    founder.terminal.sign_in().await;
    let said = founder.map(&founder.terminal.file("wrong.toml", &wrong), &[]);
    assert_eq!(said.status, 2, "{}", said.err);
    let told = format!("wrong.toml:{}:", line + 1);
    assert!(
        said.err.contains(&told) && said.err.contains("did you mean `match`?"),
        "{}",
        said.err
    );
    // The second look need not wait for long.
    let quick = MAPPING.replace("race_grace = \"2s\"", "race_grace = \"1s\"");
    assert_ne!(quick, MAPPING);
    let file = founder.terminal.file("counterfoil.toml", &quick);
    let said = founder.map(&file, &[]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("does not count yet"), "{}", said.out);
    assert_eq!(founder.missing().await, 1);
    let said = founder.map(&file, &["--activate"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("is active"), "{}", said.out);

    let listed = founder.get(&mappings).await.json();
    let [mapping] = listed["items"].as_array().unwrap().as_slice() else {
        panic!("{listed}");
    };
    assert_eq!(mapping["active"], true);
    let hash = mapping["hash"].as_str().unwrap();
    let read = founder.get(&format!("{mappings}/{hash}")).await.json();
    assert_eq!(read["source"], json!({ "format": "toml", "text": quick }));
}

/// The repair role is compared with the mapping; a mapping that lets repairs do more waits.
async fn repairs(founder: &Founder, number: u32) {
    let database = format!("founded_{number}");
    let name = format!("repair_founded_{number}");
    let update = [("update_columns", REPAIRABLE)];
    let postgres = &founder.stage.postgres;
    let url = role(postgres, &database, &name, "repair-role.sql", &update);
    let connected = founder.connect("repair", &Redacted::new(url)).await;
    assert_eq!(connected.status, 200, "{}", connected.text);
    let more = MAPPING.replace("max_repairs_per_run = 4", "max_repairs_per_run = 500");
    assert_ne!(more, MAPPING);
    let said = founder.map(&founder.terminal.file("more.toml", &more), &["--activate"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("second person"), "{}", said.out);
    let path = format!("/v1/projects/{}", founder.project);
    let project = founder.get(&path).await.json();
    assert_ne!(project["mapping"], project["proposed"]["mapping"]);
}

async fn scans(founder: &Founder) {
    let asked = json!({ "project": founder.project });
    let asked = founder.post_in("/v1/checks", asked).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let poll = asked.field("/poll");
    let (customer, _) = founder.stage.drifted("paid_no_access");
    let path = format!("/v1/incidents?customer={customer}");
    let found = wait("the incident", async || {
        let incidents = founder.get(&path).await.json();
        incidents["items"].as_array()?.first().cloned()
    });
    let incident = found.await;
    assert_eq!(incident["kind"], "paid_no_access", "{incident}");
    assert_eq!(incident["state"], "open", "{incident}");
    let run = poll.rsplit('/').next().unwrap();
    let ended = wait("the end of the run", async || {
        let runs = founder.get("/v1/runs").await.json();
        let mut runs = runs["items"].as_array()?.iter();
        let found = runs.find(|it| it["id"] == run)?;
        (found["status"] != "open").then(|| found.clone())
    });
    let ended = ended.await;
    assert_eq!(ended["status"], "complete", "{ended}");
}
