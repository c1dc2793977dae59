//! What every test leaves behind: evidence whose decisions and answers follow from what they cite.

use std::sync::Arc;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::ports::StoredPart;
use counterfoil_core::usecases::ReplayRuns;
use counterfoil_testkit::memory::MemStore;
use futures::FutureExt;

/// Derives all runs of a store again when a test is over, as `verify --replay` does without inputs
/// (docs/evidence-format.md, "Verification").
pub(crate) struct Derived(pub(crate) Arc<MemStore>);

impl Drop for Derived {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for stream in self.0.streams() {
            let mut runs = ReplayRuns::new(&|_| None);
            for entry in self.0.stream(stream) {
                let facts = match &entry.facts {
                    Some(StoredPart::Present { bytes, .. }) => Json::parse(bytes),
                    _ => continue,
                };
                // What a test has tampered with is no evidence.
                let (Ok(header), Ok(facts)) = (Json::parse(&entry.header), facts) else {
                    break;
                };
                let taken = runs.take(&header, &facts).now_or_never();
                let taken = taken.expect("without inputs nothing is waited for");
                if let Err(difference) = taken {
                    panic!("entry {} of {stream}: {difference}", entry.seq);
                }
            }
        }
    }
}
