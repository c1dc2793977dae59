//! What may be shown of a project's credentials.

use counterfoil_core::connection::Standing;
use counterfoil_core::ids::SecretId;
use counterfoil_core::usecases::ConnectionView;
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use serde::Serialize;
use utoipa::ToSchema;

use super::project::StandingWord;

open_words! {
    /// Which credential: the restricted key of Stripe, the URL of the role that reads, the URL of the
    /// role that repairs, the signing secret of the webhook endpoint.
    pub(crate) ConnectionKindWord: "stripe", "database", "repair", "webhook";
}

/// The connections of a project.
#[derive(Serialize, ToSchema)]
pub(crate) struct Connections {
    items: Vec<Connection>,
    next_cursor: Option<String>,
}

/// A stored credential, without the credential.
#[derive(Serialize, ToSchema)]
pub(crate) struct Connection {
    #[schema(value_type = ConnectionKindWord)]
    kind: &'static str,
    #[schema(value_type = schema::SecretId)]
    id: SecretId,
    /// Prefix of the key, or host and database.
    #[schema(examples("rk_live_…", "db.example.com:5432/app"))]
    hint: String,
    version: u64,
    /// `null` when it was revoked: store it again.
    #[schema(value_type = Option<schema::Time>)]
    added_at: Option<String>,
    /// From when on it is not accepted any more; `null` for no end.
    #[schema(value_type = Option<schema::Time>)]
    retire_at: Option<String>,
    /// What the last probe came to; `null` for a signing secret, which nobody can ask.
    #[schema(value_type = Option<StandingWord>)]
    standing: Option<Standing>,
    #[schema(value_type = Option<schema::Time>)]
    probed_at: Option<String>,
    /// What the last probe found, the worst first.
    sentences: Vec<String>,
}

impl Connections {
    pub(crate) fn of(found: &[ConnectionView]) -> Self {
        Self {
            items: found.iter().map(Connection::of).collect(),
            next_cursor: None,
        }
    }
}

impl Connection {
    pub(crate) fn of(found: &ConnectionView) -> Self {
        let probed = found.probed.as_ref();
        Self {
            kind: found.kind.name(),
            id: found.id,
            hint: found.hint.clone(),
            version: found.version,
            added_at: found.added_at.map(|at| at.to_string()),
            retire_at: found.retire_at.map(|at| at.to_string()),
            standing: probed.map(|probed| probed.standing),
            probed_at: probed.map(|probed| probed.at.to_string()),
            sentences: probed.map_or_else(Vec::new, |probed| probed.sentences.clone()),
        }
    }
}
