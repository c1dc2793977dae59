//! Bundles: what loads, and every way of making one that must not.

use std::collections::BTreeMap;

use counterfoil_evidence::hash::digest_string;
use counterfoil_policy::bundle::{
    Bundle, BundleError, Envelope, Expected, PublicKey, SignatureError, SigningKey,
};
use counterfoil_policy::{Failure, LayerName, schema_digest};
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

const POLICY: &str = "policies/all.cedar";
const TEXT: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n";
const WORKSPACE: &str = "ws_01J00000000000000000000000";

fn files() -> BTreeMap<String, String> {
    BTreeMap::from([(POLICY.to_owned(), TEXT.to_owned())])
}

fn manifest() -> Value {
    json!({
        "schema": "counterfoil.policy-bundle/v1",
        "layer": "workspace",
        "workspace": WORKSPACE,
        "version": 7,
        "previous": digest_string(b"six"),
        "cedar": {"lang": "4.5", "engine": ">=4.14,<5"},
        "schema_sha256": schema_digest(),
        "files": [{"path": POLICY, "size": TEXT.len(), "sha256": digest_string(TEXT.as_bytes())}],
        "created_at": "2026-11-01T00:00:00Z",
        "created_by": "usr_01J00000000000000000000000",
        "summary": "as it was",
    })
}

fn read(manifest: &Value, files: BTreeMap<String, String>) -> Result<Bundle, BundleError> {
    Bundle::read(manifest.to_string().as_bytes(), files)
}

fn bundle() -> Bundle {
    read(&manifest(), files()).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// Bytes that the first key has signed, whatever they are.
fn signed_as_it_is(payload: &[u8]) -> Envelope {
    let envelope = Envelope::with(payload, String::new(), &[0; 64]);
    let (kind, bytes) = (envelope.payload_type, payload.len());
    let head = format!("DSSEv1 {} {kind} {bytes} ", kind.len());
    let message = [head.as_bytes(), payload].concat();
    let signature = ed25519_dalek::SigningKey::from_bytes(&[1; 32]).sign(&message);
    Envelope::with(payload, String::new(), &signature.to_bytes())
}

fn expected<'a>(bundle: &'a Bundle, keys: &'a [PublicKey]) -> Expected<'a> {
    Expected {
        layer: LayerName::Workspace,
        workspace: Some(WORKSPACE),
        digest: bundle.digest(),
        keys,
    }
}

#[test]
fn a_signed_bundle_loads_and_is_known_by_its_manifest() {
    let bundle = bundle();
    let envelope = Envelope::sign(&bundle.statement(), &key(1));
    let layer = bundle
        .load(&envelope, expected(&bundle, &[key(1).public()]))
        .unwrap();
    assert_eq!((layer.digest(), layer.version()), (bundle.digest(), 7));
    assert_eq!(layer.rules().len(), 1);
    // Another layout of the same JSON is the same bundle.
    let pretty = serde_json::to_string_pretty(&manifest()).unwrap();
    let again = Bundle::read(pretty.as_bytes(), files()).unwrap();
    assert_eq!(again.digest(), bundle.digest());
    assert_eq!(
        digest_string(&bundle.manifest().canonical()),
        bundle.digest()
    );
    // What KMS signs at once is at most 4,096 bytes.
    assert!(Envelope::to_sign(&bundle.statement()).len() < 512);
}

#[test]
fn which_keys_count_comes_from_outside() {
    let bundle = bundle();
    let envelope = Envelope::sign(&bundle.statement(), &key(1));
    let ours = [key(1).public(), key(2).public()];
    let mut unnamed = envelope.clone();
    unnamed.signatures[0].keyid = None;
    assert!(bundle.load(&unnamed, expected(&bundle, &ours)).is_ok());
    let mut two = Envelope::sign(&bundle.statement(), &key(9));
    two.signatures.extend(envelope.signatures.clone());
    assert!(bundle.load(&two, expected(&bundle, &ours)).is_ok());

    for keys in [&[][..], &[key(2).public()]] {
        let refused = bundle.load(&envelope, expected(&bundle, keys));
        assert_eq!(refused.unwrap_err(), Failure::BundleUnverified);
    }
}

#[test]
fn a_bundle_without_a_good_signature_never_loads() {
    let bundle = bundle();
    let good = Envelope::sign(&bundle.statement(), &key(1));
    let keys = [key(1).public()];
    let mut attacks: Vec<(&str, Envelope)> = Vec::new();
    let mut attack = |what, change: &dyn Fn(&mut Envelope)| {
        let mut envelope = good.clone();
        change(&mut envelope);
        attacks.push((what, envelope));
    };
    attack("stripped", &|it| it.signatures.clear());
    attack("empty signature", &|it| it.signatures[0].sig.clear());
    attack("short signature", &|it| {
        it.signatures[0].sig = "AAAA".to_owned();
    });
    attack("zero signature", &|it| {
        it.signatures[0].sig = format!("{}==", "A".repeat(86));
    });
    attack("another type", &|it| {
        it.payload_type = "application/json".to_owned();
    });
    attack("no payload", &|it| it.payload.clear());
    attack("more signatures than anybody needs", &|it| {
        it.signatures = vec![it.signatures[0].clone(); 9];
    });
    let other = Envelope::sign(
        &read(&with("/version", json!(8)), files())
            .unwrap()
            .statement(),
        &key(1),
    );
    attack("payload of another", &|it| {
        it.payload.clone_from(&other.payload);
    });
    attacks.push(("statement of another", other.clone()));
    attacks.push(("another key", Envelope::sign(&bundle.statement(), &key(2))));
    let loose = [&bundle.statement().canonical()[..], b" "].concat();
    attacks.push(("another layout of the statement", signed_as_it_is(&loose)));
    for (what, envelope) in &attacks {
        let refused = bundle.load(envelope, expected(&bundle, &keys));
        assert_eq!(refused.unwrap_err(), Failure::BundleUnverified, "{what}");
    }
    assert_eq!(attacks[0].1.verify(&keys), Err(SignatureError::Unsigned));

    // Every bit of the signature counts.
    let bytes = good.signatures[0].sig.clone();
    for at in 0..bytes.len() - 2 {
        let mut envelope = good.clone();
        let flipped = if bytes.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        envelope.signatures[0].sig.replace_range(at..=at, flipped);
        assert!(
            bundle.load(&envelope, expected(&bundle, &keys)).is_err(),
            "letter {at}"
        );
    }
}

#[test]
fn a_bundle_for_another_place_never_loads() {
    let bundle = bundle();
    let envelope = Envelope::sign(&bundle.statement(), &key(1));
    let keys = [key(1).public()];
    let good = expected(&bundle, &keys);
    let other = digest_string(b"other");
    for (what, expected) in [
        (
            "another workspace",
            Expected {
                workspace: Some("ws_other"),
                ..good
            },
        ),
        (
            "no workspace",
            Expected {
                workspace: None,
                ..good
            },
        ),
        (
            "the baseline",
            Expected {
                layer: LayerName::Baseline,
                ..good
            },
        ),
        (
            "not the active one",
            Expected {
                digest: &other,
                ..good
            },
        ),
    ] {
        assert_eq!(
            bundle.load(&envelope, expected).unwrap_err(),
            Failure::BundleUnverified,
            "{what}"
        );
    }
    for engine in [">=4.15,<5", "<4.14", "=3.0.0"] {
        let newer = read(&with("/cedar/engine", json!(engine)), files()).unwrap();
        let envelope = Envelope::sign(&newer.statement(), &key(1));
        let refused = newer.load(&envelope, expected(&newer, &keys));
        assert_eq!(refused.unwrap_err(), Failure::EngineRange, "{engine}");
    }
}

fn with(pointer: &str, value: Value) -> Value {
    let mut manifest = manifest();
    *manifest.pointer_mut(pointer).unwrap() = value;
    manifest
}

#[test]
fn files_are_exactly_those_of_the_manifest() {
    for (what, files) in [
        (
            "altered",
            BTreeMap::from([(POLICY.to_owned(), TEXT.replace("permit.all", "permit.alt"))]),
        ),
        (
            "longer",
            BTreeMap::from([(POLICY.to_owned(), format!("{TEXT}\n"))]),
        ),
        ("missing", BTreeMap::new()),
        ("extra", {
            let mut files = files();
            files.insert("policies/more.cedar".to_owned(), TEXT.to_owned());
            files
        }),
    ] {
        assert!(
            matches!(read(&manifest(), files), Err(BundleError::File { .. })),
            "{what}"
        );
    }
    let large = BTreeMap::from([(POLICY.to_owned(), " ".repeat(128 * 1024 + 1))]);
    assert_eq!(read(&manifest(), large), Err(BundleError::TooLarge));
}

#[test]
fn a_manifest_keeps_its_rules() {
    for (pointer, value) in [
        ("/schema", json!("counterfoil.policy-bundle/v2")),
        ("/layer", json!("project")),
        ("/version", json!(0)),
        ("/version", json!("7")),
        ("/previous", json!("sha256:12")),
        ("/cedar/lang", json!("four")),
        ("/cedar/engine", json!("any")),
        ("/schema_sha256", json!("sha256:")),
        ("/files", json!([])),
        ("/files/0/path", json!("policies/../all.cedar")),
        ("/files/0/path", json!("policies/All.cedar")),
        ("/files/0/path", json!("tests/all.cedar")),
        ("/files/0/path", json!("/policies/all.cedar")),
        ("/files/0/sha256", json!("md5:1")),
        ("/summary", json!("x".repeat(201))),
    ] {
        let refused = read(&with(pointer, value.clone()), files());
        assert!(
            matches!(refused, Err(BundleError::Manifest(_))),
            "{pointer} {value}"
        );
    }
    let mut unknown = manifest();
    unknown["more"] = json!(1);
    assert!(matches!(
        read(&unknown, files()),
        Err(BundleError::Manifest(_))
    ));
    let other = with("/schema_sha256", json!(digest_string(b"another schema")));
    assert_eq!(read(&other, files()), Err(BundleError::Schema));
    assert!(matches!(
        Bundle::read(b"{", files()),
        Err(BundleError::Manifest(_))
    ));
}

#[test]
fn weak_keys_are_no_keys() {
    // The point of order one, and one that is not on the curve.
    let mut identity = [0_u8; 32];
    identity[0] = 1;
    assert!(PublicKey::from_bytes(&identity).is_err());
    assert!(PublicKey::parse("AAAA").is_err());
    let key = key(3).public();
    assert_eq!(PublicKey::parse(&key.text()), Ok(key));
}

/// A signature over a template makes no layer of it.
#[test]
fn a_bundle_with_a_template_never_loads() {
    let template = TEXT.replace("(principal,", "(principal == ?principal,");
    let mut manifest = manifest();
    let entry = &mut manifest["files"][0];
    assert_eq!(entry["path"], POLICY);
    entry["size"] = json!(template.len());
    entry["sha256"] = json!(digest_string(template.as_bytes()));
    let mut files = files();
    files.insert(POLICY.to_owned(), template);
    let bundle = read(&manifest, files).unwrap();
    let envelope = Envelope::sign(&bundle.statement(), &key(1));
    let refused = bundle.load(&envelope, expected(&bundle, &[key(1).public()]));
    assert_eq!(refused.unwrap_err(), Failure::BundleUnverified);
}
