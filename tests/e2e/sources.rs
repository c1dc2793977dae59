//! A side that cannot be read whole proves nothing: the run is partial and no incident opens.

use counterfoil_core::run::{Run, RunResult};
use counterfoil_testkit::stripe::Permission;

use super::stage::{Stage, stage};
use super::tenant::{SECRET_MARK, Setup, Tenant};

/// The check that a webhook causes, after its end.
async fn check(stage: &Stage, tenant: &Tenant) -> Run {
    let (customer, _) = stage.drifted("paid_no_access");
    let taken = stage.webhook(tenant, &customer).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    stage.finished_check(tenant).await
}

/// The run says which side failed, in its record and for ever, and nothing came of it.
async fn proves_nothing(stage: &Stage, tenant: &Tenant, code: &str) {
    let run = check(stage, tenant).await;
    assert_eq!(run.result, Some(RunResult::Partial), "{code}");
    let entries = stage.main.entries(tenant).await;
    let id = run.id.to_string();
    let close = entries
        .iter()
        .find(|entry| entry.kind == "run.close" && entry.run == id);
    let facts = &close.unwrap().facts;
    assert_eq!(facts["result"], code);
    assert_eq!(facts["status"], "failed");
    assert!(stage.main.incidents(tenant).await.is_empty(), "{code}");
}

#[test]
fn a_stripe_key_that_may_not_read_everything_opens_no_incident() {
    let stage = stage();
    stage.run(async {
        let stripe = &stage.stripe;
        let without = |missing: Permission| {
            let mut permissions = Permission::ALL.to_vec();
            permissions.retain(|permission| *permission != missing);
            stripe.restricted_key_with(&permissions)
        };
        let revoked = stripe.restricted_key();
        stripe.revoke(&revoked);
        for key in [
            without(Permission::Subscriptions),
            without(Permission::Prices),
            revoked,
            // A secret key is refused before any call.
            format!("sk_live_{SECRET_MARK}0123456789"),
        ] {
            let setup = Setup {
                stripe_key: Some(key),
                ..Setup::default()
            };
            let tenant = stage.tenant_with(setup).await;
            proves_nothing(stage, &tenant, "source-refused").await;
        }
    });
}

#[test]
fn a_database_that_does_not_answer_opens_no_incident() {
    let stage = stage();
    stage.run(async {
        // Nothing listens on port 1.
        let setup = Setup {
            read_url: Some(format!("postgres://nobody:{SECRET_MARK}@127.0.0.1:1/app")),
            ..Setup::default()
        };
        let tenant = stage.tenant_with(setup).await;
        proves_nothing(stage, &tenant, "source-unavailable").await;
    });
}

#[test]
fn a_role_that_may_not_log_in_opens_no_incident() {
    let stage = stage();
    stage.run(async {
        let setup = Setup {
            read_url: Some(stage.postgres.url("postgres", SECRET_MARK, "postgres")),
            ..Setup::default()
        };
        let tenant = stage.tenant_with(setup).await;
        proves_nothing(stage, &tenant, "source-refused").await;
    });
}

#[test]
fn a_column_that_may_not_be_read_opens_no_incident() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let role = reading_role(&tenant);
        let revoke = format!("REVOKE SELECT (plan) ON app_users FROM {role}");
        stage.postgres.sql(&tenant.database, &revoke).unwrap();
        proves_nothing(stage, &tenant, "mapping-mismatch").await;
    });
}

#[test]
fn a_reading_role_that_can_write_is_refused_by_name() {
    let stage = stage();
    stage.run(async {
        for right in ["UPDATE (name)", "INSERT", "DELETE", "TRUNCATE"] {
            let tenant = stage.tenant().await;
            let role = reading_role(&tenant);
            let grant = format!("GRANT {right} ON app_users TO {role}");
            stage.postgres.sql(&tenant.database, &grant).unwrap();
            proves_nothing(stage, &tenant, "role-can-write").await;
        }
    });
}

fn reading_role(tenant: &Tenant) -> String {
    tenant.database.replace("app_", "read_")
}
