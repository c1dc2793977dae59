//! Storing credentials: what is probed, what is stored, what is shown, and what a lost answer leaves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::connection::{
    KeyReport, ReadAnswer, RepairScope, RoleReport, Standing, TriedRead,
};
use counterfoil_core::ids::ActionId;
use counterfoil_core::ports::{Clock, KeyProbe, PortError, PortErrorKind, RoleProbe, State};
use counterfoil_core::records::{Missing, Project, Records, Unfinished};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::sealed::Purpose;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    ConnectionKind, ConnectionView, Connections, NewConnection, ProjectError, Projects, VaultError,
};

use super::lossy::Lossy;
use super::office::{ADMIN, Office, VIEWER};

/// The other sides, with answers that a test can change.
#[derive(Default)]
pub(super) struct Sides {
    unreadable: Mutex<bool>,
    writable: Mutex<Vec<String>>,
    failing: Mutex<Option<PortErrorKind>>,
}

impl Sides {
    fn fail(&self) -> Result<(), PortError> {
        match *self.failing.lock().unwrap() {
            Some(kind) => Err(PortError::caused(
                kind,
                "asking",
                "Stripe knows no such key",
            )),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl KeyProbe for Sides {
    async fn probe_key(
        &self,
        _: &Redacted<String>,
        livemode: bool,
    ) -> Result<KeyReport, PortError> {
        assert!(livemode, "of the project");
        self.fail()?;
        let permission = "rak_customer_read".to_owned();
        let answer = if *self.unreadable.lock().unwrap() {
            ReadAnswer::Refused { permission }
        } else {
            ReadAnswer::Allowed
        };
        let what = "customers".to_owned();
        Ok(KeyReport {
            needed: vec![TriedRead { what, answer }],
            useful: Vec::new(),
            excess: Vec::new(),
        })
    }
}

#[async_trait]
impl RoleProbe for Sides {
    async fn probe_reading_role(&self, _: &Redacted<String>) -> Result<RoleReport, PortError> {
        self.fail()?;
        Ok(RoleReport {
            refused: self.writable.lock().unwrap().clone(),
            ..RoleReport::default()
        })
    }

    async fn probe_repair_role(
        &self,
        _: &Redacted<String>,
        _: RepairScope<'_>,
    ) -> Result<RoleReport, PortError> {
        Ok(RoleReport::default())
    }
}

struct Shop {
    office: Office,
    sides: Arc<Sides>,
    project: Project,
    admin: TenantCtx,
}

impl Shop {
    async fn new() -> Self {
        let office = Office::new().await;
        let project = office.make(ADMIN).await.unwrap().value;
        let admin = office.in_project(ADMIN, project.id).await;
        Self {
            sides: Arc::default(),
            office,
            project,
            admin,
        }
    }

    fn connections(&self) -> Connections {
        let world = &self.office.world;
        Connections {
            evidence: world.store.clone(),
            state: world.store.clone(),
            vault: world.vault.clone(),
            keys: self.sides.clone(),
            roles: self.sides.clone(),
            clock: Arc::new(world.clock.clone()),
        }
    }

    /// The version of the project, as it is displayed.
    async fn version(&self) -> u64 {
        let found = self.office.projects().read(&self.admin).await;
        found.unwrap().project.version
    }

    async fn connect_with(
        &self,
        projects: &Projects,
        kind: ConnectionKind,
        secret: &str,
    ) -> Result<ConnectionView, ProjectError> {
        let new = NewConnection {
            kind,
            secret: Redacted::new(secret.to_owned()),
            hint: "shown…".to_owned(),
        };
        let connections = self.connections();
        let version = self.version().await;
        let connecting = projects.connect(&self.admin, &new, version, &connections);
        connecting.await
    }

    async fn connect(
        &self,
        kind: ConnectionKind,
        secret: &str,
    ) -> Result<ConnectionView, ProjectError> {
        self.connect_with(&self.office.projects(), kind, secret)
            .await
    }

    async fn shown(&self) -> Vec<ConnectionView> {
        let projects = self.office.projects();
        projects.connections(&self.admin).await.unwrap()
    }

    async fn now(&self) -> Project {
        let read = self.office.projects().read(&self.admin).await;
        read.unwrap().project.value
    }

    async fn opened(&self, view: &ConnectionView, purpose: Purpose) -> Result<String, VaultError> {
        let world = &self.office.world;
        let records = Records::of(world.store.as_ref(), &self.admin);
        let opened = world.vault.secret(&records, &self.admin, view.id, purpose);
        Ok(opened.await?.reveal().clone())
    }

    fn kinds(&self) -> Vec<String> {
        self.office.kinds(&self.project.stream)
    }
}

const KEY: &str = "rk_live_canary";
const URL: &str = "postgres://reader:canary@db.example.com/app";

#[tokio::test]
async fn a_credential_is_stored_with_its_decision_and_its_probe_in_one_transaction() {
    let shop = Shop::new().await;
    let before = shop.kinds().len();
    let stored = shop.connect(ConnectionKind::Stripe, KEY).await.unwrap();
    assert_eq!(
        shop.kinds()[before..],
        [
            "run.open",
            "run.decision",
            "secret.changed",
            "observation.recorded",
            "config.changed",
            "run.close",
        ]
    );
    let [view] = shop.shown().await.try_into().unwrap();
    assert_eq!(view, stored);
    assert_eq!((view.kind, view.version), (ConnectionKind::Stripe, 1));
    assert_eq!(view.hint, "shown…");
    assert_eq!(view.probed.as_ref().unwrap().standing, Standing::Ok);
    assert!(view.added_at.is_some());
    assert_eq!(shop.opened(&view, Purpose::Read).await.unwrap(), KEY);
    assert_eq!(
        shop.now().await.missing(),
        [Missing::Database, Missing::Mapping]
    );
    assert!(!shop.office.world.store.dump().contains("canary"));
}

#[tokio::test]
async fn a_credential_that_does_not_fit_is_refused_finding_by_finding_and_nothing_is_stored() {
    let shop = Shop::new().await;
    let before = shop.office.world.store.dump();
    let refused = async |kind, secret| match shop.connect(kind, secret).await {
        Err(ProjectError::Refused(findings)) => findings,
        other => panic!("{other:?}"),
    };
    *shop.sides.unreadable.lock().unwrap() = true;
    assert_eq!(
        refused(ConnectionKind::Stripe, KEY).await,
        [
            "the key may not read customers: add rak_customer_read (read) to it in the Stripe \
             Dashboard"
        ]
    );
    *shop.sides.writable.lock().unwrap() = vec!["it can write public.users: UPDATE".to_owned()];
    let [role] = refused(ConnectionKind::Database, URL)
        .await
        .try_into()
        .unwrap();
    assert!(role.contains("public.users") && role.contains("revoke it"));
    *shop.sides.failing.lock().unwrap() = Some(PortErrorKind::Refused);
    assert_eq!(
        refused(ConnectionKind::Stripe, KEY).await,
        ["Stripe knows no such key"]
    );
    let invalid = shop.connect(ConnectionKind::Webhook, "whsec").await;
    assert!(matches!(invalid, Err(ProjectError::Invalid { .. })));
    let early = shop.connect(ConnectionKind::Repair, URL).await;
    assert!(matches!(
        early,
        Err(ProjectError::Incomplete(Missing::Mapping))
    ));
    assert_eq!(shop.office.world.store.dump(), before, "nothing is stored");
}

#[tokio::test]
async fn who_may_not_store_credentials_is_refused_and_that_is_recorded() {
    let mut shop = Shop::new().await;
    shop.admin = shop.office.in_project(VIEWER, shop.project.id).await;
    let before = shop.kinds().len();
    let denied = shop.connect(ConnectionKind::Stripe, KEY).await;
    assert!(matches!(denied, Err(ProjectError::Denied(_))), "{denied:?}");
    let projects = shop.office.projects();
    projects.admit_secret(&shop.admin).await.unwrap_err();
    assert_eq!(
        shop.kinds()[before..],
        ["run.open", "run.decision", "run.close"]
    );
    assert_eq!(shop.shown().await, []);
}

#[tokio::test]
async fn the_credential_that_is_replaced_or_taken_away_opens_no_more() {
    let shop = Shop::new().await;
    shop.connect(ConnectionKind::Database, URL).await.unwrap();
    let [old] = shop.shown().await.try_into().unwrap();
    shop.connect(ConnectionKind::Database, URL).await.unwrap();
    let [new] = shop.shown().await.try_into().unwrap();
    assert_ne!(new.id, old.id, "another one may be of another database");
    assert_eq!(shop.opened(&new, Purpose::Read).await.unwrap(), URL);
    shop.opened(&old, Purpose::Read).await.unwrap_err();
    let projects = shop.office.projects();
    let kind = ConnectionKind::Database;
    projects
        .disconnect(&shop.admin, kind, shop.version().await)
        .await
        .unwrap();
    assert_eq!(shop.shown().await, []);
    shop.opened(&new, Purpose::Read).await.unwrap_err();
    let again = projects
        .disconnect(&shop.admin, kind, shop.version().await)
        .await;
    assert!(matches!(again, Err(ProjectError::NotFound)), "{again:?}");
}

#[tokio::test]
async fn an_old_signing_secret_is_accepted_for_a_day_beside_the_new_one() {
    let shop = Shop::new().await;
    let kind = ConnectionKind::Webhook;
    shop.connect(kind, "whsec_one").await.unwrap();
    shop.connect(kind, "whsec_two").await.unwrap();
    let [one, two] = shop.shown().await.try_into().unwrap();
    assert!(one.retire_at.is_some() && two.retire_at.is_none());
    assert_eq!(
        shop.opened(&one, Purpose::Webhook).await.unwrap(),
        "whsec_one"
    );
    shop.office.world.clock.advance(Duration::from_hours(24));
    shop.connect(kind, "whsec_three").await.unwrap();
    let ids: Vec<_> = shop.shown().await.iter().map(|view| view.id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], two.id);
    shop.opened(&one, Purpose::Webhook).await.unwrap_err();
}

#[tokio::test]
async fn credentials_are_changed_in_the_version_of_the_project_that_was_displayed() {
    let shop = Shop::new().await;
    let kind = ConnectionKind::Stripe;
    shop.connect(kind, KEY).await.unwrap();
    let (projects, late) = (shop.office.projects(), shop.version().await - 1);
    let new = NewConnection {
        kind,
        secret: Redacted::new("rk_live_next".to_owned()),
        hint: "rk_live_…".to_owned(),
    };
    let connections = shop.connections();
    let connected = projects.connect(&shop.admin, &new, late, &connections);
    let connected = connected.await;
    assert!(
        matches!(connected, Err(ProjectError::Changed)),
        "{connected:?}"
    );
    let gone = projects.disconnect(&shop.admin, kind, late).await;
    assert!(matches!(gone, Err(ProjectError::Changed)), "{gone:?}");
    let [now] = shop.shown().await.try_into().unwrap();
    assert_eq!(shop.opened(&now, Purpose::Read).await.unwrap(), KEY);
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_project_and_a_lost_request_can_be_sent_again() {
    for happens in [false, true] {
        let shop = Shop::new().await;
        shop.connect(ConnectionKind::Stripe, KEY).await.unwrap();
        let [old] = shop.shown().await.try_into().unwrap();
        let mut lossy = shop.office.projects();
        lossy.create.evidence = Arc::new(Lossy {
            inner: lossy.create.evidence.clone(),
            happens,
        });
        let kind = ConnectionKind::Stripe;
        let lost = shop.connect_with(&lossy, kind, "rk_live_next").await;
        assert_eq!(lost.is_ok(), happens, "{lost:?}");
        let [now] = shop.shown().await.try_into().unwrap();
        let expected = if happens { "rk_live_next" } else { KEY };
        assert_eq!(shop.opened(&now, Purpose::Read).await.unwrap(), expected);
        assert_eq!(now.id == old.id, !happens);
        shop.connect(kind, "rk_live_next").await.unwrap();
        let [last] = shop.shown().await.try_into().unwrap();
        assert_eq!(
            shop.opened(&last, Purpose::Read).await.unwrap(),
            "rk_live_next"
        );
        shop.opened(&old, Purpose::Read).await.unwrap_err();
    }
}

/// What the old one can still read back, another one might not: it may lead to another database.
#[tokio::test]
async fn a_repair_credential_is_not_replaced_while_a_repair_is_not_settled() {
    let shop = Shop::new().await;
    let store = &shop.office.world.store;
    let records = Records::of(store.as_ref(), &shop.admin);
    let unfinished = Unfinished {
        id: ActionId::from_bits(7),
        since: shop.office.world.clock.now(),
        unread: None,
    };
    let begun = records.create(&unfinished).unwrap();
    assert!(store.write(vec![begun]).await.unwrap());
    let other = "postgres://repair:secret@db.example.com/app";
    let replaced = shop.connect(ConnectionKind::Repair, other).await;
    assert!(
        matches!(replaced, Err(ProjectError::Repairing)),
        "{replaced:?}"
    );
    assert_eq!(shop.now().await.repair_database, None);
}
