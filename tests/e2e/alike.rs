//! What is somebody else's takes as long as what does not exist: 1,000 pairs of requests per case,
//! compared by the test of Mann and Whitney (Annals of Mathematical Statistics 18, 1947).

#![expect(
    clippy::float_arithmetic,
    reason = "statistics of times, nothing of money"
)]

use std::time::Instant;

use serde_json::Value;

use super::calls::person;
use super::stage::{Stage, own_stage};
use super::tenant::Tenant;

const PAIRS: usize = 1_000;
/// About one in 100,000 comparisons of equals is further out than this. Neighbours on a busy machine
/// can make one comparison odd, so a case fails only when it is odd three times.
const FAR: f64 = 4.4;
const ATTEMPTS: usize = 3;

/// A request, with a credential that is not allowed to know whether its target exists.
struct Asked {
    key: String,
    path: String,
}

/// How far the ranks of two samples of the same size are from those of equals, in standard deviations.
fn mann_whitney(these: &[f64], those: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = (these.iter().map(|it| (*it, true)))
        .chain(those.iter().map(|it| (*it, false)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ranks = all.iter().zip(1_u32..).filter(|((_, this), _)| *this);
    let sum: f64 = ranks.map(|(_, rank)| f64::from(rank)).sum();
    let size = |it: &[f64]| f64::from(u32::try_from(it.len()).unwrap());
    let (n, m) = (size(these), size(those));
    let mean = n * (n + m + 1.0) / 2.0;
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    (sum - mean) / deviation
}

/// Two requests that must not be told apart by their time.
struct Case {
    name: &'static str,
    foreign: Asked,
    absent: Asked,
    status: u16,
    /// How far apart they were in each attempt.
    seen: Vec<f64>,
}

impl Case {
    fn differs(&self) -> bool {
        self.seen.last().is_none_or(|z| z.abs() >= FAR)
    }
}

async fn time(stage: &Stage, asked: &Asked, status: u16) -> f64 {
    let begun = Instant::now();
    let answer = stage
        .call("GET", &asked.path, Some(&asked.key), None, &Value::Null)
        .await;
    assert_eq!(answer.status, status, "{}", answer.text);
    begun.elapsed().as_secs_f64()
}

/// A pair of each case in turn, the first of each pair by turns as well, so that what changes slowly
/// meets all of them.
async fn compare(stage: &Stage, cases: &mut [Case]) {
    for _ in 0..ATTEMPTS {
        let mut open: Vec<&mut Case> = cases.iter_mut().filter(|case| case.differs()).collect();
        let mut times = vec![(Vec::new(), Vec::new()); open.len()];
        for pair in 0..PAIRS {
            for (case, (these, those)) in open.iter().zip(&mut times) {
                if pair % 2 == 0 {
                    these.push(time(stage, &case.foreign, case.status).await);
                    those.push(time(stage, &case.absent, case.status).await);
                } else {
                    those.push(time(stage, &case.absent, case.status).await);
                    these.push(time(stage, &case.foreign, case.status).await);
                }
            }
        }
        for (case, (these, those)) in open.iter_mut().zip(&times) {
            let z = mann_whitney(these, those);
            eprintln!("{}: {PAIRS} pairs, z = {z:.2}", case.name);
            case.seen.push(z);
        }
    }
    for case in cases {
        assert!(
            !case.differs(),
            "{}: the times differ, z = {:?}",
            case.name,
            case.seen
        );
    }
}

fn asked(key: &str, path: &str) -> Asked {
    Asked {
        key: key.to_owned(),
        path: path.to_owned(),
    }
}

async fn some_incident(stage: &Stage, tenant: &Tenant) -> String {
    let (customer, _) = stage.drifted("paid_no_access");
    stage.found(tenant, &customer).await.id.to_string()
}

#[test]
fn foreign_and_absent_take_the_same_time() {
    let stage = own_stage();
    stage.run(async {
        let (mine, theirs) = (stage.tenant().await, stage.tenant().await);
        let incident = some_incident(stage, &theirs).await;
        let never = "inc_01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let subject = mine.people.values().next().unwrap();
        let (subject, _) = subject.split_once('@').unwrap();
        let subject = subject.strip_prefix("person:").unwrap();
        // The public part of a key that exists, with a secret that was made up.
        let known = counterfeit(&theirs.read_key);
        let unknown = "cfk_test_0123456789_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3Vcbjn";
        let case = |name, foreign, absent, status| Case {
            name,
            foreign,
            absent,
            status,
            seen: Vec::new(),
        };
        let list = "/v1/incidents";
        let their_project = person(subject, &theirs.project.id.to_string());
        let no_project = person(subject, "prj_01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let mut cases = [
            case(
                "an incident of another workspace",
                asked(&mine.read_key, &format!("{list}/{incident}")),
                asked(&mine.read_key, &format!("{list}/{never}")),
                404,
            ),
            case(
                "a project of another workspace",
                asked(&their_project, list),
                asked(&no_project, list),
                404,
            ),
            case(
                "a key with a known handle",
                asked(&known, list),
                asked(unknown, list),
                401,
            ),
        ];
        compare(stage, &mut cases).await;
    });
}

/// A well-formed key with the handle of `key` and another secret.
fn counterfeit(key: &str) -> String {
    let (head, _) = key.rsplit_once('_').unwrap();
    let body = format!("{head}_{}", "A".repeat(32));
    let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = crc32fast::hash(body.as_bytes());
    let mut sum = [b'0'; 6];
    for place in sum.iter_mut().rev() {
        *place = alphabet[usize::try_from(crc % 62).unwrap()];
        crc /= 62;
    }
    format!("{body}{}", std::str::from_utf8(&sum).unwrap())
}

#[test]
fn the_comparison_sees_what_differs() {
    let numbers = |from: u32| (from..from + 1_000).map(f64::from).collect::<Vec<_>>();
    assert!(mann_whitney(&numbers(0), &numbers(0)).abs() < 1.0);
    assert!(mann_whitney(&numbers(100), &numbers(0)) > FAR);
    assert!(mann_whitney(&numbers(0), &numbers(100)) < -FAR);
}
