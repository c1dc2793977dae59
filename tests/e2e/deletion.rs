//! Deletion through the real API, the real stores and the real hourly duty. Only the seven days are not
//! waited for: the due time of the stored deletion is put into the past.

use std::sync::Arc;

use counterfoil_core::deletion::{DELAY, Deletion};
use counterfoil_core::evidence::descriptor::Descriptor;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::package::ExportPackage;
use counterfoil_core::evidence::verify::{Package, Trust, verify};
use counterfoil_core::ports::{EvidenceRead, SealStore, State, StateWrite, StoredPart};
use counterfoil_core::records::{Directory, Records, Secret};
use counterfoil_core::tenancy::Role;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{VaultError, facts::segment_entry};
use counterfoil_testkit::memory::{MemStore, SetClock};
use serde_json::{Value, json};

use super::calls::{Answer, alike};
use super::erasure::member;
use super::stage::{Stage, now, stage, wait};
use super::stored::everything;
use super::tenant::Tenant;

const REASON: &str = "we sold this shop last week";
const NEVER: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

async fn get(stage: &Stage, path: &str, key: &str) -> Answer {
    stage.call("GET", path, Some(key), None, &Value::Null).await
}

async fn post(stage: &Stage, path: &str, key: &str, body: &Value) -> Answer {
    stage.call("POST", path, Some(key), None, body).await
}

/// Proposes and confirms; `path` is that of the deletion.
async fn agreed(stage: &Stage, path: &str, owner: &str, second: &str) {
    let body = json!({ "reason": REASON });
    let proposed = post(stage, path, owner, &body).await;
    assert_eq!(
        proposed.says(),
        (202, "proposed".to_owned()),
        "{}",
        proposed.text
    );
    let confirm = format!("{path}/confirm");
    let blind = post(stage, &confirm, second, &Value::Null).await;
    assert_eq!(
        blind.says(),
        (428, "precondition-required".to_owned()),
        "{}",
        blind.text
    );
    let seen = Some(proposed.etag());
    let agree = async |who| {
        let empty = &Value::Null;
        stage.call("POST", &confirm, Some(who), seen, empty).await
    };
    let own = agree(owner).await;
    assert_eq!(own.says(), (409, "wrong-state".to_owned()), "{}", own.text);
    let confirmed = agree(second).await;
    assert_eq!(
        confirmed.says(),
        (202, "confirmed".to_owned()),
        "{}",
        confirmed.text
    );
    let read = get(stage, path, owner).await;
    assert_eq!(read.json()["reason"], REASON);
    assert!(!read.field("/due_at").is_empty(), "{}", read.text);
}

/// Puts the due time of a deletion into the past.
async fn let_it_be_due(stage: &Stage, tenant: &Tenant, id: &str) {
    let state = stage.main.boot.state().unwrap();
    let partition = format!("{}#deletion", tenant.project.workspace);
    let rows = state.list(&partition, id).await.unwrap();
    let row = rows.into_iter().next().unwrap();
    let mut deletion: Deletion = serde_json::from_value(row.doc).unwrap();
    let confirmed = deletion.confirmed.as_mut().unwrap();
    assert_eq!(confirmed.due_at, confirmed.at.plus(DELAY));
    confirmed.due_at = Timestamp::from_millis(0);
    let doc = serde_json::to_value(&deletion).unwrap();
    let write = StateWrite::replace(row.key, row.version, doc).citing(row.evidence.unwrap());
    assert!(state.write(vec![write]).await.unwrap());
}

/// The hourly duty, until `path` is answered as what never existed.
async fn carried_out(stage: &Stage, path: &str, key: &str, gone: u16) {
    let duty = json!({ "detail": { "job": "retention" } });
    wait("the end of the deletion", async || {
        // Other tests leave projects on which the duty fails; the deletion is done all the same.
        stage.main.invoke("ApiFunctionName", &duty).await;
        let answer = get(stage, path, key).await;
        (answer.status == gone).then_some(())
    })
    .await;
}

/// Rows, data keys and objects that are still there under any of these.
async fn left(stage: &Stage, words: &[String]) -> Vec<String> {
    let named = |output| stage.main.deployment.output(output).unwrap();
    let state = format!("table {} ", named("StateTable"));
    let others = [
        format!("table {} ", named("DataKeysTable")),
        format!("object {}/", named("DataBucket")),
    ];
    let mut found = Vec::new();
    for it in everything(&stage.main).await {
        let ours = words
            .iter()
            .any(|word| it.has(word) || it.place.contains(word));
        let of_state = it.place.starts_with(&state) && !it.has("directory#deleted");
        let removed = of_state || others.iter().any(|other| it.place.starts_with(other));
        if ours && removed {
            let text = String::from_utf8_lossy(&it.bytes);
            found.push(format!("{} {text}", it.place));
        }
    }
    found
}

/// The secrets of a project as a backup of the state table holds them.
async fn backup(stage: &Stage, tenant: &Tenant) -> Arc<MemStore> {
    let copy = Arc::new(MemStore::new(SetClock::at(now())));
    let state = stage.main.boot.state().unwrap();
    let of = &tenant.project;
    let partition = format!("{}#{}#secret", of.workspace, of.id);
    for row in state.list(&partition, "").await.unwrap() {
        let write = StateWrite::create(row.key, row.doc);
        assert!(copy.write(vec![write]).await.unwrap());
    }
    copy
}

/// How many secrets of the backup open with the deployment's own rights, of how many.
async fn opens(stage: &Stage, tenant: &Tenant, copy: &MemStore) -> (usize, usize) {
    let vault = stage.main.boot.vault().unwrap();
    let ctx = Directory::system(&tenant.project, "thief");
    let records = Records::of(copy, &ctx);
    let secrets = records.list::<Secret>().await.unwrap();
    let mut opened = 0;
    for secret in &secrets {
        let (id, purpose) = (secret.value.id, secret.value.purpose);
        match vault.secret_bytes(&records, &ctx, id, purpose).await {
            Ok(_) => opened += 1,
            Err(error) => assert!(matches!(error, VaultError::Shredded), "{error:?}"),
        }
    }
    (opened, secrets.len())
}

/// What an outsider says of a stream that the API offers no more: its entries and seals as stored.
async fn verifies(stage: &Stage, stream: &str) {
    let main = &stage.main;
    let seal = json!({ "seal": { "stream": stream } });
    main.invoke("ArchiveFunction", &seal).await.unwrap();
    let id = stream.parse().unwrap();
    let reader = main.boot.evidence().unwrap();
    let size = reader.head(id).await.unwrap().unwrap().size;
    let entries = reader.entries(id, 0, size).await.unwrap();
    let Some(StoredPart::Present { bytes, .. }) = &entries[0].facts else {
        panic!("no genesis");
    };
    let genesis = Json::parse(bytes).unwrap();
    let descriptor = Descriptor::from_json(genesis.get("descriptor").unwrap()).unwrap();
    let mut package = ExportPackage::new(&descriptor);
    for entry in &entries {
        let people = matches!(entry.subject, Some(StoredPart::Present { .. }));
        assert!(!people, "entry {} has contents of people", entry.seq);
        package.add(&segment_entry(entry)).unwrap();
    }
    for seal in main.boot.seals().unwrap().all(id).await.unwrap() {
        package.seal(&seal.note).unwrap();
    }
    let trust = Trust::new(main.seal_key().await, id);
    let verdict = verify(Package::Document(&package.document()), &trust);
    assert!(verdict.is_accepted(), "{:?}", verdict.result);
}

#[test]
fn a_deleted_project_answers_as_one_that_never_existed_and_its_backup_opens_nothing() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let neighbour = stage.tenant().await;
        let (_, sibling) = stage.second_project(&tenant).await;
        let (customer, _) = stage.drifted("paid_no_access");
        stage.found(&tenant, &customer).await;
        let (owner, admin) = (&tenant.people[&Role::Owner], &tenant.people[&Role::Admin]);
        let id = tenant.project.id.to_string();
        let project = format!("/v1/projects/{id}");
        let path = format!("{project}/deletion");
        let body = json!({ "reason": REASON });
        let refused = post(stage, &path, &tenant.ada, &body).await;
        assert_eq!(refused.says(), (403, "action-denied".to_owned()), "a key");
        agreed(stage, &path, owner, admin).await;
        let shown = get(stage, &project, owner).await;
        assert_eq!(shown.json()["deletion"]["state"], "confirmed");
        assert_eq!(get(stage, &project, &tenant.read_key).await.status, 200);
        let copy = backup(stage, &tenant).await;
        let (opened, all) = opens(stage, &tenant, &copy).await;
        assert!(all >= 5 && opened == all, "{opened} of {all}");
        let prefix = format!("{}#{id}", tenant.project.workspace);
        let words = [prefix, format!("/{id}/")];
        assert!(left(stage, &words).await.len() > 10);

        let_it_be_due(stage, &tenant, &id).await;
        carried_out(stage, &project, owner, 404).await;
        let never = format!("/v1/projects/prj_{NEVER}");
        let mut answers = Vec::new();
        for path in [&project, &never] {
            answers.push((path.clone(), get(stage, path, owner).await));
        }
        alike(&answers, 404);
        assert_eq!(get(stage, "/v1/runs", &tenant.read_key).await.status, 401);
        assert_eq!(opens(stage, &tenant, &copy).await, (0, all));
        let rows = left(stage, &words).await;
        assert!(rows.is_empty(), "{rows:#?}");
        verifies(stage, &tenant.project.stream).await;
        let kept = format!("/v1/projects/{}", sibling.id);
        let unbound = format!("{}@", owner.split_once('@').unwrap().0);
        assert_eq!(get(stage, &kept, &unbound).await.status, 200);
        let other = format!("/v1/projects/{}", neighbour.project.id);
        let theirs = &neighbour.people[&Role::Owner];
        assert_eq!(get(stage, &other, theirs).await.status, 200);
        let copy = backup(stage, &neighbour).await;
        let (opened, all) = opens(stage, &neighbour, &copy).await;
        assert_eq!(opened, all, "the neighbour's open");
    });
}

#[test]
fn a_deleted_workspace_leaves_no_row_no_key_and_no_person() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let second = member(&stage.main, &tenant, Role::Owner).await;
        let owner = &tenant.people[&Role::Owner];
        let id = tenant.project.workspace.to_string();
        let workspace = format!("/v1/workspaces/{id}");
        let path = format!("{workspace}/deletion");
        let state = stage.main.boot.state().unwrap();
        let directory = Directory::of(state.as_ref());
        let stream = directory.workspace(tenant.project.workspace).await;
        let stream = stream.unwrap().unwrap().value.stream;
        let members = directory.members(tenant.project.workspace).await.unwrap();
        let copy = backup(stage, &tenant).await;

        agreed(stage, &path, owner, &second).await;
        let kept = stage.call("DELETE", &path, Some(owner), None, &Value::Null);
        assert_eq!(kept.await.status, 204);
        let read = get(stage, &path, owner).await;
        assert_eq!(read.says(), (200, "none".to_owned()), "{}", read.text);
        agreed(stage, &path, owner, &second).await;
        let shown = get(stage, &workspace, owner).await;
        assert_eq!(shown.json()["deletion"]["state"], "confirmed");
        let_it_be_due(stage, &tenant, &id).await;
        carried_out(stage, &workspace, owner, 404).await;

        assert_eq!(get(stage, "/v1/runs", &tenant.read_key).await.status, 401);
        let me = get(stage, "/v1/me", owner).await.json();
        assert_eq!(me["id"], Value::Null, "nobody knows them: {me}");
        let (opened, _) = opens(stage, &tenant, &copy).await;
        assert_eq!(opened, 0);
        let logins = members.iter().filter_map(|member| member.login.as_ref());
        let mut words: Vec<String> = logins.map(|login| format!("login#{login}")).collect();
        words.extend([id, format!("/{}/", tenant.project.id)]);
        let rows = left(stage, &words).await;
        assert!(rows.is_empty(), "{rows:#?}");
        verifies(stage, &stream).await;
        verifies(stage, &tenant.project.stream).await;
    });
}
