//! Making, naming and listing projects; what an empty one answers.

use counterfoil_core::records::{Missing, Project};
use counterfoil_core::scan::Due;
use counterfoil_core::usecases::{AskChecks, AskError, ProjectChange, ProjectError};

use super::office::{ADMIN, OWNER, Office, VIEWER};

#[tokio::test]
async fn a_project_begins_with_its_stream_its_decision_and_the_key_of_its_pseudonyms() {
    let office = Office::new().await;
    let made = office.make(ADMIN).await.unwrap();
    assert_eq!(made.value.name, "Shop");
    assert_eq!(
        made.value.missing(),
        [Missing::Stripe, Missing::Database, Missing::Mapping]
    );
    assert_eq!(
        office.kinds(&made.value.stream),
        [
            "genesis",
            "run.open",
            "run.decision",
            "config.changed",
            "secret.changed",
            "run.close",
        ]
    );
    let listed = office
        .projects()
        .list(&office.in_workspace(VIEWER).await)
        .await;
    let ids: Vec<_> = listed.unwrap().iter().map(|project| project.id).collect();
    assert_eq!(ids, [made.value.id]);
}

#[tokio::test]
async fn who_may_not_configure_makes_none_and_the_workspace_records_the_refusal() {
    let office = Office::new().await;
    let before = office.kinds(&office.workspace.stream).len();
    let refused = office.make(VIEWER).await.unwrap_err();
    assert!(
        matches!(&refused, ProjectError::Denied(judgement) if judgement.rule == "default-deny"),
        "{refused:?}"
    );
    let after = office.kinds(&office.workspace.stream);
    assert_eq!(after[before..], ["run.open", "run.decision", "run.close"]);
    let listed = office
        .projects()
        .list(&office.in_workspace(OWNER).await)
        .await;
    assert_eq!(listed.unwrap(), []);
}

#[tokio::test]
async fn a_project_that_is_not_connected_is_not_scanned_and_says_what_is_missing() {
    let office = Office::new().await;
    let made = office.make(ADMIN).await.unwrap().value;
    let scans = office.world.scans().scan_all(Due::Full).await.unwrap();
    let scanned: Vec<_> = scans.iter().map(|(project, _)| *project).collect();
    assert_eq!(scanned, [office.world.project.id]);
    let due = office.world.scans().scan_due().await.unwrap();
    assert!(due.iter().all(|(project, _)| *project != made.id));
    let ask = AskChecks {
        state: office.world.store.clone(),
        checks: office.world.mail.clone(),
        scans: office.world.mail.clone(),
        clock: std::sync::Arc::new(office.world.clock.clone()),
        random: office.world.random(),
    };
    let ctx = office.in_project(ADMIN, made.id).await;
    let asked = ask.ask(&ctx, "key-1", &made.id.to_string(), None).await;
    assert!(
        matches!(asked, Err(AskError::Incomplete(Missing::Stripe))),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_change_needs_the_version_that_was_displayed() {
    let office = Office::new().await;
    let made = office.make(ADMIN).await.unwrap();
    let ctx = office.in_project(ADMIN, made.value.id).await;
    let projects = office.projects();
    let wanted = ProjectChange {
        name: Some("Store".to_owned()),
        auto_propose: Some(true),
    };
    let changed = projects.change(&ctx, &wanted, made.version).await.unwrap();
    assert_eq!(
        (changed.version, changed.value.name.as_str()),
        (made.version + 1, "Store")
    );
    let read = projects.read(&ctx).await.unwrap().project;
    assert_eq!(read.value, changed.value);
    assert_eq!(read.evidence, changed.evidence);
    let late = projects.change(&ctx, &wanted, made.version).await;
    assert!(matches!(late, Err(ProjectError::Changed)), "{late:?}");
    let viewer = office.in_project(VIEWER, made.value.id).await;
    let denied = projects.change(&viewer, &wanted, changed.version).await;
    assert!(matches!(denied, Err(ProjectError::Denied(_))), "{denied:?}");
}

#[tokio::test]
async fn a_name_is_text_that_fits_a_line() {
    let office = Office::new().await;
    let made = office.make(ADMIN).await.unwrap();
    let ctx = office.in_project(ADMIN, made.value.id).await;
    for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
        let wanted = ProjectChange {
            name: Some(bad.to_owned()),
            auto_propose: None,
        };
        let changed = office.projects().change(&ctx, &wanted, made.version).await;
        let field = match changed {
            Err(ProjectError::Invalid { field, .. }) => field,
            other => panic!("{bad:?}: {other:?}"),
        };
        assert_eq!(field, "/name");
    }
}

#[tokio::test]
async fn rows_from_before_projects_could_be_empty_are_read() {
    let office = Office::new().await;
    let mut row = serde_json::to_value(&office.world.project).unwrap();
    assert!(row["mapping"].is_string() && row["stripe_key"].is_string());
    let fields = row.as_object_mut().unwrap();
    fields.remove("mapping");
    let read: Project = serde_json::from_value(row).unwrap();
    assert_eq!(read.missing(), [Missing::Mapping]);
}
