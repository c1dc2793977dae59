//! No secret leaves the place where it belongs: whatever the tests of this binary have made the
//! product answer, log and store so far is searched for every secret they gave it.

use counterfoil_core::ids::SecretId;
use counterfoil_core::sealed::{Purpose, SealContext};
use counterfoil_core::tenancy::Role;
use serde_json::json;

use super::calls::{ballot, heard};
use super::needles::Needle;
use super::stage::{Stage, stage};
use super::stored::{Searched, everything};
use super::tenant::{SECRET_MARK, Tenant};

const FUNCTIONS: [&str; 7] = [
    "stripe-webhook",
    "scheduled-reconcile",
    "repair-approve",
    "export",
    "api",
    "archive",
    "mcp",
];

#[test]
fn no_secret_is_found_where_it_does_not_belong() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let shown = story(stage, &tenant).await;
        let mut needles = needles(stage, &tenant);
        needles.extend(data_keys(stage, &tenant).await);
        needles.extend(shown);
        let mut hay = everything(&stage.main).await;
        for function in FUNCTIONS {
            let lines = stage.main.logged(function).await.join("\n");
            let place = format!("log of {function}");
            hay.push(Searched {
                place,
                bytes: lines.into_bytes(),
            });
        }
        for (place, text) in heard() {
            hay.push(Searched {
                place,
                bytes: text.into_bytes(),
            });
        }
        // A search that looks at nothing finds nothing: each place held something.
        for kind in ["table", "object", "log", "answer"] {
            let found = hay
                .iter()
                .any(|it| it.place.starts_with(kind) && it.bytes.len() > 100);
            assert!(found, "nothing was searched: {kind}");
        }
        for Searched { place, bytes } in &hay {
            for needle in &needles {
                if needle.is_shown_in(place) {
                    continue;
                }
                if let Some(form) = needle.found_in(bytes) {
                    panic!("{} found as {form} in {place}", needle.kind);
                }
            }
        }
        eprintln!(
            "canary: {} secrets, {} places, {} KiB: 0 hits",
            needles.len(),
            hay.len(),
            hay.iter().map(|it| it.bytes.len()).sum::<usize>() / 1024
        );
    });
}

/// Uses every secret of a tenant: a delivery of Stripe, a scan, a repair, packages, people who sign in
/// and are invited, and requests that go wrong. Returns the secrets that came up in it.
async fn story(stage: &Stage, tenant: &Tenant) -> Vec<Needle> {
    let (customer, _) = stage.drifted("paid_no_access");
    let incident = stage.found(tenant, &customer).await;
    let action = stage.propose(tenant, &incident).await;
    stage.vote(&action, &tenant.ben, "approve").await;
    assert_eq!(stage.webhook(tenant, &customer).await.status, 200);
    let export = stage
        .exported(&tenant.ada, &json!({ "all": true, "inputs": true }))
        .await;
    for part in ["package", "report"] {
        stage.fetched(&tenant.ada, &export, part).await;
    }
    let wrong = ballot(&action, "approve");
    let keys = [
        &tenant.ada,
        &tenant.ben,
        &tenant.repair_key,
        &tenant.read_key,
    ];
    for key in keys {
        // In a place where it must not be, and with a letter changed.
        let path = format!("/v1/incidents?key={key}");
        let answer = stage
            .call("GET", &path, Some(key), None, &json!(null))
            .await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        let mut broken = key.clone();
        broken.pop();
        let path = "/v1/approvals";
        let answer = stage.call("POST", path, Some(&broken), None, &wrong).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text);
    }
    let mut found = vec![signed_in(stage, tenant).await];
    found.extend(shown_once(stage, tenant).await);
    found
}

/// The signature of an access token, which was sent where it belongs and where it does not.
async fn signed_in(stage: &Stage, tenant: &Tenant) -> Needle {
    let owner = &tenant.people[&Role::Owner];
    let (subject, _) = owner.split_once('@').unwrap();
    let subject = subject.strip_prefix("person:").unwrap();
    let token = stage.issuer.mint(subject, |_| {});
    let nothing = json!(null);
    let me = stage.call("GET", "/v1/me", Some(&token), None, &nothing);
    assert_eq!(me.await.status, 200);
    let path = format!("/v1/incidents?access_token={token}");
    let leaked = stage.call("GET", &path, Some(&token), None, &nothing);
    assert_eq!(leaked.await.status, 400);
    let cut = token.get(..token.len() - 1).unwrap();
    let broken = stage.call("GET", "/v1/me", Some(cut), None, &nothing);
    assert_eq!(broken.await.status, 401);
    let (_, signature) = token.rsplit_once('.').unwrap();
    Needle::new("an access token", signature)
}

/// What the product itself makes and shows once: in that one answer, and nowhere else.
async fn shown_once(stage: &Stage, tenant: &Tenant) -> Vec<Needle> {
    let owner = &tenant.people[&Role::Owner];
    let workspace = format!("/v1/workspaces/{}", tenant.project.workspace);
    let mut found = Vec::new();
    for (family, body, field) in [
        (
            "invitations",
            json!({ "name": "Zoe", "role": "viewer" }),
            "/token",
        ),
        (
            "keys",
            json!({ "name": "canary", "environment": "live", "capability": "read" }),
            "/secret",
        ),
    ] {
        let path = format!("{workspace}/{family}");
        let made = stage.call("POST", &path, Some(owner), None, &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let secret = made.field(field);
        let (_, random) = secret.rsplit_once('_').unwrap();
        let needle = Needle::new(format!("what {family} show once"), random);
        found.push(needle.shown_by(path));
        // Used once, and once where it does not belong.
        let path = format!("{workspace}?key={secret}");
        let used = stage.call("GET", &path, Some(&secret), None, &json!(null));
        assert!((400..500).contains(&used.await.status));
        let body = json!({ "token": secret, "your_name": "Zoe" });
        let path = "/v1/invitations/accept";
        let used = stage.call("POST", path, Some(owner), None, &body).await;
        assert!((400..500).contains(&used.status), "{}", used.text);
    }
    found
}

/// The data keys under which the tenant's secrets are sealed, in clear.
async fn data_keys(stage: &Stage, tenant: &Tenant) -> Vec<Needle> {
    let vault = stage.main.boot.vault().unwrap();
    let (workspace, project) = (tenant.project.workspace, tenant.project.id);
    let mut found = Vec::new();
    for purpose in Purpose::ALL {
        let owner = format!("{workspace}#{project}#{}", purpose.name());
        for key in vault.wrapped.list(&owner, "").await.unwrap() {
            let (secret, version) = key.name.split_once('#').unwrap();
            let secret: SecretId = secret.parse().unwrap();
            let context = SealContext {
                workspace,
                project,
                purpose,
                secret,
                version: version.parse().unwrap(),
            };
            let context = context.encryption_context();
            let plain = vault.keys.unwrap(&key.wrapped, &context).await.unwrap();
            let kind = format!("a data key ({})", purpose.name());
            found.push(Needle::new(kind, plain.reveal()));
        }
    }
    assert!(found.len() >= 5, "each secret has one");
    found
}

fn needles(stage: &Stage, tenant: &Tenant) -> Vec<Needle> {
    // The mark is in every password, signing secret and wrong key of every tenant.
    let mut needles = vec![Needle::new("a password or signing secret", SECRET_MARK)];
    let keys = [
        &tenant.ada,
        &tenant.ben,
        &tenant.repair_key,
        &tenant.read_key,
    ];
    for key in keys {
        let (_, secret) = key.rsplit_once('_').unwrap();
        needles.push(Needle::new("an API key", secret));
    }
    let stripe = stage.stripe.keys();
    assert!(!stripe.is_empty());
    for key in stripe {
        let (_, secret) = key.rsplit_once('_').unwrap();
        needles.push(Needle::new("a Stripe key", secret));
    }
    needles
}
