//! Mappings of a project: stored, listed, activated, by one person or by two.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::held_change::{HeldChange, MAPPING};
use counterfoil_core::mapping::MappingFormat;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, State, StateWrite, StoredPart,
};
use counterfoil_core::records::{Mapping, Missing, Project, Records, StoredMappings};
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::{
    Activation, MAX_MAPPING, MAX_MAPPINGS, PageOf, ProjectError, Projects, ReadEvidence,
    ReadEvidenceError,
};

use tokio::sync::Mutex;

use super::lossy::Lossy;
use super::office::{ADMIN, OTHER_OWNER, OWNER, Office, VIEWER};

/// A mapping that repairs write nothing by.
pub(super) const LOOK: &str = r#"[match]
table = "public.app_users"
primary_key = "id"
keys = [{ stripe = "customer.id", column = "stripe_customer_id" }]

[access]
plan = { column = "plan" }
premium = { column = "premium" }

[[plans]]
name = "pro"
rank = 1
match = { price = ["price_pro"] }

[limits]
max_repairs_per_run = 10
max_amount_at_risk = { minor = 500, currency = "usd" }
"#;

/// The same, and repairs may write the plan.
pub(super) fn repairs() -> String {
    let changed = LOOK.replace("column = \"plan\"", "column = \"plan\", repairable = true");
    assert_ne!(changed, LOOK);
    changed
}

pub(super) struct Shop {
    pub(super) office: Office,
    pub(super) project: Project,
}

impl Shop {
    pub(super) async fn new() -> Self {
        Self::in_office(Office::new().await, ADMIN).await
    }

    pub(super) async fn in_office(office: Office, maker: &str) -> Self {
        let project = office.make(maker).await.unwrap().value;
        Self { office, project }
    }

    pub(super) async fn by(&self, name: &str) -> TenantCtx {
        self.office.in_project(name, self.project.id).await
    }

    pub(super) async fn add(&self, by: &str, text: &str) -> Result<(String, bool), ProjectError> {
        let ctx = self.by(by).await;
        let projects = self.office.projects();
        let added = projects.add_mapping(&ctx, text, MappingFormat::Toml).await;
        added.map(|(added, new)| (added.value.hash, new))
    }

    async fn version(&self) -> u64 {
        let ctx = self.by(VIEWER).await;
        let found = self.office.projects().read(&ctx).await.unwrap();
        found.project.version
    }

    pub(super) async fn activate(&self, by: &str, hash: &str) -> Result<Activation, ProjectError> {
        let version = self.version().await;
        self.activate_with(&self.office.projects(), by, hash, version)
            .await
    }

    async fn activate_with(
        &self,
        projects: &Projects,
        by: &str,
        hash: &str,
        version: u64,
    ) -> Result<Activation, ProjectError> {
        let ctx = self.by(by).await;
        projects.activate(&ctx, hash, version).await
    }

    /// Stored and active, by however many people that takes.
    pub(super) async fn active(&self, text: &str) -> String {
        let (hash, _) = self.add(ADMIN, text).await.unwrap();
        if let Activation::Held(_) = self.activate(ADMIN, &hash).await.unwrap() {
            let done = self.activate(OWNER, &hash).await.unwrap();
            assert!(matches!(done, Activation::Done(_)), "{done:?}");
        }
        assert_eq!(self.shown().await.mapping.as_deref(), Some(hash.as_str()));
        hash
    }

    pub(super) async fn shown(&self) -> Project {
        let ctx = self.by(VIEWER).await;
        let found = self.office.projects().read(&ctx).await.unwrap();
        found.project.value
    }

    /// What waits of the project under a name.
    pub(super) async fn waiting(&self, name: &str) -> Option<HeldChange> {
        let ctx = self.by(VIEWER).await;
        let found = self.office.projects().read(&ctx).await.unwrap();
        found.waiting(name).cloned()
    }

    fn kinds(&self) -> Vec<String> {
        self.office.kinds(&self.project.stream)
    }

    /// Facts of an entry.
    fn facts(&self, entry: &EntryRef) -> Json {
        let stream = self.project.stream.parse().unwrap();
        let entries = self.office.world.store.stream(stream);
        let found = entries.into_iter().find(|it| it.seq == entry.seq).unwrap();
        match found.facts {
            Some(StoredPart::Present { bytes, .. }) => Json::parse(&bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_first_mapping_is_stored_then_activated_by_one_person_and_both_are_recorded() {
    let shop = Shop::new().await;
    let before = shop.kinds().len();
    let (hash, new) = shop.add(ADMIN, &repairs()).await.unwrap();
    assert!(new && hash.starts_with("sha256:"), "{hash}");
    assert_eq!(shop.shown().await.mapping, None);
    let done = shop.activate(ADMIN, &hash).await.unwrap();
    let Activation::Done(done) = done else {
        panic!("{done:?}");
    };
    assert_eq!(done.value.mapping.as_deref(), Some(hash.as_str()));
    assert_eq!(
        done.value.missing(),
        [Missing::Stripe, Missing::Database],
        "the mapping is there"
    );
    let act = ["run.open", "run.decision", "config.changed", "run.close"];
    assert_eq!(shop.kinds()[before..], [act, act].concat());
    let facts = shop.facts(&done.evidence.unwrap());
    let text = |name| facts.get(name).and_then(Json::as_str);
    assert_eq!(text("mapping"), Some(hash.as_str()));
    assert_eq!(text("mapping_before"), None);
}

#[tokio::test]
async fn what_is_no_mapping_is_told_whole_and_nothing_is_stored() {
    let shop = Shop::new().await;
    let before = shop.kinds().len();
    let wrong = LOOK
        .replace("rank = 1", "rnak = 1")
        .replace("table = \"public.app_users\"", "tabel = \"app_users\"");
    let refused = shop.add(ADMIN, &wrong).await.unwrap_err();
    let ProjectError::Mapping(errors) = refused else {
        panic!("{refused:?}");
    };
    let told: Vec<_> = errors
        .iter()
        .map(|it| (it.to_string(), it.place.unwrap().line))
        .collect();
    assert_eq!(
        told,
        [
            ("match.table: is needed; add `table`".to_owned(), 1),
            (
                "match.tabel: there is no such field; did you mean `table`?".to_owned(),
                2
            ),
            ("plans[0].rank: is needed; add `rank`".to_owned(), 10),
            (
                "plans[0].rnak: there is no such field; did you mean `rank`?".to_owned(),
                12
            ),
        ]
    );
    let long = format!("{LOOK}#{}", "x".repeat(131_072));
    let long = shop.add(ADMIN, &long).await;
    assert!(
        matches!(long, Err(ProjectError::Invalid { field: "/text", .. })),
        "{long:?}"
    );
    assert_eq!(shop.kinds().len(), before);
}

#[tokio::test]
async fn a_mapping_that_says_the_same_is_the_same() {
    let shop = Shop::new().await;
    let (first, new) = shop.add(ADMIN, LOOK).await.unwrap();
    assert!(new);
    let before = shop.kinds().len();
    let (again, new) = shop
        .add(OWNER, &format!("# the same\n{LOOK}"))
        .await
        .unwrap();
    assert_eq!((again, new), (first, false));
    assert_eq!(shop.kinds().len(), before);
}

#[tokio::test]
async fn who_may_not_is_refused_and_that_is_recorded() {
    let shop = Shop::new().await;
    let (hash, _) = shop.add(ADMIN, LOOK).await.unwrap();
    let before = shop.kinds().len();
    let stored = shop.add(VIEWER, &repairs()).await;
    assert!(matches!(stored, Err(ProjectError::Denied(_))), "{stored:?}");
    let active = shop.activate(VIEWER, &hash).await;
    assert!(matches!(active, Err(ProjectError::Denied(_))), "{active:?}");
    let refusal = ["run.open", "run.decision", "run.close"];
    assert_eq!(shop.kinds()[before..], [refusal, refusal].concat());
    assert_eq!(shop.shown().await.mapping, None);
}

#[tokio::test]
async fn no_key_stores_or_activates_a_mapping_not_even_one_that_approves() {
    let office = Office::new().await;
    let (world, projects) = (&office.world, office.projects());
    let signed_in = world.sign_in("Ben").await;
    let added = projects.add_mapping(&signed_in, LOOK, MappingFormat::Toml);
    let hash = added.await.unwrap().0.value.hash;
    for key in [&world.ben, &world.repair_key, &world.read_key] {
        let text = repairs();
        let stored = projects.add_mapping(key, &text, MappingFormat::Toml).await;
        assert!(matches!(stored, Err(ProjectError::Denied(_))), "{stored:?}");
        let active = projects.activate(key, &hash, 1).await;
        assert!(matches!(active, Err(ProjectError::Denied(_))), "{active:?}");
        let admitted = projects.admit_activation(key).await;
        assert!(admitted.is_err(), "{admitted:?}");
    }
}

#[tokio::test]
async fn what_lets_repairs_do_more_needs_a_second_person() {
    let wider = repairs().replace(
        "column = \"premium\"",
        "column = \"premium\", repairable = true",
    );
    let cases: [(&str, String); 8] = [
        (
            "no second look",
            repairs() + "\n[rules]\nrace_grace = \"1s\"\n",
        ),
        (
            "another key first",
            repairs().replace(
                "keys = [",
                "keys = [{ stripe = \"customer.metadata.id\", column = \"id\" }, ",
            ),
        ),
        ("a column more", wider),
        (
            "more repairs",
            repairs().replace("per_run = 10", "per_run = 11"),
        ),
        (
            "more money",
            repairs().replace("minor = 500", "minor = 501"),
        ),
        (
            "no limit of money",
            repairs().replace("max_amount_at_risk", "# max_amount_at_risk"),
        ),
        (
            "another table",
            repairs().replace("public.app_users", "public.users"),
        ),
        (
            "another key",
            repairs().replace("customer.id", "customer.metadata.user_id"),
        ),
    ];
    for (what, wanted) in cases {
        let shop = Shop::new().await;
        let old = shop.active(&repairs()).await;
        let (hash, _) = shop.add(ADMIN, &wanted).await.unwrap();
        assert_ne!(hash, old, "{what}");
        let held = shop.activate(ADMIN, &hash).await.unwrap();
        assert!(matches!(held, Activation::Held(_)), "{what}: {held:?}");
        assert_eq!(shop.shown().await.mapping, Some(old), "{what}");
    }
}

#[tokio::test]
async fn nobody_switches_the_marker_of_access_given_by_hand_off_alone() {
    let marked = |column: &str| {
        repairs().replace(
            "[access]\n",
            &format!("[access]\ncomp = {{ column = \"{column}\" }}\n"),
        )
    };
    for wanted in [repairs(), marked("never_set")] {
        let shop = Shop::new().await;
        let old = shop.active(&marked("comped")).await;
        let (hash, _) = shop.add(ADMIN, &wanted).await.unwrap();
        let held = shop.activate(ADMIN, &hash).await.unwrap();
        assert!(matches!(held, Activation::Held(_)), "{held:?}");
        assert_eq!(shop.shown().await.mapping, Some(old));
    }
}

#[tokio::test]
async fn what_lets_repairs_do_no_more_is_one_persons_decision() {
    let shop = Shop::new().await;
    shop.active(&repairs()).await;
    let tighter = repairs().replace("minor = 500", "minor = 499");
    let plans = repairs().replace("price_pro", "price_other");
    for wanted in [tighter.as_str(), LOOK, plans.as_str()] {
        if wanted == plans {
            shop.active(&repairs()).await;
        }
        let (hash, _) = shop.add(ADMIN, wanted).await.unwrap();
        let done = shop.activate(ADMIN, &hash).await.unwrap();
        assert!(matches!(done, Activation::Done(_)), "{wanted}: {done:?}");
    }
}

#[tokio::test]
async fn the_first_person_proposes_and_cannot_confirm_and_the_second_one_activates() {
    let shop = Shop::new().await;
    let old = shop.active(LOOK).await;
    let (hash, _) = shop.add(ADMIN, &repairs()).await.unwrap();
    let before = shop.kinds().len();
    for _ in 0..2 {
        let held = shop.activate(ADMIN, &hash).await.unwrap();
        assert!(matches!(held, Activation::Held(_)), "{held:?}");
    }
    assert_eq!(
        shop.kinds()[before..],
        ["run.open", "run.decision", "run.close"],
        "proposed once"
    );
    let proposed = shop.waiting(MAPPING).await.unwrap();
    assert_eq!(proposed.text("mapping"), Some(hash.as_str()));
    let before = shop.kinds().len();
    let done = shop.activate(OTHER_OWNER, &hash).await.unwrap();
    let Activation::Done(done) = done else {
        panic!("{done:?}");
    };
    assert_eq!(shop.waiting(MAPPING).await, None);
    assert_eq!(
        shop.kinds()[before..],
        [
            "run.open",
            "run.resolution",
            "run.decision",
            "config.changed",
            "run.close"
        ]
    );
    let facts = shop.facts(&done.evidence.unwrap());
    let text = |name| facts.get(name).and_then(Json::as_str);
    assert_eq!(text("mapping_before"), Some(old.as_str()));
    assert_eq!(text("mapping"), Some(hash.as_str()));
    // Whoever sends it once more finds it done.
    let before = shop.kinds().len();
    let again = shop
        .activate_with(&shop.office.projects(), ADMIN, &hash, 1)
        .await;
    assert!(matches!(again, Ok(Activation::Done(_))), "{again:?}");
    assert_eq!(shop.kinds().len(), before);
}

#[tokio::test]
async fn a_proposal_ends_after_three_days_and_with_the_mapping_it_was_compared_with() {
    let shop = Shop::new().await;
    shop.active(LOOK).await;
    let (hash, _) = shop.add(ADMIN, &repairs()).await.unwrap();
    shop.activate(ADMIN, &hash).await.unwrap();
    shop.office.world.clock.advance(Duration::from_hours(73));
    let late = shop.activate(OWNER, &hash).await.unwrap();
    assert!(matches!(late, Activation::Held(_)), "{late:?}");
    // Another one becomes active meanwhile: what was agreed to was a change from the earlier one.
    shop.active(&LOOK.replace("price_pro", "price_other")).await;
    let elsewhere = shop.activate(ADMIN, &hash).await.unwrap();
    assert!(matches!(elsewhere, Activation::Held(_)), "{elsewhere:?}");
}

#[tokio::test]
async fn the_only_person_of_a_workspace_waits_a_day() {
    let office = Office::of(&[(ADMIN, Role::Owner)]).await;
    let shop = Shop::in_office(office, ADMIN).await;
    let ctx = shop.by(ADMIN).await;
    let projects = shop.office.projects();
    let version = async || projects.read(&ctx).await.unwrap().project.version;
    let (look, _) = shop.add(ADMIN, LOOK).await.unwrap();
    projects
        .activate(&ctx, &look, version().await)
        .await
        .unwrap();
    let (hash, _) = shop.add(ADMIN, &repairs()).await.unwrap();
    for hours in [0, 23] {
        shop.office.world.clock.advance(Duration::from_hours(hours));
        let held = projects.activate(&ctx, &hash, version().await).await;
        assert!(matches!(held, Ok(Activation::Held(_))), "{held:?}");
    }
    shop.office.world.clock.advance(Duration::from_hours(1));
    let done = projects.activate(&ctx, &hash, version().await).await;
    assert!(matches!(done, Ok(Activation::Done(_))), "{done:?}");
}

#[tokio::test]
async fn an_activation_needs_the_version_that_was_displayed_and_a_mapping_that_is_there() {
    let shop = Shop::new().await;
    let (hash, _) = shop.add(ADMIN, LOOK).await.unwrap();
    let version = shop.version().await;
    let projects = shop.office.projects();
    let late = shop
        .activate_with(&projects, ADMIN, &hash, version + 1)
        .await;
    assert!(matches!(late, Err(ProjectError::Changed)), "{late:?}");
    let absent = format!("sha256:{}", "0".repeat(64));
    let absent = shop.activate(ADMIN, &absent).await;
    assert!(matches!(absent, Err(ProjectError::NotFound)), "{absent:?}");
    let elsewhere = Shop::new().await.add(ADMIN, &repairs()).await.unwrap().0;
    let elsewhere = shop.activate(ADMIN, &elsewhere).await;
    assert!(
        matches!(elsewhere, Err(ProjectError::NotFound)),
        "{elsewhere:?}"
    );
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_done_once_when_it_comes_again() {
    for happens in [false, true] {
        let shop = Shop::new().await;
        let mut lossy = shop.office.projects();
        lossy.create.evidence = Arc::new(Lossy {
            inner: lossy.create.evidence.clone(),
            happens,
        });
        let ctx = shop.by(ADMIN).await;
        let lost = lossy.add_mapping(&ctx, LOOK, MappingFormat::Toml).await;
        assert!(matches!(lost, Err(ProjectError::Evidence(_))), "{lost:?}");
        let (hash, new) = shop.add(ADMIN, LOOK).await.unwrap();
        assert_eq!(new, !happens);
        let version = shop.version().await;
        let lost = shop.activate_with(&lossy, ADMIN, &hash, version).await;
        assert!(matches!(lost, Err(ProjectError::Evidence(_))), "{lost:?}");
        let sound = shop.office.projects();
        let again = shop.activate_with(&sound, ADMIN, &hash, version).await;
        assert!(matches!(again, Ok(Activation::Done(_))), "{again:?}");
        let changes = shop.kinds();
        let changes = changes.iter().filter(|kind| *kind == "config.changed");
        assert_eq!(changes.count(), 3, "made, stored, activated");
    }
}

#[tokio::test]
async fn mappings_come_newest_first_and_a_cursor_belongs_to_its_project() {
    let shop = Shop::new().await;
    let world = &shop.office.world;
    let lists = ReadEvidence {
        reader: world.store.clone(),
        state: world.store.clone(),
        vault: world.vault.clone(),
        random: world.random(),
    };
    let (first, _) = shop.add(ADMIN, LOOK).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let (second, _) = shop.add(ADMIN, &repairs()).await.unwrap();
    let ctx = shop.by(VIEWER).await;
    let page = |cursor| PageOf { cursor, limit: 1 };
    let (_, one) = lists.mappings(&ctx, page(None)).await.unwrap();
    assert_eq!(one.items[0].0, second);
    let cursor = one.next_cursor.unwrap();
    let (_, two) = lists.mappings(&ctx, page(Some(&cursor))).await.unwrap();
    assert_eq!(two.items[0].0, first);
    assert_eq!(two.next_cursor, None);
    let foreign = lists.mappings(&world.ben, page(Some(&cursor))).await;
    assert!(
        matches!(
            foreign,
            Err(ReadEvidenceError::Invalid {
                field: "/cursor",
                ..
            })
        ),
        "{foreign:?}"
    );
}

#[tokio::test]
async fn a_list_of_mappings_reads_none_of_them() {
    let shop = Shop::new().await;
    let world = &shop.office.world;
    let (hash, _) = shop.add(ADMIN, LOOK).await.unwrap();
    let ctx = shop.by(VIEWER).await;
    // What cannot be read is listed all the same.
    let records = Records::of(world.store.as_ref(), &ctx);
    let key = records.key::<Mapping>(&hash);
    let spoilt = StateWrite::replace(key, 1, serde_json::json!({}));
    assert!(world.store.write(vec![spoilt]).await.unwrap());
    assert!(shop.office.projects().mapping(&ctx, &hash).await.is_err());
    let lists = ReadEvidence {
        reader: world.store.clone(),
        state: world.store.clone(),
        vault: world.vault.clone(),
        random: world.random(),
    };
    let page = PageOf {
        cursor: None,
        limit: 100,
    };
    let (_, listed) = lists.mappings(&ctx, page).await.unwrap();
    assert_eq!(listed.items[0].0, hash);
}

#[tokio::test]
async fn a_project_stores_so_many_mappings_and_no_more() {
    let shop = Shop::new().await;
    let (first, _) = shop.add(ADMIN, LOOK).await.unwrap();
    for rank in 2..=MAX_MAPPINGS {
        let text = LOOK.replace("rank = 1", &format!("rank = {rank}"));
        assert!(shop.add(ADMIN, &text).await.unwrap().1);
    }
    let more = shop.add(ADMIN, &repairs()).await;
    assert!(matches!(more, Err(ProjectError::Full)), "{more:?}");
    assert_eq!(shop.add(ADMIN, LOOK).await.unwrap(), (first, false));
}

#[tokio::test]
async fn a_mapping_that_does_not_fit_into_a_row_is_told_the_rule() {
    let shop = Shop::new().await;
    let before = shop.kinds().len();
    // A quotation mark takes two bytes in the text and four in what it compiles to.
    let features = format!("rank = 1\nfeatures = ['{}']", "\"".repeat(100_000));
    let text = LOOK.replace("rank = 1", &features);
    assert!(text.len() < MAX_MAPPING, "{}", text.len());
    let refused = shop.add(ADMIN, &text).await;
    let Err(ProjectError::Mapping(errors)) = refused else {
        panic!("{refused:?}");
    };
    let told = errors.to_string();
    assert!(told.contains("of at most 400000"), "{told}");
    assert_eq!(shop.kinds().len(), before, "nothing was stored");
}

#[tokio::test]
async fn two_who_store_at_the_same_time_both_do() {
    let shop = Shop::new().await;
    let projects = shop.office.projects();
    let mut slow = shop.office.projects();
    let other = repairs();
    let (first, second) = (shop.by(ADMIN).await, shop.by(OWNER).await);
    slow.create.evidence = Arc::new(After {
        inner: slow.create.evidence.clone(),
        other: Mutex::new(Some((projects, second, other))),
    });
    let (_, new) = slow
        .add_mapping(&first, LOOK, MappingFormat::Toml)
        .await
        .unwrap();
    assert!(new);
    let ctx = shop.by(VIEWER).await;
    let records = Records::of(shop.office.world.store.as_ref(), &ctx);
    let all = records.get::<StoredMappings>("all").await.unwrap().unwrap();
    assert_eq!(all.value.added.len(), 2);
}

/// Stores another mapping before the first append.
struct After {
    inner: Arc<dyn EvidenceAppend>,
    other: Mutex<Option<(Projects, TenantCtx, String)>>,
}

#[async_trait]
impl EvidenceAppend for After {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        let other = self.other.lock().await.take();
        if let Some((projects, ctx, text)) = other {
            let added = projects.add_mapping(&ctx, &text, MappingFormat::Toml);
            assert!(added.await.unwrap().1);
        }
        self.inner.append(stream, batch).await
    }
}
