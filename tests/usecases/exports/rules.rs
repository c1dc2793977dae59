//! Who put which rules in force, as a stranger sees it from a delivery.

use std::collections::BTreeMap;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::verify::{Package, verify};
use counterfoil_core::export::ExportScope;
use counterfoil_core::policy::baseline_digest;
use counterfoil_core::ports::SealSigner;
use counterfoil_core::usecases::Replayed;
use counterfoil_policy::bundle::{Bundle, Envelope, SigningKey};
use counterfoil_testkit::memory::MemSigner;

use super::super::world::World;
use super::super::world::rules::signing_key;
use super::desk::{Desk, manifest, unpack};

type Members = BTreeMap<String, Vec<u8>>;

/// A shop under rules that two owners brought into force: their digest, and everything of it.
async fn delivered() -> (Desk, String, Members) {
    let world = World::new().await;
    let digest = world.activated("").await;
    world.scan().await;
    let desk = Desk::of(world);
    let members = unpack(&desk.export(ExportScope::All).await.bytes);
    (desk, digest, members)
}

fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap()
}

fn people(desk: &Desk) -> (String, String) {
    let stream = desk.workspace_stream();
    let mut facts = desk.world.store.stream(stream).into_iter().rev();
    let facts = facts.find_map(|entry| {
        let header = Json::parse(&entry.header).unwrap();
        let activated = header.get("kind").and_then(Json::as_str) == Some("policy.activated");
        let counterfoil_core::ports::StoredPart::Present { bytes, .. } = entry.facts? else {
            return None;
        };
        let facts = Json::parse(&bytes).unwrap();
        (activated && facts.get("layer")?.as_str() == Some("workspace")).then_some(facts)
    });
    let facts = facts.unwrap();
    let actor = facts.get("actor").unwrap().get("id").unwrap();
    let proposer = facts.get("proposed_by").unwrap();
    (
        actor.as_str().unwrap().to_owned(),
        proposer.as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn a_delivery_shows_who_put_its_rules_in_force_and_which_key_signed_them() {
    let (desk, digest, members) = delivered().await;
    let manifest = manifest(&members).expect("the manifest names every file");
    let missing = manifest.get("activations_not_included").unwrap();
    assert_eq!(missing.as_array(), Some([].as_slice()));
    let workspace = desk.trust(desk.workspace_stream()).await;
    for of in [digest.as_str(), baseline_digest()] {
        let package = &members[&format!("workspace/{}.json", hex(of))];
        let accepted = verify(Package::Document(package), &workspace)
            .result
            .unwrap();
        assert_eq!(
            (accepted.format, accepted.entries),
            ("counterfoil.range/1", 1)
        );
    }

    let Replayed {
        in_force,
        not_checked,
        decisions,
        ..
    } = desk.replay(&members).await.unwrap();
    assert_eq!(decisions, 1);
    let kept = not_checked.iter().all(|it| it.contains("digest only"));
    assert!(kept, "{not_checked:?}");
    let told = |rules: String| in_force.iter().find(|it| it.rules == rules).unwrap();
    let bundle = told(format!("bundle {digest}"));
    let (actor, proposer) = people(&desk);
    assert_ne!(actor, proposer);
    assert_eq!(bundle.by.as_ref(), Some(&actor));
    assert_eq!(bundle.proposed_by.as_ref(), Some(&proposer));
    assert_eq!(bundle.uploaded_by.as_ref(), Some(&proposer));
    assert_eq!(bundle.approvals, [actor]);
    assert_eq!(bundle.signer, Some(signing_key().public().fingerprint()));
    assert_eq!(bundle.stream, desk.workspace_stream().to_string());
    let baseline = told(format!("baseline {}", baseline_digest()));
    assert_eq!(
        (&baseline.by, &baseline.signer),
        (&Some("system:upgrade".to_owned()), &None)
    );
    assert_eq!(in_force.len(), 2);
}

#[tokio::test]
async fn a_delivery_whose_rules_or_signature_somebody_exchanged_is_refused() {
    let (desk, digest, members) = delivered().await;
    let of = |name: &str| format!("policy/{}/{name}", hex(&digest));
    let activation = format!("workspace/{}.json", hex(&digest));
    let refused = async |change: &dyn Fn(&mut Members), why: &str| {
        let mut exchanged = members.clone();
        change(&mut exchanged);
        let what = desk.replay(&exchanged).await.unwrap_err().to_string();
        assert!(what.contains(why), "{what}");
    };
    let bundle = {
        let files = ["policies/a.cedar", "tests/a.json"].map(|path| {
            (
                path.to_owned(),
                String::from_utf8(members[&of(path)].clone()).unwrap(),
            )
        });
        Bundle::read(&members[&of("manifest.json")], files.into()).unwrap()
    };
    let other = SigningKey::from_seed(&[2; 32]);
    let by_other = serde_json::to_vec(&Envelope::sign(&bundle.statement(), &other)).unwrap();
    let mut unsigned = Envelope::sign(&bundle.statement(), &other);
    unsigned.signatures.clear();
    let unsigned = serde_json::to_vec(&unsigned).unwrap();

    let byte = |it: &mut Members| it.get_mut(&of("policies/a.cedar")).unwrap().push(b'\n');
    refused(&byte, "are not the bundle that it cites").await;
    let manifest = |it: &mut Members| {
        let text = String::from_utf8(it[&of("manifest.json")].clone()).unwrap();
        let text = text.replace("somebody", "nobody");
        it.insert(of("manifest.json"), text.into_bytes());
    };
    refused(&manifest, "its manifest has another digest").await;
    let stripped = |it: &mut Members| drop(it.insert(of("envelope.json"), unsigned.clone()));
    refused(&stripped, "was taken out").await;
    let gone = |it: &mut Members| drop(it.remove(&of("envelope.json")));
    refused(&gone, "is gone").await;
    let resigned = |it: &mut Members| drop(it.insert(of("envelope.json"), by_other.clone()));
    refused(&resigned, "does not verify with key").await;
    let with_its_key = |it: &mut Members| {
        it.insert(of("envelope.json"), by_other.clone());
        let pem = other.public().pem().unwrap();
        it.insert(of("signer.pem"), pem.into_bytes());
    };
    refused(
        &with_its_key,
        "is not the one that the activating entry names",
    )
    .await;
    let of_another = |it: &mut Members| {
        let baseline = it[&format!("workspace/{}.json", hex(baseline_digest()))].clone();
        it.insert(activation.clone(), baseline);
    };
    refused(&of_another, "does not hold the entry that activated it").await;
    let forged = |it: &mut Members| {
        let text = String::from_utf8(it[&activation].clone()).unwrap();
        let fingerprint = signing_key().public().fingerprint();
        let text = text.replace(&fingerprint, &other.public().fingerprint());
        it.insert(activation.clone(), text.into_bytes());
    };
    refused(&forged, "does not verify: E_PART_HASH").await;
    let baseline = |it: &mut Members| {
        let folder = baseline_digest().replace("sha256:", "policy/");
        it.get_mut(&format!("{folder}/policies/shape.cedar"))
            .unwrap()
            .push(b'\n');
    };
    refused(&baseline, "are not the baseline that it cites").await;
}

#[tokio::test]
async fn what_a_delivery_does_not_show_about_its_rules_is_said() {
    let (desk, digest, members) = delivered().await;
    let said = |replayed: Replayed, rules: &str, why: &str| {
        let mut said = replayed.not_checked.iter();
        let line = said.find(|it| it.starts_with(&format!("who put {rules} in force: ")));
        assert!(line.unwrap().contains(why), "{line:?}");
        assert!(replayed.in_force.iter().all(|it| it.rules != rules));
        assert_eq!(
            replayed.decisions, 1,
            "what they decided follows all the same"
        );
    };
    let rules = format!("bundle {digest}");
    for name in [
        format!("workspace/{}.json", hex(&digest)),
        format!("policy/{}/signer.pem", hex(&digest)),
    ] {
        let mut without = members.clone();
        without.remove(&name).unwrap();
        let replayed = desk.replay(&without).await.unwrap();
        said(replayed, &rules, &format!("the delivery holds no {name}"));
    }
    // Whoever pinned another key cannot know.
    let mut trust = desk.trust(desk.world.stream()).await;
    trust.keys = vec![MemSigner::from_seed(9).key().await.unwrap().into()];
    let replayed = desk.replay_trusting(&members, &trust).await.unwrap();
    said(replayed, &rules, "sealed by a key that was not given");
}

#[tokio::test]
async fn rules_of_which_no_entry_tells_are_named_in_the_manifest() {
    let world = World::new().await;
    world.under("").await;
    world.scan().await;
    let mut desk = Desk::of(world);
    desk.exports.evidence = desk.world.store.clone();
    let members = unpack(&desk.export(ExportScope::All).await.bytes);
    let manifest = manifest(&members).unwrap();
    let missing = manifest.get("activations_not_included").unwrap();
    assert_eq!(
        missing.as_array().unwrap().len(),
        2,
        "a bundle and the baseline"
    );
    let replayed = desk.replay(&members).await.unwrap();
    assert_eq!((replayed.decisions, replayed.in_force.len()), (1, 0));
}
