//! Rate limits, and keys that leak.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use counterfoil_core::ports::State;
use counterfoil_core::usecases::{Allowance, LimitRate};
use tracing_subscriber::fmt::MakeWriter;

use super::stage::{Call, Stage};

#[tokio::test]
async fn who_asks_too_often_waits_and_others_do_not() {
    let mut stage = Stage::new().await;
    stage.limit = Some(stage.limiter(3));
    for left in ["2", "1", "0"] {
        let passed = stage.send(Call::get("/v1/things")).await;
        assert_eq!(passed.status, 200);
        assert_eq!(passed.header("ratelimit-policy"), "\"credential\";q=3;w=60");
        let said = passed.header("ratelimit");
        assert!(
            said.starts_with(&format!("\"credential\";r={left};t=")),
            "{said}"
        );
    }
    let refused = stage.send(Call::get("/v1/things")).await;
    refused.is(429, "rate-limited");
    assert_eq!(refused.header("retry-after"), "20");
    assert_eq!(refused.header("ratelimit"), "\"credential\";r=0;t=20");
    let mut stranger = Call::get("/v1/things");
    stranger.key = Some(&stage.other_key);
    assert_eq!(stage.send(stranger).await.status, 200);
    stage.clock.advance(Duration::from_secs(20));
    assert_eq!(stage.send(Call::get("/v1/things")).await.status, 200);
    stage
        .send(Call::get("/v1/things"))
        .await
        .is(429, "rate-limited");
}

#[tokio::test]
async fn what_is_absent_says_nothing_of_the_limit() {
    let mut stage = Stage::new().await;
    stage.limit = Some(stage.limiter(30));
    let absent = stage.send(Call::get("/v1/things/1")).await;
    absent.is(404, "not-found");
    assert_eq!(absent.header("ratelimit"), "");
}

#[tokio::test]
async fn many_processes_share_one_bucket_and_its_row_says_when_it_was_used() {
    let stage = Stage::new().await;
    let processes: Vec<LimitRate> = (0..7).map(|_| stage.limiter(120)).collect();
    let id = stage.key_id.to_string();
    let mut passed = 0_u64;
    for turn in 0..600 {
        let process = &processes[turn % processes.len()];
        let allowance = process.spend(stage.workspace, &id).await;
        passed += u64::from(matches!(allowance, Allowance::Passed { .. }));
        stage.clock.advance(Duration::from_millis(10));
    }
    // 120 at once, and 6 seconds of two a second.
    assert!((120..=132).contains(&passed), "{passed}");
    let row = stage.store.get(&LimitRate::key(stage.workspace, &id)).await;
    assert!(row.unwrap().unwrap().doc["last_used_at"].as_u64().is_some());
}

#[tokio::test]
async fn a_day_after_their_last_request_nothing_is_left_of_a_person_and_a_key_is_still_known() {
    let stage = Stage::new().await;
    let process = stage.limiter(600);
    let (key, person) = (stage.key_id.to_string(), "usr_01KARX6M000000000000000003");
    for credential in [&key, person] {
        let allowance = process.spend(stage.workspace, credential).await;
        assert!(matches!(allowance, Allowance::Passed { .. }));
    }
    stage.clock.advance(Duration::from_hours(25));
    let row = async |credential| {
        let key = LimitRate::key(stage.workspace, credential);
        stage.store.get(&key).await.unwrap()
    };
    assert!(row(&key).await.is_some());
    assert!(row(person).await.is_none());
}

#[tokio::test]
async fn a_warm_process_writes_once_per_share() {
    let stage = Stage::new().await;
    let process = stage.limiter(600);
    let id = stage.key_id.to_string();
    for _ in 0..20 {
        let allowance = process.spend(stage.workspace, &id).await;
        assert!(matches!(allowance, Allowance::Passed { .. }));
    }
    let row = stage.store.get(&LimitRate::key(stage.workspace, &id)).await;
    assert_eq!(row.unwrap().unwrap().version, 1);
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_leaked_key_is_an_alarm_with_its_id_and_without_itself() {
    let stage = Stage::new().await;
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(lines.clone())
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let uri = format!("/v1/things?state=open&q={}", stage.key);
    let mut call = Call::get(&uri);
    call.key = Some("");
    stage.send(call).await.is(400, "credential-in-url");
    stage.send(Call::get("/v1/things?limit=5")).await;
    drop(logging);
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("key leaked in a URL"), "{log}");
    assert!(log.contains(&stage.key_id.to_string()), "{log}");
    let secret = stage.key.get("cfk_test_0123456789_".len()..).unwrap();
    assert!(!log.contains(secret), "{log}");
    assert!(
        !log.contains("limit=5") && !log.contains("state=open"),
        "{log}"
    );
    assert!(log.contains("\"route\":\"/v1/things\""), "{log}");
    assert!(log.contains(&stage.workspace.to_string()), "{log}");
}
