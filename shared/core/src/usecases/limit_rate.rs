//! How many requests a credential may make, counted in the state table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ids::WorkspaceId;
use crate::ports::{Clock, PortError, PortErrorKind, State, StateKey, StateWrite, Stored};
use crate::rate::{Bucket, Rate, Share};

/// Longer than any key lives, because the row says when it was last used.
const KEY_KEPT: Duration = Duration::from_hours(400 * 24);
/// Longer than any bucket takes to be full again.
const PERSON_KEPT: Duration = Duration::from_hours(24);

/// How often a bucket is looked at that other processes change meanwhile.
const ATTEMPTS: usize = 4;

/// What became of one request.
#[derive(Debug)]
pub enum Allowance {
    /// It may go on; so many are left, as far as this process knows.
    Passed {
        /// Requests left.
        left: u64,
    },
    /// It may not, for so many seconds.
    Refused {
        /// Seconds until a request may pass.
        wait_s: u64,
    },
    /// It could not be counted. A limit protects the service and permits nothing, so the request
    /// goes on; whoever asked logs this.
    Uncounted(PortError),
}

/// Counts requests. One per process: it spends the tokens that the process has taken.
#[derive(Clone)]
pub struct LimitRate {
    /// State.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    rate: Rate,
    shares: Arc<Mutex<BTreeMap<String, Share>>>,
}

impl std::fmt::Debug for LimitRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LimitRate")
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

impl LimitRate {
    /// A limiter for this process.
    pub fn new(state: Arc<dyn State>, clock: Arc<dyn Clock>, rate: Rate) -> Self {
        Self {
            state,
            clock,
            rate,
            shares: Arc::default(),
        }
    }

    /// The limit.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Key of the row that counts a credential's requests and says when it was last used.
    pub fn key(workspace: WorkspaceId, credential: &str) -> StateKey {
        StateKey {
            pk: format!("{workspace}#usage"),
            sk: credential.to_owned(),
        }
    }

    /// Counts one request of a credential: the id of a key, or of a person in this workspace.
    pub async fn spend(&self, workspace: WorkspaceId, credential: &str) -> Allowance {
        let key = Self::key(workspace, credential);
        let name = format!("{}#{}", key.pk, key.sk);
        if let Some(left) = self.spend_share(&name) {
            return Allowance::Passed { left };
        }
        for _ in 0..ATTEMPTS {
            match self.take(&key, &name).await {
                Ok(Some(allowance)) => return allowance,
                Ok(None) => {}
                Err(error) => return Allowance::Uncounted(error),
            }
        }
        // Others took from this bucket all the time: nothing may pass that nobody has counted.
        Allowance::Refused { wait_s: 1 }
    }

    fn spend_share(&self, name: &str) -> Option<u64> {
        let now = self.clock.now();
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let share = shares.get(name)?.spend(now)?;
        shares.insert(name.to_owned(), share);
        Some(share.left())
    }

    /// `None` when another process was faster.
    async fn take(&self, key: &StateKey, name: &str) -> Result<Option<Allowance>, PortError> {
        let now = self.clock.now();
        let stored = self.state.get(key).await?;
        let bucket = match &stored {
            Some(stored) => read(stored)?,
            None => Bucket::full(self.rate, now),
        };
        let (after, given) = bucket.take(self.rate, self.rate.share(), now);
        if given == 0 {
            let wait_s = after.wait_s(self.rate).max(1);
            return Ok(Some(Allowance::Refused { wait_s }));
        }
        let doc = serde_json::to_value(after).map_err(shape)?;
        let write = match &stored {
            Some(stored) => StateWrite::replace(key.clone(), stored.version, doc),
            None => StateWrite::create(key.clone(), doc),
        };
        let until = now.plus(kept(&key.sk));
        if !self.state.write(vec![write.until(until)]).await? {
            return Ok(None);
        }
        let share = Share::new(given, after.left(), now);
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.retain(|_, share| !share.is_over(now));
        shares.insert(name.to_owned(), share);
        drop(shares);
        let left = self.spend_share(name).unwrap_or_else(|| after.left());
        Ok(Some(Allowance::Passed { left }))
    }
}

/// How long the row says that a credential was used. Of people it only counts: nothing is left of
/// them the day after their last request.
fn kept(credential: &str) -> Duration {
    if credential.starts_with("key_") {
        KEY_KEPT
    } else {
        PERSON_KEPT
    }
}

fn read(stored: &Stored) -> Result<Bucket, PortError> {
    serde_json::from_value(stored.doc.clone()).map_err(shape)
}

fn shape(error: serde_json::Error) -> PortError {
    PortError::caused(PortErrorKind::Corrupt, "counting a request", error)
}
