//! Ports in memory, for tests of use cases without a server. They keep what the real stores keep,
//! under the same conditions; the contract suite runs against both, so they cannot drift apart.

mod app;
mod billing;
mod keys;
mod objects;
mod scratch;
mod signals;
mod store;

pub use app::{ApplyFault, MemApp, MemDatabases};
pub use billing::MemBilling;
pub use keys::{MemKeys, MemSigner};
pub use objects::{MemArchive, MemObjects};
pub use scratch::MemScratch;
pub use signals::{Mailbox, RealClock, SeededRandom, SetClock};
pub use store::MemStore;
