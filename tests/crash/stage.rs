//! The tables, the customers' Postgres and the fake Stripe, without functions and schedules: nobody
//! puts anything right here but the workers that the tests start.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use counterfoil_core::ports::Clock as _;
use counterfoil_local::{LocalCloud, Options, Postgres};
use counterfoil_testkit::stripe::{Drift, FakeStripe, Sample};
use tokio::runtime::Runtime;

use super::worker::{HOURS, Later, Place};

/// Customers of a shop who paid and got nothing: one for each case.
pub(crate) const CASES: usize = 24;

pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) postgres: Postgres,
    pub(crate) stripe: FakeStripe,
    pub(crate) sample: Sample,
    pub(crate) place: Place,
    count: AtomicU64,
    _cloud: LocalCloud,
}

pub(crate) fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(Stage::set)
}

/// One test at a time: a sweep goes over every project, and each test has its own time.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time of a project, which passes when a test says so. It began long ago, so that nothing is
/// ever dated in the future, which the sealer would refuse.
#[derive(Debug)]
pub(crate) struct Hours {
    back: Duration,
    /// Seconds that have passed.
    passed: AtomicU64,
}

impl Hours {
    pub(crate) fn back(back: Duration) -> Self {
        Self {
            back,
            passed: AtomicU64::new(0),
        }
    }

    pub(crate) fn clock(&self) -> Later {
        Later {
            back: self.back,
            passed: Duration::from_secs(self.passed.load(Ordering::SeqCst)),
        }
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
        let progress = |step: &str| eprintln!("{step}");
        let postgres = Postgres::start(&progress).unwrap();
        let cloud = LocalCloud::start(&Options::default(), &progress).unwrap();
        let mut sample = Sample::new(11, 120, Hours::back(HOURS).clock().now());
        sample.inject(Drift::PaidNoAccess, CASES);
        let stripe = runtime.block_on(FakeStripe::start(sample.shop.clone()));
        let stripe = stripe.unwrap();
        stripe.go_live();
        let place = Place {
            endpoint: cloud.deployment.endpoint.clone(),
            account: cloud.deployment.account.clone(),
            settings: cloud.settings(),
            stripe: stripe.base_url().to_owned(),
        };
        Self {
            runtime,
            postgres,
            stripe,
            sample,
            place,
            count: AtomicU64::new(0),
            _cloud: cloud,
        }
    }

    /// A number that nothing else here has.
    pub(crate) fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::SeqCst)
    }
}
