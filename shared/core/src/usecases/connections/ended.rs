//! Whether Stripe still accepts a project's key.
//!
//! Only a probe decides. That Stripe said in an event that a connection ended is a hint, like every
//! event: the event may be about another application, and whoever holds the signing secret could
//! make one. So it leads to a probe, and to nothing else.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde::{Deserialize, Serialize};

use super::entry::Probe;
use crate::connection::Standing;
use crate::ids::SecretId;
use crate::ports::StateWrite;
use crate::records::{Project, Record, RecordError, Records, Versioned};
use crate::tenancy::Principal;
use crate::time::Timestamp;
use crate::usecases::facts::{change, target};

/// The connection that a Stripe key makes. There is none before it ended for the first time; another
/// key has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::usecases) struct StripeConnection {
    id: SecretId,
    /// Since when Stripe refuses the key; `None` when it accepts it again.
    ended_at: Option<Timestamp>,
}

impl Record for StripeConnection {
    const FAMILY: &'static str = "stripe-connection";

    fn id(&self) -> String {
        self.id.to_string()
    }
}

/// Since when Stripe refuses the project's key, by the last probe.
///
/// # Errors
/// When the record cannot be read.
pub(in crate::usecases) async fn ended_since(
    records: &Records<'_>,
    project: &Project,
) -> Result<Option<Timestamp>, RecordError> {
    let Some(key) = project.stripe_key else {
        return Ok(None);
    };
    let found = records.get::<StripeConnection>(&key.to_string()).await?;
    Ok(found.and_then(|found| found.value.ended_at))
}

/// What a probe changes: the connection ended, or is there again.
pub(super) struct Changed {
    pub(super) write: StateWrite,
    pub(super) draft: Draft,
}

/// What a probe of the Stripe key changes; `None` when nothing.
pub(super) async fn changed(
    records: &Records<'_>,
    secret: SecretId,
    probe: &Probe,
    by: &Principal,
    now: Timestamp,
) -> Result<Option<Changed>, RecordError> {
    let ended = match probe {
        Probe::KeyRefused(_) => true,
        Probe::Key(_) => false,
        _ => return Ok(None),
    };
    let known = records.get::<StripeConnection>(&secret.to_string()).await?;
    let before = known.as_ref().and_then(|known| known.value.ended_at);
    if ended == before.is_some() {
        return Ok(None);
    }
    let row = StripeConnection {
        id: secret,
        ended_at: ended.then_some(now),
    };
    let write = match known {
        None => records.create(&row)?,
        Some(Versioned { version, .. }) => records.replace(version, &row)?,
    };
    Ok(Some(Changed {
        write,
        draft: draft(secret, probe, before, by),
    }))
}

/// `observation.recorded`, topic `connection.ended` or `connection.restored`.
fn draft(secret: SecretId, probe: &Probe, ended: Option<Timestamp>, by: &Principal) -> Draft {
    let (topic, result) = match ended {
        None => ("connection.ended", Standing::Alarm),
        Some(_) => ("connection.restored", Standing::Ok),
    };
    let mut more = vec![("result", result.name().into()), ("topic", topic.into())];
    more.extend(ended.map(|at| ("ended_at", Json::uint(at.as_millis()))));
    let facts = change(by, target("secret", secret), more);
    let draft = Draft::new(Kind::ObservationRecorded, facts);
    match probe {
        Probe::KeyRefused(cause) => draft.subject(object([("cause", cause.as_str().into())])),
        _ => draft,
    }
}
