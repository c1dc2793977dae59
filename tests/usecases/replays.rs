//! Recorded runs, derived again from what was kept of their inputs (evidence-format section 13,
//! `--replay`).

use std::collections::BTreeMap;
use std::time::Duration;

use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::ids::WorkspaceId;
use counterfoil_core::policy::baseline_digest;
use counterfoil_core::ports::StoredPart;
use counterfoil_core::reconcile::FindingKind;
use counterfoil_core::records::{Directory, Mapping, Records};
use counterfoil_core::repair::{Action, VoteKind};
use counterfoil_core::run::Run;
use counterfoil_core::snapshot::index_files as snapshot_files;
use counterfoil_core::usecases::{
    Proposed, RecordedRun, ReplayError, Replayed, Voted, open_snapshot, replay_run,
};
use counterfoil_testkit::bundles::Rules;

use super::repairs::standing::broken;
use super::world::{World, customer};

/// A run as its entries tell it.
#[derive(Debug, Default, Clone)]
struct Told {
    open: Option<Json>,
    decisions: Vec<Json>,
    resolutions: Vec<Json>,
    close: Option<Json>,
}

/// Every closed run of the stream, in order of their ids, and every input that is kept.
struct Record {
    runs: BTreeMap<String, Told>,
    inputs: BTreeMap<String, Vec<u8>>,
}

impl Record {
    /// The first run with a decision, and the facts of that decision.
    fn decided(&mut self) -> (String, &mut BTreeMap<String, Json>) {
        let mut runs = self.runs.iter_mut();
        let found = runs.find_map(|(id, told)| Some((id, told.decisions.first_mut()?)));
        match found.unwrap() {
            (id, Json::Object(facts)) => (id.clone(), facts),
            _ => panic!("facts are an object"),
        }
    }

    async fn of(world: &World) -> Self {
        let mut runs: BTreeMap<String, Told> = BTreeMap::new();
        for entry in world.store.stream(world.stream()) {
            let header = Json::parse(&entry.header).unwrap();
            let Some(run) = header.get("run").and_then(|run| run.get("id")) else {
                continue;
            };
            let Some(StoredPart::Present { bytes, .. }) = entry.facts else {
                panic!("facts are protected");
            };
            let facts = Json::parse(&bytes).unwrap();
            let told = runs.entry(run.as_str().unwrap().to_owned()).or_default();
            match header.get("kind").and_then(Json::as_str).unwrap() {
                "run.open" => told.open = Some(facts),
                "run.decision" => told.decisions.push(facts),
                "run.resolution" => told.resolutions.push(facts),
                "run.close" => told.close = Some(facts),
                _ => {}
            }
        }
        runs.retain(|_, told| told.close.is_some());
        let ctx = Directory::system(&world.project, "test");
        let records = Records::of(world.store.as_ref(), &ctx);
        let mapping = records
            .get::<Mapping>(world.project.active_mapping().unwrap())
            .await;
        let artifact = mapping.unwrap().unwrap().value.artifact;
        let hex = world
            .project
            .active_mapping()
            .unwrap()
            .replace("sha256:", "");
        let mut inputs = BTreeMap::from([(format!("mappings/{hex}.json"), artifact.into_bytes())]);
        for run in records.list::<Run>().await.unwrap() {
            for look in &run.value.looks {
                let (vault, objects) = (&world.vault, world.objects.as_ref());
                let file = open_snapshot(vault, objects, &ctx, look)
                    .await
                    .unwrap()
                    .unwrap();
                inputs.insert(look.name.clone(), file.reveal().clone());
                for part in snapshot_files(file.reveal()).unwrap() {
                    let part = part.snapshot(world.project.id, run.value.id);
                    let file = open_snapshot(vault, objects, &ctx, &part)
                        .await
                        .unwrap()
                        .unwrap();
                    inputs.insert(part.name.clone(), file.reveal().clone());
                }
            }
        }
        Self { runs, inputs }
    }

    async fn replay(&self, id: &str) -> Result<Replayed, ReplayError> {
        let told = &self.runs[id];
        let run = RecordedRun {
            id,
            open: told.open.as_ref().unwrap(),
            decisions: &told.decisions,
            resolutions: &told.resolutions,
            close: told.close.as_ref().unwrap(),
        };
        replay_run(&run, &|name| self.inputs.get(name).cloned()).await
    }

    /// The only run that looked at customers.
    fn look(&self) -> String {
        let mut looks = self.runs.iter().filter(|(_, told)| {
            let open = told.open.as_ref().unwrap();
            matches!(
                open.get("purpose").and_then(Json::as_str),
                Some("scan" | "check")
            )
        });
        let (id, _) = looks.next().unwrap();
        assert!(looks.next().is_none());
        id.clone()
    }

    fn close(&mut self, id: &str) -> &mut BTreeMap<String, Json> {
        match self.runs.get_mut(id).unwrap().close.as_mut().unwrap() {
            Json::Object(fields) => fields,
            _ => panic!("facts are an object"),
        }
    }
}

/// Scans, and proposes the repair of the one incident.
async fn propose(world: &World) -> Proposed {
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let proposal = world.propose();
    let reason = Some("support asked");
    let proposed = proposal
        .propose(&world.repair_key, &incident, reason, true)
        .await;
    proposed.unwrap()
}

fn differs(replayed: Result<Replayed, ReplayError>) -> String {
    match replayed {
        Err(error) => error.to_string(),
        Ok(replayed) => panic!("accepted: {replayed:?}"),
    }
}

/// Its second look stops at the same customer again.
#[tokio::test]
async fn a_scan_that_left_a_row_out_is_derived_again() {
    let world = World::new().await;
    for number in 0..60 {
        let id = format!("cus_many{number}");
        world.billing.add_customer(customer(&id, "u1"));
    }
    world.scan().await;
    let mut record = Record::of(&world).await;
    let id = record.look();
    assert!(record.close(&id).contains_key("left_out"));
    assert_eq!(record.replay(&id).await.unwrap().findings, 1);
}

/// A mapping that is activated between the two looks is for later runs.
#[tokio::test]
async fn a_check_uses_the_mapping_that_it_cites_for_both_of_its_looks() {
    let world = World::new().await;
    let request = world.check_of("cus_1", "webhook");
    world.reconcile().handle(&request).await.unwrap();
    world.activate_mapping_of("price_other").await;
    world.deliver_checks().await;
    let incident = world.incident().await;
    assert_eq!(incident.finding.kind, FindingKind::PaidNoAccess);
    let record = Record::of(&world).await;
    let replayed = record.replay(&record.look()).await.unwrap();
    assert_eq!(replayed.findings, 1);
}

#[tokio::test]
async fn a_scan_with_its_second_look_gives_the_same_findings_again() {
    let world = World::new().await;
    world.scan().await;
    let record = Record::of(&world).await;
    let id = record.look();
    // A mapping, an index, customers, subscriptions, rows and two looks.
    assert_eq!(record.inputs.len(), 7);
    let replayed = record.replay(&id).await.unwrap();
    assert_eq!(replayed.findings, 1);
    assert_eq!(replayed.not_checked, Vec::<String>::new());
}

#[tokio::test]
async fn a_scan_of_what_has_changed_is_derived_from_its_own_files() {
    let world = World::new().await;
    world.scan().await;
    world.clock.advance(Duration::from_hours(2));
    let due = world.scans().scan_due().await.unwrap().remove(0).1.unwrap();
    let id = due.unwrap().run.to_string();
    world.deliver_scans().await;
    let mut record = Record::of(&world).await;
    let baseline = record.close(&id).get("baseline").and_then(Json::as_str);
    let baseline = baseline.unwrap().to_owned();
    let others = format!("snapshots/{baseline}/");
    record.inputs.retain(|name, _| !name.starts_with(&others));
    let replayed = record.replay(&id).await.unwrap();
    assert_eq!((replayed.findings, replayed.not_checked.len()), (1, 0));
    let replayed = record.replay(&baseline).await.unwrap();
    assert_eq!(replayed.not_checked.len(), 1, "{replayed:?}");
}

#[tokio::test]
async fn every_run_of_a_repair_replays_and_so_does_every_decision() {
    let world = World::new().await;
    let proposed = propose(&world).await;
    let vote = Voted {
        kind: VoteKind::Approve,
        digest: &proposed.action.digest,
        reason: "checked the invoice",
        version: None,
    };
    let action = proposed.action.id.to_string();
    world
        .vote()
        .vote(&world.repair_key, &action, &vote)
        .await
        .unwrap_err();
    world.vote().vote(&world.ben, &action, &vote).await.unwrap();
    world.scan().await;
    let record = Record::of(&world).await;
    let (mut findings, mut decisions, mut votes) = (0, 0, 0);
    for id in record.runs.keys() {
        let replayed = record.replay(id).await.unwrap();
        assert_eq!(replayed.not_checked, Vec::<String>::new());
        findings += replayed.findings;
        decisions += replayed.decisions;
        votes += replayed.votes;
    }
    assert_eq!(votes, 1, "the approval");
    assert_eq!(findings, 2, "two scans");
    assert_eq!(world.count("run.decision"), 3);
    assert_eq!(decisions, 3, "proposal, refused vote, execution");
}

#[tokio::test]
async fn a_check_of_one_customer_and_a_mass_drift_replay() {
    let world = World::new().await;
    let check = world.check_of("cus_1", "manual");
    world.reconcile().handle(&check).await.unwrap();
    for user in ["u3", "u4", "u5"] {
        world.add_user(user, &format!("cus_{user}"), false);
    }
    world.first_look().await.unwrap();
    let record = Record::of(&world).await;
    assert_eq!(record.runs.len(), 2);
    for id in record.runs.keys() {
        let replayed = record.replay(id).await.unwrap();
        assert_eq!(replayed.findings, 1, "{replayed:?}");
    }
}

#[tokio::test]
async fn another_input_than_the_one_that_was_used_is_a_difference() {
    let world = World::new().await;
    world.scan().await;
    let mut record = Record::of(&world).await;
    let id = record.look();
    for name in record.inputs.keys().cloned().collect::<Vec<_>>() {
        let kept = record.inputs.clone();
        record.inputs.get_mut(&name).unwrap().push(0);
        let what = differs(record.replay(&id).await);
        assert!(what.contains("is not the input that was used"), "{what}");
        record.inputs = kept;
    }
}

#[tokio::test]
async fn findings_that_do_not_follow_from_the_inputs_are_a_difference() {
    let world = World::new().await;
    world.scan().await;
    let record = Record::of(&world).await;
    let id = record.look();
    let mut forged = Record::of(&world).await;
    // Whoever writes the record could name any findings object: the inputs tell.
    let outputs = forged.close(&id).get_mut("outputs").unwrap();
    let Json::Array(outputs) = outputs else {
        panic!("outputs are a list")
    };
    let Json::Object(file) = &mut outputs[0] else {
        panic!("a file is an object")
    };
    file.insert(
        "hash".to_owned(),
        format!("sha256:{}", "0".repeat(64)).as_str().into(),
    );
    let what = differs(forged.replay(&id).await);
    assert!(what.contains("do not follow from what it read"), "{what}");

    let mut forged = Record::of(&world).await;
    forged.close(&id).insert("rows".to_owned(), Json::uint(3));
    let what = differs(forged.replay(&id).await);
    assert!(what.contains("rows"), "{what}");

    let mut forged = Record::of(&world).await;
    forged
        .close(&id)
        .insert("result".to_owned(), "mass-drift".into());
    let what = differs(forged.replay(&id).await);
    assert!(what.contains("too many customers"), "{what}");
}

#[tokio::test]
async fn a_decision_that_the_rules_would_not_make_is_a_difference() {
    let world = World::new().await;
    propose(&world).await;
    let mut record = Record::of(&world).await;
    let (id, facts) = record.decided();
    facts.insert("effect".to_owned(), "ALLOW".into());
    let what = differs(record.replay(&id).await);
    assert!(what.contains("the rules say REQUIRE"), "{what}");

    // What another question is answered says nothing of this one.
    for (name, said) in [
        ("request_sha256", "not the one that its digest names"),
        ("action", "asks about another action"),
    ] {
        let mut record = Record::of(&world).await;
        let (id, facts) = record.decided();
        facts.insert(name.to_owned(), "scope.delete".into());
        let what = differs(record.replay(&id).await);
        assert!(what.contains(said), "{what}");
    }
}

/// A broken glass replaces approvals, where the rules were asked about a broken glass.
#[tokio::test]
async fn a_decision_of_a_broken_glass_that_the_rules_were_not_asked_about_is_a_difference() {
    let world = World::new().await;
    let action = propose(&world).await.action;
    let owner = world.sign_in("Ben").await;
    let approved = broken(&world.vote(), &owner, &action, 1).await.unwrap();
    let done = world.vote().carry_out(&owner, approved).await.unwrap();
    let run = done.action.value.follow_up.unwrap().to_string();
    let record = Record::of(&world).await;
    assert_eq!(record.replay(&run).await.unwrap().decisions, 1);
    let mut silent = Record::of(&world).await;
    let told = silent.runs.get_mut(&run).unwrap();
    *member(&mut told.resolutions[0], &["override"]) = Json::Bool(false);
    let what = differs(silent.replay(&run).await);
    assert!(what.contains("no answer in the run does"), "{what}");
    for forge in ["whole", "effect", "approvals"] {
        let mut record = Record::of(&world).await;
        let decided = &mut record.runs.get_mut(&run).unwrap().decisions[0];
        let Json::Object(facts) = decided else {
            panic!("facts are an object")
        };
        match forge {
            "whole" => {
                let mut request = facts["request"].clone();
                *member(&mut request, &["context", "base", "break_glass"]) = Json::Bool(false);
                let digest = digest_string(&request.canonical());
                facts.insert("request_sha256".to_owned(), digest.as_str().into());
                facts.insert("request".to_owned(), request);
            }
            "effect" => drop(facts.insert("effect".to_owned(), "REQUIRE".into())),
            _ => drop(facts.insert("approvals".to_owned(), Json::uint(1))),
        }
        let what = differs(record.replay(&run).await);
        assert!(what.contains("the rules say"), "{forge}: {what}");
    }
}

/// Ben approves and it is carried out: the run of both.
async fn approve(world: &World, action: &Action) -> String {
    let vote = Voted {
        kind: VoteKind::Approve,
        digest: &action.digest,
        reason: "checked the invoice",
        version: None,
    };
    let id = action.id.to_string();
    let done = Box::pin(world.vote().vote(&world.ben, &id, &vote)).await;
    done.unwrap().action.value.follow_up.unwrap().to_string()
}

/// What counts an approval rests on an answer that somebody was allowed to give.
#[tokio::test]
async fn an_answer_that_was_not_allowed_or_is_not_there_is_a_difference() {
    let world = World::new().await;
    let action = propose(&world).await.action;
    let run = approve(&world, &action).await;
    let record = Record::of(&world).await;
    assert_eq!(record.replay(&run).await.unwrap().votes, 1);
    let asked_anew = |judged: &mut Json, path: &[&str], value: Json| {
        *member(judged, &[&["request"], path].concat()) = value;
        let digest = digest_string(&member(judged, &["request"]).canonical());
        *member(judged, &["request_sha256"]) = digest.as_str().into();
    };
    for (forge, said) in [
        ("gone", "it counts 1 approvals, and the run holds 0"),
        ("unsaid", "nothing says that it was allowed"),
        ("denied", "the rules did not allow it"),
        ("another", "asked about somebody else"),
        ("asked about another", "asked about somebody else"),
        (
            "answered another digest",
            "the rules say DENY by base.forbid.approval-form",
        ),
    ] {
        let mut record = Record::of(&world).await;
        let resolutions = &mut record.runs.get_mut(&run).unwrap().resolutions;
        let vote = &mut resolutions[0];
        let judged = |vote| member(vote, &["judged"]);
        match forge {
            "gone" => resolutions.clear(),
            "unsaid" => match vote {
                Json::Object(facts) => drop(facts.remove("judged")),
                _ => panic!("facts are an object"),
            },
            "denied" => *member(vote, &["judged", "effect"]) = "DENY".into(),
            "another" => *member(vote, &["approver"]) = "usr_another".into(),
            "asked about another" => {
                asked_anew(judged(vote), &["principal", "id"], "usr_another".into());
            }
            _ => {
                let matches = ["context", "approval", "digest_matches"];
                asked_anew(judged(vote), &matches, Json::Bool(false));
            }
        }
        let what = differs(record.replay(&run).await);
        assert!(what.contains(said), "{forge}: {what}");
    }
}

/// A name that only denials have excuses nothing that was allowed.
#[tokio::test]
async fn what_was_allowed_by_the_name_of_a_denial_is_a_difference() {
    let world = World::new().await;
    propose(&world).await;
    for rule in ["hold-quota", "engine-panic"] {
        let mut record = Record::of(&world).await;
        let (id, facts) = record.decided();
        facts.insert("effect".to_owned(), "ALLOW".into());
        facts.insert("rule".to_owned(), rule.into());
        let what = differs(record.replay(&id).await);
        assert!(what.contains("the rules say REQUIRE"), "{what}");
    }
}

/// Rules that two people put in force are signed.
#[tokio::test]
async fn rules_that_were_put_in_force_and_are_no_bundle_are_a_difference() {
    let world = World::new().await;
    propose(&world).await;
    let permit = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n";
    let (digest, files) = released(&[("a.cedar", permit)]);
    let mut record = Record::of(&world).await;
    let (id, facts) = record.decided();
    facts.insert("policy".to_owned(), digest.as_str().into());
    record.inputs.extend(files);
    assert_eq!(record.replay(&id).await.unwrap().decisions, 1);
    let entry = format!("{}.json", digest.replace("sha256:", "workspace/"));
    record.inputs.insert(entry, b"{}".to_vec());
    let what = differs(record.replay(&id).await);
    assert!(what.contains("its signature is gone"), "{what}");
}

/// docs/evidence-format.md, "Facts": `policy_bundles` of a run are the rules in force, baseline first.
#[tokio::test]
async fn every_run_names_the_rules_that_are_in_force() {
    let world = World::new().await;
    let digest = world.activated("").await;
    let before = world.count("run.open");
    let action = propose(&world).await.action;
    approve(&world, &action).await;
    let opened = world.facts("run.open").split_off(before);
    assert_eq!(opened.len(), 3, "a scan, a proposal, its execution");
    for open in opened {
        let bundles = open.get("policy_bundles").and_then(Json::as_array).unwrap();
        let bundles: Vec<_> = bundles.iter().filter_map(Json::as_str).collect();
        assert_eq!(bundles, [baseline_digest(), digest.as_str()]);
    }
}

fn member<'a>(json: &'a mut Json, path: &[&str]) -> &'a mut Json {
    path.iter().fold(json, |json, name| match json {
        Json::Object(fields) => fields.get_mut(*name).unwrap(),
        _ => panic!("{name} is in no object"),
    })
}

#[tokio::test]
async fn what_is_not_kept_or_was_judged_by_other_rules_is_said_and_is_no_difference() {
    let world = World::new().await;
    world.scan().await;
    let mut record = Record::of(&world).await;
    let id = record.look();
    record
        .inputs
        .retain(|name, _| !name.starts_with("snapshots/"));
    let replayed = record.replay(&id).await.unwrap();
    assert_eq!(replayed.findings, 0);
    assert!(
        replayed.not_checked[0].contains("digest only"),
        "{replayed:?}"
    );

    let world = World::new().await;
    propose(&world).await;
    let mut record = Record::of(&world).await;
    let (id, facts) = record.decided();
    facts.insert(
        "policy".to_owned(),
        format!("sha256:{}", "1".repeat(64)).as_str().into(),
    );
    let replayed = record.replay(&id).await.unwrap();
    assert_eq!(replayed.decisions, 0);
    assert_eq!(replayed.not_rederivable.len(), 1);
    let (why, count) = replayed.not_rederivable.first_key_value().unwrap();
    assert!(why.contains("does not hold bundle sha256:1111"), "{why}");
    assert_eq!(*count, 1);
}

/// A bundle of the workspace, as a delivery has it: its digest, and its files by name.
fn delivered(rules: &str) -> (String, BTreeMap<String, Vec<u8>>) {
    let rules = Rules::of(WorkspaceId::from_bits(0), 3, rules);
    let digest = rules.bundle().digest().to_owned();
    let folder = digest.replace("sha256:", "policy/");
    let manifest = ("manifest.json".to_owned(), rules.manifest.to_string());
    let files = [manifest].into_iter().chain(rules.files);
    let files = files.map(|(path, text)| (format!("{folder}/{path}"), text.into_bytes()));
    (digest, files.collect())
}

#[tokio::test]
async fn a_decision_by_a_workspaces_bundle_is_judged_again_with_the_delivered_one() {
    let permit = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n";
    let forbid = format!(
        "{permit}@id(\"ws.forbid.all\") @why(\"nothing happens\")\nforbid (principal, action, resource);\n"
    );
    let world = World::new().await;
    propose(&world).await;
    for (rules, follows) in [(permit, true), (forbid.as_str(), false)] {
        let (digest, files) = delivered(rules);
        let mut record = Record::of(&world).await;
        let (id, facts) = record.decided();
        facts.insert("policy".to_owned(), digest.as_str().into());
        record.inputs.extend(files.clone());
        if follows {
            assert_eq!(record.replay(&id).await.unwrap().decisions, 1);
        } else {
            let what = differs(record.replay(&id).await);
            assert!(what.contains("the rules say DENY"), "{what}");
        }
        // A bundle of which a byte was changed is another one.
        let cedar = record
            .inputs
            .keys()
            .find(|name| name.contains("/policies/"));
        let cedar = cedar.unwrap().clone();
        record.inputs.get_mut(&cedar).unwrap().push(b'\n');
        let what = differs(record.replay(&id).await);
        assert!(what.contains("are not the bundle that it cites"), "{what}");
        record.inputs.remove(&cedar);
        let what = differs(record.replay(&id).await);
        assert!(what.contains("is listed and missing"), "{what}");
    }
}

/// The rules of another version of the product, as a delivery has them: their digest, and its files.
fn released(files: &[(&str, &str)]) -> (String, BTreeMap<String, Vec<u8>>) {
    let text: String = files.iter().map(|(_, text)| *text).collect();
    let digest = digest_string(text.as_bytes());
    let folder = digest.replace("sha256:", "policy/");
    let name = |path: &str| format!("{folder}/policies/{path}");
    let listed = files
        .iter()
        .map(|(path, _)| serde_json::json!({"name": name(path)}));
    let manifest = serde_json::json!({"files": listed.collect::<Vec<_>>()});
    let files = files
        .iter()
        .map(|(path, text)| (name(path), text.as_bytes().to_vec()));
    let manifest = (
        "manifest.json".to_owned(),
        manifest.to_string().into_bytes(),
    );
    (digest, files.chain([manifest]).collect())
}

fn own_baseline() -> String {
    counterfoil_policy::baseline_files()
        .map(|(_, text)| text)
        .collect()
}

#[tokio::test]
async fn a_decision_by_another_baseline_is_judged_again_by_the_one_that_the_delivery_holds() {
    let world = World::new().await;
    propose(&world).await;
    let own = own_baseline();
    let stricter = format!(
        "{own}@id(\"base.forbid.all\") @why(\"nothing happens\")\nforbid (principal, action, resource);\n"
    );
    for (last, follows) in [(own.as_str(), true), (stricter.as_str(), false)] {
        // However the text is cut into files.
        let (digest, files) = released(&[("a.cedar", "// An older one.\n"), ("b.cedar", last)]);
        let mut record = Record::of(&world).await;
        let (id, facts) = record.decided();
        facts.insert("baseline".to_owned(), digest.as_str().into());

        let replayed = record.replay(&id).await.unwrap();
        assert_eq!(replayed.decisions, 0);
        let why = format!("the delivery does not hold baseline {digest}");
        assert_eq!(replayed.not_rederivable, BTreeMap::from([(why, 1)]));

        record.inputs.extend(files);
        if follows {
            let replayed = record.replay(&id).await.unwrap();
            assert_eq!((replayed.decisions, replayed.not_rederivable.len()), (1, 0));
            let by = format!("baseline {digest}");
            assert_eq!(replayed.by_delivered, BTreeMap::from([(by, 1)]));
        } else {
            let what = differs(record.replay(&id).await);
            assert!(what.contains("the rules say DENY"), "{what}");
        }
        let name = format!("{}/policies/b.cedar", digest.replace("sha256:", "policy/"));
        record.inputs.get_mut(&name).unwrap().push(b'\n');
        let what = differs(record.replay(&id).await);
        assert!(
            what.contains("are not the baseline that it cites"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_delivered_baseline_that_is_not_the_one_of_this_build_whose_digest_it_has_is_refused() {
    let world = World::new().await;
    propose(&world).await;
    let own = own_baseline();
    let mut record = Record::of(&world).await;
    let (id, _) = record.decided();
    let (_, files) = released(&[("a.cedar", &own)]);
    record.inputs.extend(files);
    let replayed = record.replay(&id).await.unwrap();
    assert_eq!((replayed.decisions, replayed.by_delivered.len()), (1, 0));
    let mut rules = record.inputs.iter_mut();
    let (_, text) = rules.find(|(name, _)| name.ends_with("a.cedar")).unwrap();
    text[0] ^= 1;
    let what = differs(record.replay(&id).await);
    assert!(what.contains("somebody exchanged them"), "{what}");
}

#[tokio::test]
async fn rules_that_this_build_cannot_read_are_counted_and_never_called_derived() {
    let world = World::new().await;
    propose(&world).await;
    let said = async |change: &dyn Fn(&mut BTreeMap<String, Json>), text: &str| {
        let (digest, files) = released(&[("a.cedar", text)]);
        let mut record = Record::of(&world).await;
        let (id, facts) = record.decided();
        facts.insert("baseline".to_owned(), digest.as_str().into());
        change(facts);
        record.inputs.extend(files);
        let replayed = record.replay(&id).await.unwrap();
        assert_eq!(replayed.decisions, 0);
        assert_eq!(replayed.not_rederivable.values().sum::<u64>(), 1);
        replayed.not_rederivable.into_keys().next().unwrap()
    };
    let newer = format!("// A newer one.\n{}", own_baseline());
    let schema = |facts: &mut BTreeMap<String, Json>| {
        let layer = Json::Array(vec![counterfoil_core::evidence::json::object([
            ("layer", "baseline".into()),
            ("schema", "sha256:0000".into()),
        ])]);
        facts.insert("layers".to_owned(), layer);
    };
    let why = said(&schema, &newer).await;
    assert!(why.contains("another policy schema"), "{why}");
    let engine = |facts: &mut BTreeMap<String, Json>| {
        let engine = counterfoil_core::evidence::json::object([("lang", "5.0".into())]);
        facts.insert("engine".to_owned(), engine);
    };
    let why = said(&engine, &newer).await;
    assert!(why.contains("does not speak"), "{why}");
    let why = said(
        &|_| (),
        "permit (principal, action, resource) whenever { true };\n",
    )
    .await;
    assert!(why.contains("does not read baseline"), "{why}");
}
