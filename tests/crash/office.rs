//! A live project with its people and their keys, a time of its own, and workers.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::held_change::HeldChange;
use counterfoil_core::ids::UserId;
use counterfoil_core::mapping::{Mapping, compile};
use counterfoil_core::ports::{
    Clock as _, EvidenceRead as _, Login, State as _, Stored, StoredEntry, StoredPart,
};
use counterfoil_core::records::{
    Directory, Project, Record, Records, Unfinished, Versioned, Workspace,
};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::tenancy::{Capability, Principal, Role, TenantCtx};
use counterfoil_core::usecases::{
    CreateProject, NewPerson, NewProject, NewSecrets, NewWorkspace, SEGMENT, SealStream, Sealing,
    Waiting,
};
use counterfoil_testkit::memory::RealClock;
use serde_json::{Value, json};

use super::ask::{Ask, Who};
use super::deaths::{Deaths, Workers};
use super::stage::{Hours, Stage, number};
use super::worker::{Fate, Task, Worked, work};

const MAPPING: &str = include_str!("../../tools/cli/src/demo/counterfoil.toml");

pub(crate) struct Office {
    pub(crate) stage: &'static Stage,
    pub(crate) time: Hours,
    pub(crate) workspace: Workspace,
    pub(crate) project: Project,
    /// Ids of Ann, Ben and Cleo.
    pub(crate) people: [UserId; 3],
    /// A repair key of Ann's, which proposes.
    ann: String,
    /// An approver key of Ben's.
    ben: String,
    /// What the issuer calls Ann and Cleo.
    subjects: [String; 2],
    /// The process of the latest worker that is killed.
    pub(crate) worker: Arc<AtomicU32>,
}

/// How long the streams of the project and of its workspace were.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark([u64; 2]);

/// An entry of a stream.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: String,
    pub(crate) run: String,
    pub(crate) facts: Value,
}

impl Office {
    /// One with nothing behind it, whose time began so long ago.
    pub(crate) async fn new(stage: &'static Stage, back: Duration) -> Self {
        Self::with(stage, back, nothing_behind()).await
    }

    pub(crate) async fn with(stage: &'static Stage, back: Duration, secrets: NewSecrets) -> Self {
        let office = Self::undecided(stage, back, secrets).await;
        // The first decision says under which baseline it was made: whoever dies of that has tests of their
        // own, and no other play has it among its steps.
        office.does(&office.rename().await).await;
        office
    }

    /// One in which nobody has decided anything.
    pub(crate) async fn undecided(
        stage: &'static Stage,
        back: Duration,
        secrets: NewSecrets,
    ) -> Self {
        let time = Hours::back(back);
        let boot = &stage.boot;
        let create = CreateProject {
            evidence: boot.evidence().unwrap(),
            state: boot.state().unwrap(),
            vault: boot.vault().unwrap(),
            signer: boot.signer().unwrap(),
            clock: Arc::new(time.clock()),
            random: boot.random(),
        };
        let people = [
            ("Ann", Role::Owner),
            ("Ben", Role::Approver),
            ("Cleo", Role::Owner),
        ];
        let subjects = people.map(|(name, _)| format!("mfa-{name}-{}", number()));
        let logins = subjects.each_ref().map(|subject| Login {
            issuer: stage.issuer.url().to_owned(),
            subject: subject.clone(),
            authenticated_at: time.clock().now(),
            second_factor: true,
        });
        let mut logins = logins.iter();
        let people = people.map(|(name, role)| NewPerson {
            name,
            role,
            login: logins.next(),
        });
        let new = NewWorkspace {
            name: "Crash",
            people: &people,
        };
        let (workspace, people) = create.workspace(&new).await.unwrap();
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let text = MAPPING
            .replace("max_drift_percent = 20.0", "max_drift_percent = 100.0")
            .replace("max_amount_at_risk", "# max_amount_at_risk");
        assert_ne!(text, MAPPING);
        let new = NewProject {
            workspace: &workspace,
            by: &by,
            name: "Shop",
            livemode: true,
            artifact: &compile(&Mapping::from_toml(&text).unwrap()).unwrap(),
            hints: ("rk_live_…", "db"),
            secrets,
            auto_propose: false,
        };
        let project = create.project(new).await.unwrap();
        let mut keys = Vec::new();
        let people = <[_; 3]>::try_from(people).unwrap();
        let [ann, ben, _] = people;
        for (person, approver) in [(ann, None), (ben, Some(ben))] {
            let key = create.api_key(&project, &by, Capability::Repair, person, approver);
            keys.push(key.await.unwrap().reveal().clone());
        }
        let [ann, ben] = keys.try_into().unwrap();
        let [ann_herself, _, cleo] = subjects;
        Self {
            stage,
            time,
            workspace,
            project,
            people,
            ann,
            ben,
            subjects: [ann_herself, cleo],
            worker: Arc::default(),
        }
    }

    /// What carries a request of theirs to the function that answers it.
    pub(crate) fn request(&self, ask: &Ask) -> Task {
        let bearer = match ask.who {
            Who::Ann => self.ann.clone(),
            Who::Ben => self.ben.clone(),
            Who::Owner => self.signed_in(&self.subjects[0]),
            Who::OtherOwner => self.signed_in(&self.subjects[1]),
        };
        let project = self.project.id.to_string();
        let event = ask.event(&bearer, &project);
        let of_action = ask.path.contains("/actions") || ask.path.ends_with("/repairs");
        if of_action {
            Task::Repair(event)
        } else {
            Task::Api(event)
        }
    }

    /// The token of somebody who signs in now, as far as this project knows.
    fn signed_in(&self, subject: &str) -> String {
        let now = self.time.clock().now().as_millis() / 1_000;
        self.stage.issuer.mint(subject, |claims| {
            for (name, time) in [("iat", now), ("auth_time", now), ("exp", now + 900)] {
                claims.insert(name.to_owned(), json!(time));
            }
        })
    }

    pub(crate) async fn work(&self, task: &Task, fate: Fate) -> Worked {
        let time = self.time.clock();
        work(self.stage, time, task, fate, &self.worker).await
    }

    /// Does what nobody dies of; the answer's body.
    pub(crate) async fn does(&self, ask: &Ask) -> Value {
        let mut workers = Workers::of(self, Deaths::default());
        let (status, said) = workers.until_answered(ask).await;
        assert!(status < 300, "{ask:?}: {status} {said}");
        said
    }

    /// Ann gives the project another name, which is judged.
    pub(crate) async fn rename(&self) -> Ask {
        let (project, version) = self.project_now().await;
        let body = json!({ "name": format!("Shop {}", number()) });
        Ask::patch(Who::Owner, format!("/v1/projects/{}", project.id), body).of(version)
    }

    /// The schedule's sweep of actions.
    pub(crate) fn sweep() -> Task {
        Task::Repair(json!({ "detail": { "job": "sweep" } }))
    }

    /// A record of the project.
    pub(crate) async fn record<T: Record<TenantCtx>>(&self, id: &str) -> Option<Versioned<T>> {
        let boot = &self.stage.boot;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.project, "test");
        let records = Records::of(state.as_ref(), &ctx);
        records.get::<T>(id).await.unwrap()
    }

    /// Every record of a family.
    pub(crate) async fn records<T: Record<TenantCtx>>(&self) -> Vec<T> {
        let boot = &self.stage.boot;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.project, "test");
        let records = Records::of(state.as_ref(), &ctx);
        let found = records.list::<T>().await.unwrap().into_iter();
        found.map(|found| found.value).collect()
    }

    /// The project as it is now, with its version.
    pub(crate) async fn project_now(&self) -> (Project, u64) {
        let boot = &self.stage.boot;
        let state = boot.state().unwrap();
        let found = Directory::of(state.as_ref()).project(self.project.id).await;
        let found = found.unwrap().unwrap();
        (found.value, found.version)
    }

    /// Changes of the project that wait for further people.
    pub(crate) async fn changes(&self) -> Vec<HeldChange> {
        let boot = &self.stage.boot;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.project, "test");
        let key = Records::of(state.as_ref(), &ctx).key::<HeldChange>("");
        let rows = state.list(&key.pk, "").await.unwrap().into_iter();
        rows.map(|row| serde_json::from_value(row.doc).unwrap())
            .collect()
    }

    /// Every row of a family that the workspace has.
    pub(crate) async fn rows_of_workspace(&self, family: &str) -> Vec<Stored> {
        let boot = &self.stage.boot;
        let partition = format!("{}#{family}", self.workspace.id);
        let state = boot.state().unwrap();
        state.list(&partition, "").await.unwrap()
    }

    /// How many actions wait, and how many are begun and not settled.
    pub(crate) async fn left(&self) -> (usize, usize) {
        let waiting = self.records::<Waiting>().await;
        (waiting.len(), self.records::<Unfinished>().await.len())
    }

    /// Where both streams begin.
    pub(crate) const BEGINNING: Mark = Mark([0, 0]);

    fn streams(&self) -> [Hash; 2] {
        let streams = [&self.project.stream, &self.workspace.stream];
        streams.map(|stream| stream.parse().unwrap())
    }

    pub(crate) async fn mark(&self) -> Mark {
        let boot = &self.stage.boot;
        let reader = boot.evidence().unwrap();
        let [project, workspace] = self.streams().map(|stream| reader.head(stream));
        let (project, workspace) = tokio::join!(project, workspace);
        Mark([project, workspace].map(|head| head.unwrap().unwrap().size))
    }

    /// What was recorded since then, the project's entries first.
    pub(crate) async fn since(&self, mark: Mark) -> Vec<Entry> {
        let boot = &self.stage.boot;
        let reader = boot.evidence().unwrap();
        let mut entries = Vec::new();
        for (stream, from) in self.streams().into_iter().zip(mark.0) {
            let stored = reader.entries(stream, from, u64::MAX).await.unwrap();
            entries.extend(stored.iter().map(Entry::of));
        }
        entries
    }

    /// Seals both streams, which recomputes all of them from the stored bytes and refuses what does not
    /// fit.
    pub(crate) async fn verifies(&self) {
        let boot = &self.stage.boot;
        let sealer = SealStream {
            evidence: boot.evidence().unwrap(),
            seals: boot.seals().unwrap(),
            signer: boot.signer().unwrap(),
            retiring: None,
            archive: boot.archive().unwrap(),
            clock: Arc::new(RealClock),
            origin_prefix: "evidence.counterfoil.example/s/".to_owned(),
            budget: Duration::from_mins(1),
            segment: SEGMENT,
        };
        for stream in self.streams() {
            let mut sealed = sealer.seal(stream).await.unwrap();
            // It has a minute at a time.
            while let Sealing::Continues { size } = sealed {
                eprintln!("recomputed: {size}");
                sealed = sealer.seal(stream).await.unwrap();
            }
            let head = boot.evidence().unwrap().head(stream).await.unwrap();
            let size = head.unwrap().size;
            let all = matches!(sealed, Sealing::NothingNew) || sealed == Sealing::Sealed { size };
            assert!(all, "{sealed:?} of {size}");
        }
    }
}

/// Secrets that lead nowhere.
pub(crate) fn nothing_behind() -> NewSecrets {
    let secret = |text: &str| Redacted::new(text.to_owned());
    NewSecrets {
        stripe_key: secret("rk_live_x"),
        read_database: secret("postgres://nobody:nothing@127.0.0.1:1/app"),
        repair_database: None,
        webhook: Vec::new(),
    }
}

impl Entry {
    fn of(stored: &StoredEntry) -> Self {
        let header: Value = serde_json::from_slice(&stored.header).unwrap();
        let text = |pointer: &str| {
            let text = header.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let Some(StoredPart::Present { bytes, .. }) = &stored.facts else {
            panic!("entry {} has no facts", stored.seq);
        };
        Self {
            kind: text("/kind"),
            run: text("/run/id"),
            facts: serde_json::from_slice(bytes).unwrap(),
        }
    }
}
