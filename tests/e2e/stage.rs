//! What all tests share. Its processes end with this one, however it ends.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_lambda::types::Environment;
use counterfoil_aws::Clients;
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::Boot;
use counterfoil_lambda::system::SystemClock;
use counterfoil_local::{
    Deploy, Deployment, Functions, LocalCloud, Options, Postgres, new_account,
};
use counterfoil_testkit::issuer::{CLIENT_ID, FakeIssuer};
use counterfoil_testkit::stripe::{Drift, FakeStripe, Sample};
use serde_json::Value;
use tokio::runtime::Runtime;

/// The local cloud, the customers' Postgres and the fake Stripe.
pub(crate) struct Stage {
    runtime: Runtime,
    pub(crate) cloud: LocalCloud,
    pub(crate) postgres: Postgres,
    pub(crate) stripe: FakeStripe,
    /// Where people sign in.
    pub(crate) issuer: FakeIssuer,
    pub(crate) main: Stack,
    pub(crate) sample: Sample,
    /// Made once: a client that is made reads every root certificate of the machine, which takes
    /// longer than a request.
    pub(crate) http: reqwest::Client,
    count: AtomicU32,
    /// Tests that run now.
    running: AtomicU32,
}

/// An answer that leads elsewhere is an answer.
fn no_redirects() -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    client.build().unwrap()
}

/// One deployment of the template.
pub(crate) struct Stack {
    pub(crate) deployment: Deployment,
    pub(crate) clients: Clients,
    pub(crate) boot: Boot,
    /// What CloudFormation calls it; names of log groups hold it.
    pub(crate) name: String,
}

pub(crate) fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(Stage::set)
}

/// A stage for one test that asks so much that all others would wait for its emulator.
pub(crate) fn own_stage() -> &'static Stage {
    Box::leak(Box::new(Stage::set()))
}

impl Stage {
    fn set() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let postgres = Postgres::start(&progress).unwrap();
        let mut sample = Sample::new(11, 60, now());
        for drift in Drift::ALL {
            sample.inject(drift, 1);
        }
        let stripe = runtime
            .block_on(FakeStripe::start(sample.shop.clone()))
            .unwrap();
        stripe.go_live();
        let clock = Arc::new(SystemClock);
        let issuer = runtime.block_on(FakeIssuer::start(clock)).unwrap();
        let extra = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let options = Options {
            functions: true,
            auth: true,
            extra_env: vec![
                extra("COUNTERFOIL_STRIPE_URL", stripe.base_url()),
                extra("COUNTERFOIL_STRIPE_RATE", "500"),
                extra("CHECK_DELAY_SECONDS", "0"),
                extra("RATE_LIMIT_PER_MINUTE", "100000"),
                extra("DATABASE_NETWORKS", "127.0.0.0/8"),
                extra("DATABASE_PORTS", "any"),
                extra("OIDC_ISSUER", issuer.url()),
                extra("OIDC_AUDIENCE", CLIENT_ID),
                extra("OIDC_CLIENT_ID", CLIENT_ID),
                extra("PUBLIC_HOST", "127.0.0.1"),
            ],
        };
        let cloud = LocalCloud::start(&options, &progress).unwrap();
        let main = runtime.block_on(Stack::of(
            cloud.deployment.clone(),
            "counterfoil".to_owned(),
        ));
        Self {
            runtime,
            cloud,
            postgres,
            stripe,
            issuer,
            main,
            sample,
            http: no_redirects(),
            count: AtomicU32::new(0),
            running: AtomicU32::new(0),
        }
    }

    /// Runs a test. Whatever it made the product do, nothing of it may have tried to write to Stripe.
    pub(crate) fn run<T>(&self, test: impl Future<Output = T>) -> T {
        let running = Running::one(&self.running);
        let began = now();
        let result = catch_unwind(AssertUnwindSafe(|| self.runtime.block_on(test)));
        drop(running);
        let result = result.unwrap_or_else(|failed| {
            self.runtime.block_on(self.main.tell_complaints(began));
            resume_unwind(failed)
        });
        assert_eq!(self.stripe.non_get_calls(), 0, "calls that are not GET");
        assert_eq!(self.stripe.secret_key_calls(), 0, "calls with a secret key");
        result
    }

    /// Waits until no other test has run for a moment, half an hour at most; not to be called inside
    /// [`Self::run`].
    pub(crate) fn wait_for_the_others(&self) {
        let mut idle = 0;
        for _ in 0..3_600 {
            let busy = self.running.load(Ordering::SeqCst) > 0;
            idle = if busy { 0 } else { idle + 1 };
            if idle == 6 {
                return;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("other tests still run");
    }

    /// The template once more, in an account of its own: what is done to every project at once is
    /// done to nobody else's there. Its functions can only be invoked: plain calls of the HTTP API
    /// reach the main stack.
    pub(crate) fn other_stack(&self) -> Stack {
        self.other_stack_with(BTreeMap::new())
    }

    /// The same with parameters of the template.
    pub(crate) fn other_stack_with(&self, parameters: BTreeMap<String, String>) -> Stack {
        let account = new_account();
        let deploy = Deploy {
            account: Some(account.clone()),
            functions: Functions::build(&progress).unwrap(),
            parameters,
        };
        let deployment = self.cloud.emulator.deploy(&deploy, &progress).unwrap();
        self.runtime
            .block_on(Stack::of(deployment, format!("counterfoil-{account}")))
    }

    /// A number that no other test has.
    pub(crate) fn number(&self) -> u32 {
        self.count.fetch_add(1, Ordering::SeqCst)
    }

    /// The customer and the user's id of the sample's drift of this kind.
    pub(crate) fn drifted(&self, kind: &str) -> (String, String) {
        let mut expected = self.sample.expected.iter();
        let found = expected.find(|expected| expected.kind == kind).unwrap();
        (found.customer.clone(), found.subject.clone())
    }
}

/// Counts a test that runs, also when it panics.
struct Running<'a>(&'a AtomicU32);

impl<'a> Running<'a> {
    fn one(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stack {
    pub(crate) async fn of(deployment: Deployment, name: String) -> Self {
        let clients = Clients::for_endpoint(&deployment.endpoint, &deployment.account).await;
        let settings = deployment.settings();
        let boot = Boot::with(clients.clone(), move |variable| {
            settings.get(variable.name()).cloned()
        });
        Self {
            deployment,
            clients,
            boot,
            name,
        }
    }

    /// Changes a variable of a function, as another value of a parameter of the template does.
    pub(crate) async fn configure(&self, output: &str, variable: &str, value: &str) {
        let name = self.deployment.output(output).unwrap();
        let lambda = &self.clients.lambda;
        let now = lambda.get_function_configuration().function_name(name);
        let now = now.send().await.unwrap().environment.unwrap();
        let mut variables = now.variables.unwrap();
        variables.insert(variable.to_owned(), value.to_owned());
        let environment = Environment::builder()
            .set_variables(Some(variables))
            .build();
        let change = lambda.update_function_configuration().function_name(name);
        change.environment(environment).send().await.unwrap();
    }

    /// Invokes a function with an event, as a schedule, a queue or another function does; `None` when
    /// the function answers that it failed.
    pub(crate) async fn invoke(&self, output: &str, event: &Value) -> Option<Value> {
        let name = self.deployment.output(output).unwrap();
        self.boot.other_function(name).invoke(event).await.ok()
    }
}

pub(crate) fn progress(step: &str) {
    eprintln!("{step}");
}

#[expect(clippy::disallowed_methods, reason = "end-to-end tests run now")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

/// Looks every quarter of a second, for three minutes at most: a scan that is asked for may wait for
/// another test's scan of every project, a minute at a time.
pub(crate) async fn wait<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..720 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("{what} did not come within three minutes");
}
