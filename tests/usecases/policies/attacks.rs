//! Bundles that must not count: refused at the door, and denied where a row was altered behind the
//! product's back. The bundle that was active stays so.

use counterfoil_core::bundles::load;
use counterfoil_core::ids::WorkspaceId;
use counterfoil_core::ports::{Expect, State, StateKey, StateWrite};
use counterfoil_core::usecases::PolicyError;
use counterfoil_policy::Failure;
use counterfoil_policy::bundle::LARGEST_BUNDLE;
use counterfoil_testkit::bundles::place;
use serde_json::{Value, json};

use super::desk::{Desk, PERMIT, STRICT, invalid, key, refused};

#[tokio::test]
async fn what_is_not_signed_for_this_workspace_is_not_stored() {
    let desk = Desk::new().await;
    let active = desk.in_force(STRICT, 1, None).await;
    let good = || desk.signed(PERMIT, 2, Some(&active));
    let rows = desk.bench.rows();
    let mut stripped = good();
    let mut envelope: Value = serde_json::from_str(&stripped.signature).unwrap();
    envelope["signatures"] = json!([]);
    stripped.signature = envelope.to_string();
    let mut unsigned = good();
    unsigned.signature = "{}".to_owned();
    let mut altered = good();
    let text = altered.files.get_mut("policies/a.cedar").unwrap();
    *text = text.replace("applies", "applied");
    let mut extra = good();
    let more = ("policies/b.cedar".to_owned(), PERMIT.to_owned());
    extra.files.insert(more.0, more.1);
    let mut missing = good();
    missing.files.remove("tests/a.json");
    let mut elsewhere = good();
    elsewhere.manifest["workspace"] = json!("ws_01J00000000000000000000000");
    let mut baseline = good();
    baseline.manifest["layer"] = json!("baseline");
    let mut mistyped = good();
    mistyped.manifest["version"] = json!("two");
    let mut padded = good();
    let text = padded.files.get_mut("policies/a.cedar").unwrap();
    text.push_str(&"\n".repeat(LARGEST_BUNDLE));
    let signed = |version, previous| desk.signed(PERMIT, version, previous);
    for (name, sent, rings) in [
        ("unsigned", unsigned, true),
        ("signature stripped", stripped, true),
        (
            "wrong key",
            desk.signed_by(2, PERMIT, 2, Some(&active)),
            true,
        ),
        ("older version", signed(1, Some(&active)), true),
        ("wrong previous", signed(2, None), false),
        ("altered byte", altered, true),
        ("altered, and too large to be a bundle", padded, true),
        ("extra file", extra, true),
        ("missing file", missing, true),
        ("another workspace", elsewhere, true),
        ("another layer", baseline, true),
        (
            "a mistake in a rule",
            desk.signed("permit (", 2, Some(&active)),
            false,
        ),
        ("a manifest that is none any more", mistyped, true),
    ] {
        let (rang, why) = refused(desk.upload("ann", &sent).await);
        assert_eq!(rang, rings, "{name}");
        let PolicyError::Invalid(findings) = why else {
            panic!("{name}: {why:?}")
        };
        assert!(!findings.is_empty(), "{name}");
        assert_eq!(desk.bench.rows(), rows, "{name}: nothing is stored");
    }
    assert_eq!(desk.active().await, Some(active));
    assert_eq!(desk.failure().await, None);
}

#[tokio::test]
async fn what_comes_back_after_it_was_revoked_rings_and_a_first_or_second_push_does_not() {
    let keyless = Desk::keyless().await;
    let first = keyless.signed(PERMIT, 1, None);
    let (rang, why) = refused(keyless.upload("ann", &first).await);
    assert!(!rang, "{why:?}");
    let desk = Desk::new().await;
    let active = desk.in_force(STRICT, 1, None).await;
    let (rang, why) = refused(desk.upload("ann", &desk.signed(STRICT, 1, None)).await);
    assert!(!rang, "{why:?}");
    for (version, previous) in [(2, Some(active.as_str())), (1, None)] {
        let rules = if version == 1 { STRICT } else { PERMIT };
        let sent = desk.signed(rules, version, previous);
        // The one in force cannot come before itself.
        let digest = if let Ok(stored) = desk.upload("ann", &sent).await {
            stored.bundle.digest
        } else {
            assert_eq!(version, 1, "a bundle that follows is stored");
            active.clone()
        };
        desk.revoke("ann", &digest).await.unwrap();
        let (rang, why) = refused(desk.upload("ann", &sent).await);
        assert!(rang, "{why:?}");
    }
}

#[tokio::test]
async fn all_mistakes_are_said_with_their_place() {
    let desk = Desk::new().await;
    let text = "@id(\"ws.forbid.one\") @why(\"x\")\nforbid (principal, action == CF::Action::\"repair.exec\", resource);\n@id(\"ws.forbid.two\") @why(\"x\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) when { resource.amount > 5 };\n";
    let findings = invalid(desk.upload("ann", &desk.signed(text, 1, None)).await);
    let lines: Vec<_> = findings.iter().map(|it| it.line).collect();
    assert!(lines.contains(&2) && lines.contains(&4), "{findings:?}");
    assert!(findings.iter().all(|it| it.file == "policies/a.cedar"));
    assert!(findings.iter().all(|it| !it.excerpt.is_empty()));
}

async fn alter(desk: &Desk, sk: &str, change: impl FnOnce(&mut Value)) {
    let key = StateKey {
        pk: format!("{}#policy", desk.bench.workspace.id),
        sk: sk.to_owned(),
    };
    let store = desk.bench.store.as_ref();
    let found = store.get(&key).await.unwrap().unwrap();
    let mut doc = found.doc;
    change(&mut doc);
    let mut write = StateWrite::replace(key, found.version, doc);
    write.expect = Expect::Version(found.version);
    assert!(store.write(vec![write]).await.unwrap());
}

/// Makes a process that has not seen the bundle: what was verified is remembered by key set, so a
/// second key makes it look again.
async fn forget(desk: &Desk) {
    let fresh = json!({
        "public_key": key(9).public().text(), "fingerprint": key(9).public().fingerprint(),
        "at": 0, "by": desk.bench.ann.id.to_string(),
    });
    alter(desk, "state", |doc| {
        doc["keys"].as_array_mut().unwrap().push(fresh);
    })
    .await;
}

#[tokio::test]
async fn a_row_that_was_altered_denies() {
    type Change = fn(&mut Value);
    let altered: [(&str, Change); 6] = [
        ("a rule is gone", |doc| {
            doc["files"]["policies/a.cedar"] = json!(PERMIT);
        }),
        ("a rule is longer by a space", |doc| {
            let text = doc["files"]["policies/a.cedar"].as_str().unwrap();
            doc["files"]["policies/a.cedar"] = json!(format!("{text} "));
        }),
        ("a file was added", |doc| {
            doc["files"]["policies/z.cedar"] = json!(PERMIT);
        }),
        ("the signature is gone", |doc| {
            doc["envelope"]["signatures"] = json!([]);
        }),
        ("the manifest is another", |doc| {
            let text = doc["manifest"].as_str().unwrap().replace(":1,", ":9,");
            doc["manifest"] = json!(text);
        }),
        ("it is no row", |doc| *doc = json!({"digest": 1})),
    ];
    for (name, change) in altered {
        let desk = Desk::new().await;
        let digest = desk.in_force(STRICT, 1, None).await;
        forget(&desk).await;
        alter(&desk, &digest, change).await;
        assert_eq!(desk.failure().await, Some("bundle-unverified"), "{name}");
    }
}

#[tokio::test]
async fn a_bundle_that_is_gone_denies_and_so_does_a_state_that_nobody_can_read() {
    let desk = Desk::new().await;
    let digest = desk.in_force(STRICT, 1, None).await;
    forget(&desk).await;
    let key = StateKey {
        pk: format!("{}#policy", desk.bench.workspace.id),
        sk: digest,
    };
    let gone = vec![StateWrite::delete(key)];
    assert!(desk.bench.store.write(gone).await.unwrap());
    assert_eq!(desk.failure().await, Some("bundle-missing"));
    alter(&desk, "state", |doc| *doc = json!({"keys": 7})).await;
    assert_eq!(desk.failure().await, Some("bundle-unverified"));
}

#[tokio::test]
async fn another_bundle_of_the_same_signer_does_not_take_the_place_of_the_active_one() {
    let desk = Desk::new().await;
    let loose = desk.stored(PERMIT, 1, None).await;
    let strict = desk.in_force(STRICT, 2, None).await;
    forget(&desk).await;
    let pk = format!("{}#policy", desk.bench.workspace.id);
    let store = desk.bench.store.as_ref();
    let other = StateKey { pk, sk: loose };
    let other = store.get(&other).await.unwrap().unwrap().doc;
    alter(&desk, &strict, |doc| *doc = other).await;
    assert_eq!(desk.failure().await, Some("bundle-unverified"));
}

#[tokio::test]
async fn a_key_that_is_not_registered_any_more_signs_nothing() {
    let desk = Desk::new().await;
    desk.in_force(STRICT, 1, None).await;
    alter(&desk, "state", |doc| doc["keys"] = json!([])).await;
    assert_eq!(desk.failure().await, Some("bundle-unverified"));
}

/// A process that has verified a bundle for one workspace has verified it for no other one.
#[tokio::test]
async fn a_bundle_of_another_workspace_is_not_loaded_though_this_process_knows_it() {
    let desk = Desk::new().await;
    let digest = desk.in_force(STRICT, 1, None).await;
    assert_eq!(desk.failure().await, None);
    let (store, other) = (desk.bench.store.as_ref(), WorkspaceId::from_bits(77));
    for row in ["state", &digest] {
        let own = store.get(&place(desk.bench.workspace.id, row)).await;
        let doc = own.unwrap().unwrap().doc;
        let copied = StateWrite::create(place(other, row), doc);
        assert!(store.write(vec![copied]).await.unwrap());
    }
    let active = load(store, other).await.unwrap().active.unwrap();
    assert_eq!(active.digest, digest);
    assert_eq!(active.layer.unwrap_err(), Failure::BundleUnverified);
}
