//! The API keeps the promises of docs/openapi.json: Schemathesis sends what the document allows and
//! what it forbids to the running product, as an owner who has signed in, and compares the answers.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use counterfoil_core::tenancy::Role;
use counterfoil_local::Environment;
use serde_json::json;

use super::stage::{Stage, progress, stage};
use super::tenant::Tenant;

/// Ids that exist, so that requests get further than a 404.
struct Known {
    prefix: &'static str,
    id: String,
}

#[test]
fn the_api_is_what_its_document_says() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let known = known(stage, &tenant).await;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let requirements = root.join("conformance-requirements.txt");
        let python = Environment::ready("conformance", &requirements, &progress).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("schemathesis.toml");
        std::fs::write(&settings, config(stage, &tenant, &known)).unwrap();
        let mut run = Command::new(python.program("schemathesis"));
        run.current_dir(folder.path())
            .arg("--config-file")
            .arg(&settings)
            .arg("--no-color")
            .arg("run")
            .arg(root.join("../docs/openapi.json"))
            .args(["--url", &stage.cloud.api_url])
            // The same requests every time, as far as the answers are the same.
            .args(["--seed", "20261126", "--max-examples", "12"])
            .args(["--workers", "2", "--max-time", "150"])
            .args(["--phases", "examples,coverage,fuzzing"])
            .args(["--request-timeout", "60"]);
        let output = run.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let shown: Vec<&str> = said.lines().collect();
        let end = shown.len().saturating_sub(40);
        eprintln!("{}", shown[end..].join("\n"));
        assert!(
            output.status.success(),
            "{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    });
}

async fn known(stage: &Stage, tenant: &Tenant) -> Vec<Known> {
    let (customer, _) = stage.drifted("paid_no_access");
    let incident = stage.found(tenant, &customer).await;
    let action = stage.propose(tenant, &incident).await;
    let run = incident.opened_by.to_string();
    let export = stage.export(&tenant.ada, &run).await;
    let hold = json!({ "target": { "run": run }, "reason": "kept while it is looked at" });
    let owner = &tenant.people[&Role::Owner];
    let hold = stage
        .post_once("/v1/holds", owner, "conformance", &hold)
        .await;
    let known = |prefix, id| Known { prefix, id };
    vec![
        known("/v1/incidents/", incident.id.to_string()),
        known("/v1/actions/", action.field("/id")),
        known("/v1/customers/", customer),
        known("/v1/runs/", run),
        known("/v1/exports/", export.field("/id")),
        known("/v1/holds/", hold.field("/id")),
    ]
}

/// Who calls, which ids exist, and which checks say something else than this API means.
fn config(stage: &Stage, tenant: &Tenant, known: &[Known]) -> String {
    let subject = tenant.people[&Role::Owner].strip_prefix("person:").unwrap();
    let (subject, project) = subject.split_once('@').unwrap();
    let token = stage.issuer.mint(subject, |_| {});
    let mut text = format!(
        "[auth.openapi.oidc]\n\
         bearer = \"{token}\"\n\n\
         [parameters]\n\
         Counterfoil-Project = \"{project}\"\n\
         project_id = \"{project}\"\n\
         workspace_id = \"{}\"\n\n",
        tenant.project.workspace
    );
    // A request that fits the document may still meet a record that is not in the state for it.
    text.push_str(
        "[checks.positive_data_acceptance]\n\
         expected-statuses = [\"2xx\", \"401\", \"403\", \"404\", \"409\", \"410\", \"412\", \"422\", \"428\"]\n\n\
         [checks.negative_data_rejection]\n\
         expected-statuses = [\"400\", \"401\", \"403\", \"404\", \"405\", \"409\", \"412\", \"413\", \"415\", \"422\", \"428\"]\n\n",
    );
    for Known { prefix, id } in known {
        writeln!(
            text,
            "[[operations]]\ninclude-path-regex = \"^{prefix}\"\nparameters = {{ \"path.id\" = \"{id}\" }}\n"
        )
        .unwrap();
    }
    text
}
