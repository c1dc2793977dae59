//! The tables, the customers' Postgres and the fake Stripe, without functions and schedules: nobody
//! puts anything right here but the workers that the tests start.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use counterfoil_aws::Clients;
use counterfoil_core::ports::Clock as _;
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::Boot;
use counterfoil_local::{LocalCloud, Options, Postgres};
use counterfoil_testkit::issuer::{CLIENT_ID, FakeIssuer};
use counterfoil_testkit::memory::RealClock;
use counterfoil_testkit::stripe::{Drift, FakeStripe, Sample};
use tokio::runtime::Runtime;

use super::worker::{HOURS, Later, Place};

/// Customers of a shop who paid and got nothing: one for each case.
pub(crate) const CASES: usize = 24;

pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) postgres: &'static Postgres,
    pub(crate) stripe: FakeStripe,
    /// Where people sign in.
    pub(crate) issuer: FakeIssuer,
    pub(crate) sample: Sample,
    pub(crate) place: Place,
    /// Made once: a client that is made reads every root certificate of the machine.
    pub(crate) clients: Clients,
    /// Adapters for whoever looks.
    pub(crate) boot: Boot,
    _cloud: LocalCloud,
}

/// A stage for one test at a time: a sweep goes over every project of its cloud, and each test has its own
/// time. Tests that run side by side have one each.
pub(crate) struct Turn(&'static Stage);

/// Stages that nobody uses now.
static FREE: Mutex<Vec<&'static Stage>> = Mutex::new(Vec::new());

fn free() -> MutexGuard<'static, Vec<&'static Stage>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turn {
    pub(crate) fn take() -> Self {
        let found = free().pop();
        Self(found.unwrap_or_else(|| Box::leak(Box::new(Stage::set()))))
    }

    pub(crate) const fn stage(&self) -> &'static Stage {
        self.0
    }
}

impl Deref for Turn {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        self.0
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        free().push(self.0);
    }
}

/// A number that nothing else here has.
pub(crate) fn number() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::SeqCst)
}

fn progress(step: &str) {
    eprintln!("{step}");
}

/// The customers' Postgres; what belongs to whom is told by the database's name.
fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(|| Postgres::start(&progress).unwrap())
}

/// The time of a project, which passes when a test says so. It began long ago, so that nothing is
/// ever dated in the future, which the sealer would refuse.
#[derive(Debug)]
pub(crate) struct Hours {
    began: Timestamp,
    back: Duration,
    /// Seconds that have passed.
    passed: AtomicU64,
}

impl Hours {
    pub(crate) fn back(back: Duration) -> Self {
        let millis = u64::try_from(back.as_millis()).unwrap();
        Self {
            began: Timestamp::from_millis(RealClock.now().as_millis() - millis),
            back,
            passed: AtomicU64::new(0),
        }
    }

    pub(crate) fn clock(&self) -> Later {
        let passed = Duration::from_secs(self.passed.load(Ordering::SeqCst));
        Later(self.began.plus(passed))
    }

    /// Longer than the lease of a worker that died.
    pub(crate) fn pass_minute(&self) {
        self.pass(Duration::from_secs(61));
    }

    pub(crate) fn pass_minutes(&self, minutes: u64) {
        self.pass(Duration::from_mins(minutes));
    }

    /// Whether there is time left for one more case.
    pub(crate) fn is_over(&self) -> bool {
        let left = self.back.as_secs() - self.passed.load(Ordering::SeqCst);
        left < Duration::from_hours(2).as_secs()
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        let before = self.passed.fetch_add(time.as_secs(), Ordering::SeqCst);
        assert!(
            before + time.as_secs() < self.back.as_secs(),
            "begin earlier"
        );
    }
}

impl Stage {
    fn set() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let postgres = postgres();
        let cloud = LocalCloud::start(&Options::default(), &progress).unwrap();
        let mut sample = Sample::new(11, 120, Hours::back(HOURS).clock().now());
        sample.inject(Drift::PaidNoAccess, CASES);
        let stripe = runtime.block_on(FakeStripe::start(sample.shop.clone()));
        let stripe = stripe.unwrap();
        stripe.go_live();
        let issuer = runtime.block_on(FakeIssuer::start(Arc::new(RealClock)));
        let issuer = issuer.unwrap();
        let mut settings = cloud.settings();
        for (name, value) in [
            ("OIDC_ISSUER", issuer.url()),
            ("OIDC_AUDIENCE", CLIENT_ID),
            ("OIDC_CLIENT_ID", CLIENT_ID),
        ] {
            settings.insert(name.to_owned(), value.to_owned());
        }
        let place = Place {
            endpoint: cloud.deployment.endpoint.clone(),
            account: cloud.deployment.account.clone(),
            settings,
            stripe: stripe.base_url().to_owned(),
        };
        let clients = runtime.block_on(place.clients());
        let boot = place.boot(clients.clone());
        Self {
            runtime,
            postgres,
            stripe,
            issuer,
            sample,
            place,
            clients,
            boot,
            _cloud: cloud,
        }
    }
}
