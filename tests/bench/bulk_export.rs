//! How much memory and time the export of a large stream takes. It prints and asserts nothing but
//! that the export is made; run it by name, with a release build for times that mean something:
//!
//! ```sh
//! cargo test -p counterfoil-tests --test bulk-export -- --nocapture
//! COUNTERFOIL_BENCH_ENTRIES=1000000 cargo test --release -p counterfoil-tests --test bulk-export -- --nocapture
//! ```
//!
//! The stream lies in memory (its size is printed and taken off), working space is on disk, and the
//! package goes through the use case as in production: collected, verified, joined, stored.

#[cfg(test)]
#[path = "../usecases/world/mod.rs"]
#[expect(dead_code, reason = "a test suite needs more of it")]
mod world;

#[cfg(test)]
mod bulk {
    use std::fs;
    use std::io::{self, Read};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use async_trait::async_trait;
    use counterfoil_core::evidence::hash::Hash;
    use counterfoil_core::evidence::json::{Json, object};
    use counterfoil_core::evidence::kind::Kind;
    use counterfoil_core::evidence::stream::Draft;
    use counterfoil_core::evidence::verify::Trust;
    use counterfoil_core::export::ExportScope;
    use counterfoil_core::ids::RunId;
    use counterfoil_core::ports::{
        Batch, Clock, EvidenceAppend, Objects, PortError, ReportAbout, ReportDelivery, Reports,
        SealRequests,
    };
    use counterfoil_core::usecases::{Exports, SealStream, Worked};
    use counterfoil_lambda::scratch::TempScratch;
    use counterfoil_testkit::memory::SeededRandom;

    use super::world::World;

    /// Runs per batch: 3 entries and their parts each.
    const RUNS: u64 = 14;

    const REASON: &str =
        "What the schedule proposes may be carried out once a person has approved it.";

    struct SealNow(SealStream);

    #[async_trait]
    impl SealRequests for SealNow {
        async fn seal(&self, stream: Hash) -> Result<(), PortError> {
            self.0.seal(stream).await.unwrap();
            Ok(())
        }
    }

    /// A bucket that keeps nothing.
    struct Sink;

    #[async_trait]
    impl Objects for Sink {
        async fn put(&self, _: &str, _: Vec<u8>, _: &str) -> Result<(), PortError> {
            Ok(())
        }

        async fn put_stream(
            &self,
            _: &str,
            content: &mut (dyn Read + Send),
            _: u64,
            _: &str,
        ) -> Result<(), PortError> {
            io::copy(content, &mut io::sink()).unwrap();
            Ok(())
        }

        async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, PortError> {
            Ok(None)
        }

        async fn delete(&self, _: &str) -> Result<(), PortError> {
            Ok(())
        }

        async fn keys(&self, _: &str) -> Result<Vec<String>, PortError> {
            Ok(Vec::new())
        }

        async fn link(&self, _: &str, _: &str, _: Duration) -> Result<String, PortError> {
            Ok(String::new())
        }
    }

    struct NoReport;

    impl Reports for NoReport {
        fn run(&self, _: &[u8], _: &Trust, _: &ReportAbout) -> Result<Vec<u8>, PortError> {
            Ok(Vec::new())
        }

        fn delivery(&self, _: &ReportDelivery<'_>) -> Result<Vec<u8>, PortError> {
            Ok(Vec::new())
        }
    }

    /// Entries as a repair's proposal leaves them, with a subject of some hundred bytes.
    fn batch(world: &World, first: u64) -> Batch {
        let digest = format!("sha256:{}", "1".repeat(64));
        let mut drafts = Vec::new();
        for number in first..first + RUNS {
            let run = RunId::new(world.clock.now(), u128::from(number));
            let facts = |more: Vec<(&'static str, Json)>| {
                let actor = object([("id", run.to_string().into()), ("type", "scheduler".into())]);
                object(more.into_iter().chain([("actor", actor)]))
            };
            let open = facts(vec![
                ("artifact", digest.as_str().into()),
                ("flow", digest.as_str().into()),
                ("inputs", Json::Array(Vec::new())),
                ("policy_bundles", Json::Array(vec![digest.as_str().into()])),
                ("purpose", "repair".into()),
            ]);
            let hash = format!("sha256:{number:064x}");
            let decision = facts(vec![
                ("action", "repair.execute".into()),
                ("action_hash", hash.into()),
                ("baseline", digest.as_str().into()),
                ("effect", "ALLOW".into()),
                ("policy", digest.as_str().into()),
                ("reason", REASON.into()),
                ("rule", "base.permit.scheduler-operate".into()),
            ]);
            let subject = object([("comment", "x".repeat(400).into())]);
            let zero = || Json::uint(0);
            let close = object([
                ("allow", Json::uint(1)),
                ("decisions", Json::uint(1)),
                ("deny", zero()),
                ("outputs", Json::Array(Vec::new())),
                ("overrides", zero()),
                ("require", zero()),
                ("status", "completed".into()),
                ("unresolved", zero()),
            ]);
            drafts.push(Draft::new(Kind::RunOpen, open).in_run(run));
            drafts.push(
                Draft::new(Kind::RunDecision, decision)
                    .in_run(run)
                    .subject(subject),
            );
            drafts.push(Draft::new(Kind::RunClose, close).in_run(run));
        }
        Batch::of(drafts)
    }

    /// A line of /proc/self/status, KiB.
    fn memory(name: &str) -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    #[tokio::test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a benchmark takes its size from outside"
    )]
    async fn bulk_export() {
        let wanted = std::env::var("COUNTERFOIL_BENCH_ENTRIES");
        let wanted: u64 = wanted.map_or(100_000, |text| text.parse().unwrap());
        let world = World::new().await;
        let stream = world.stream();
        let mut number = 0;
        while number * 3 < wanted {
            let batch = batch(&world, number);
            world.store.append(stream, batch).await.unwrap();
            number += RUNS;
            world.clock.advance(Duration::from_millis(10));
        }
        let sealer = world.sealer();
        sealer.seal(stream).await.unwrap();
        let exports = Exports {
            evidence: world.store.clone(),
            reader: world.store.clone(),
            seals: world.store.clone(),
            signer: world.signer.clone(),
            retiring: None,
            sealer: Arc::new(SealNow(world.sealer())),
            state: world.store.clone(),
            vault: world.vault.clone(),
            objects: Arc::new(Sink),
            scratch: Arc::new(TempScratch),
            reports: Arc::new(NoReport),
            queue: world.mail.clone(),
            clock: Arc::new(world.clock.clone()),
            random: Arc::new(SeededRandom::new(5)),
            origin_prefix: "evidence.counterfoil.example/s/".to_owned(),
        };
        let asked = exports.create(&world.ben, ExportScope::All, None).await;
        let id = asked.unwrap().export.value.id.to_string();
        // From here on the peak is the export's.
        fs::write("/proc/self/clear_refs", "5").unwrap_or_default();
        let before = memory("VmRSS");
        let begun = Instant::now();
        for request in world.mail.take_exports() {
            assert_eq!(exports.work(&request).await.unwrap(), Worked::Ready);
        }
        let took = begun.elapsed();
        let peak = memory("VmHWM");
        let made = exports.find(&world.ben, &id).await.unwrap().value.made;
        let made = made.unwrap();
        let millis = u64::try_from(took.as_millis()).unwrap().max(1);
        println!(
            "{} entries, package {} MiB: {} ms, {} entries/s; memory {} MiB above the {} MiB of the stream itself",
            made.entries,
            made.files[0].bytes >> 20,
            millis,
            made.entries * 1_000 / millis,
            peak.saturating_sub(before) >> 10,
            before >> 10,
        );
    }
}
