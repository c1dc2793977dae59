//! A decision is found by its id, with nothing stored for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::export::{Export, ExportScope, ExportState, Progress};
use counterfoil_core::ids::{DecisionId, ExportId, RunId};
use counterfoil_core::ports::{
    Clock, EvidenceRead, Holds, PortError, State, StoredEntry, StoredPart,
};
use counterfoil_core::records::Records;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{ReadEvidence, ReadEvidenceError, RecordedDecision};

use super::world::World;

/// Counts what is asked of the evidence.
pub(crate) struct Counting {
    pub(crate) inner: Arc<dyn EvidenceRead>,
    pub(crate) reads: AtomicU32,
}

impl Counting {
    fn one(&self) -> &dyn EvidenceRead {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.as_ref()
    }
}

#[async_trait]
impl EvidenceRead for Counting {
    async fn head(
        &self,
        stream: Hash,
    ) -> Result<Option<counterfoil_core::evidence::stream::Head>, PortError> {
        self.one().head(stream).await
    }

    async fn entries(
        &self,
        stream: Hash,
        from: u64,
        to: u64,
    ) -> Result<Vec<StoredEntry>, PortError> {
        self.one().entries(stream, from, to).await
    }

    async fn run(&self, stream: Hash, run: &str) -> Result<Vec<StoredEntry>, PortError> {
        self.one().run(stream, run).await
    }

    async fn nodes(&self, stream: Hash, seqs: &[u64]) -> Result<Vec<StoredEntry>, PortError> {
        self.one().nodes(stream, seqs).await
    }

    async fn by_subject(&self, stream: Hash, pseudonym: &str) -> Result<Vec<u64>, PortError> {
        self.one().by_subject(stream, pseudonym).await
    }

    async fn holds(&self, stream: Hash) -> Result<Holds, PortError> {
        self.one().holds(stream).await
    }
}

impl World {
    fn reading(&self) -> (ReadEvidence, Arc<Counting>) {
        let counting = Arc::new(Counting {
            inner: self.store.clone(),
            reads: AtomicU32::new(0),
        });
        let evidence = ReadEvidence {
            reader: counting.clone(),
            state: self.store.clone(),
            vault: self.vault.clone(),
            random: self.random(),
        };
        (evidence, counting)
    }

    async fn decision(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<RecordedDecision, ReadEvidenceError> {
        self.reading().0.decision(ctx, id).await
    }

    /// Facts of the decisions in the workspace's own stream.
    fn of_workspace(&self) -> Vec<Json> {
        let stream = self.workspace.stream.parse().unwrap();
        let facts = self.store.stream(stream).into_iter().map(|entry| {
            let Some(StoredPart::Present { bytes, .. }) = entry.facts else {
                panic!("facts are protected")
            };
            Json::parse(&bytes).unwrap()
        });
        facts
            .filter(|it| it.get("decision").is_some() && it.get("request").is_some())
            .collect()
    }
}

fn text<'a>(facts: &'a Json, name: &str) -> &'a str {
    facts.get(name).and_then(Json::as_str).unwrap()
}

fn absent(found: Result<RecordedDecision, ReadEvidenceError>) {
    match found {
        Err(ReadEvidenceError::NotFound) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_decision_of_a_project_is_found_however_many_share_its_time() {
    let world = World::new().await;
    world.register().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
    proposed.await.unwrap();
    // The clock stands: 300 entries and more of one moment.
    for _ in 0..3 {
        let run = world.open_run().await;
        for n in 0..100 {
            world.act(&run, "mail.send", &format!("ticket-{n}")).await;
        }
        world.complete_run(&run).await.unwrap_err();
        world.clock.advance(Duration::from_secs(7));
    }
    let decisions = world.facts("run.decision");
    assert!(decisions.len() > 300);
    let (evidence, counting) = world.reading();
    for facts in &decisions {
        counting.reads.store(0, Ordering::Relaxed);
        let found = evidence.decision(&world.read_key, text(facts, "decision"));
        let found = found.await.unwrap();
        assert_eq!(found.id.to_string(), text(facts, "decision"));
        assert_eq!(found.rule, text(facts, "rule"));
        assert_eq!(found.effect.name(), text(facts, "effect"));
        assert_eq!(found.phase, text(facts, "phase"));
        assert_eq!(found.layers.len(), 2);
        assert!(found.run.is_some() && !found.place.workspace);
        let entry = evidence
            .entry(&world.read_key, found.place.seq)
            .await
            .unwrap();
        assert_eq!(entry.facts.unwrap()["decision"], text(facts, "decision"));
        // The head, three rounds at most in some 400 entries, five steps at most through 100 of one time.
        assert!(counting.reads.load(Ordering::Relaxed) <= 10);
    }
}

#[tokio::test]
async fn what_is_absent_of_another_project_or_no_id_is_alike() {
    let world = World::new().await;
    world.scan().await;
    let other = world.another_project().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
    proposed.await.unwrap();
    let decisions = world.facts("run.decision");
    let known = text(decisions.last().unwrap(), "decision");
    world.decision(&world.read_key, known).await.unwrap();
    absent(world.decision(&other, known).await);
    absent(world.decision(&world.read_key, "dec_nonsense").await);
    let now = world.clock.now();
    let days = |days: u64| Duration::from_hours(24 * days);
    for at in [
        now,
        now.plus(days(400)),
        counterfoil_core::time::Timestamp::from_millis(0),
    ] {
        let made_up = DecisionId::new(at, 7).to_string();
        absent(world.decision(&world.read_key, &made_up).await);
    }
}

#[tokio::test]
async fn a_decision_of_the_workspace_is_for_people_who_signed_in() {
    let world = World::new().await;
    let ben = world.sign_in("Ben").await;
    world.retention().change(&ben, 40, None, 0).await.unwrap();
    let decisions = world.of_workspace();
    let id = text(decisions.last().unwrap(), "decision");
    let found = world.decision(&ben, id).await.unwrap();
    assert_eq!(found.action, "settings.change");
    assert_eq!((found.approvals, found.place.workspace), (1, true));
    let ann = world.sign_in("Ann").await;
    assert_eq!(world.decision(&ann, id).await.unwrap(), found);
    // A key reaches its project, also one that speaks for a person.
    for key in [&world.read_key, &world.repair_key, &world.ben] {
        absent(world.decision(key, id).await);
    }
}

#[tokio::test]
async fn the_package_of_a_run_is_its_newest_that_can_be_had() {
    let world = World::new().await;
    let (evidence, _) = world.reading();
    let now = world.clock.now();
    let (run_id, other) = (RunId::new(now, 1), RunId::new(now, 2));
    let records = Records::of(world.store.as_ref(), &world.read_key);
    let export = |n: u64, scope: ExportScope, state| Export {
        id: ExportId::new(now.plus(Duration::from_secs(n)), 1),
        scope,
        inputs: false,
        by: world.ben.principal().clone(),
        state,
        stream: world.project.stream.clone(),
        asked_at: now.plus(Duration::from_secs(n)),
        touched_at: now,
        attempt: 0,
        progress: Progress::default(),
        made: None,
        failure: None,
    };
    let find = async |run: &str| {
        evidence
            .package_of(&world.read_key, run, now)
            .await
            .unwrap()
    };
    assert_eq!(find(&run_id.to_string()).await, None);
    assert_eq!(find("run_nonsense").await, None);
    let of = |run_id| ExportScope::Run { run_id };
    let newest = export(3, of(run_id), ExportState::Running);
    let all = [
        export(2, of(run_id), ExportState::Queued),
        newest.clone(),
        export(4, of(run_id), ExportState::Failed),
        export(5, of(other), ExportState::Queued),
        export(6, ExportScope::All, ExportState::Queued),
    ];
    let rows = all.iter().map(|it| records.create(it).unwrap());
    assert!(world.store.write(rows.collect()).await.unwrap());
    assert_eq!(find(&run_id.to_string()).await, Some(newest.id));
    let foreign = world.another_project().await;
    let run = run_id.to_string();
    let found = evidence.package_of(&foreign, &run, now).await;
    assert_eq!(found.unwrap(), None);
}
