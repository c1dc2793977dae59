//! The entry of a probe: `observation.recorded`, topic `probe.stripe_key` or `probe.database_role`.
//!
//! `facts` hold counts and what was proved how; names of tables and permissions go to `subject`.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use crate::connection::{KeyReport, RoleReport, Standing};
use crate::ids::SecretId;
use crate::tenancy::Principal;
use crate::usecases::facts::{change, target};

/// What a probe said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Stripe answered.
    Key(KeyReport),
    /// Stripe, or the product itself, does not accept the key, and why.
    KeyRefused(String),
    /// The database answered for the reading role.
    ReadingRole(RoleReport),
    /// The database answered for the repair role.
    RepairRole(RoleReport),
    /// The database, or the product itself, does not accept the connection, and why.
    RoleRefused(String),
}

impl Probe {
    /// What it amounts to.
    pub fn standing(&self) -> Standing {
        match self {
            Self::Key(report) => report.standing(),
            Self::ReadingRole(report) | Self::RepairRole(report) => report.standing(),
            Self::KeyRefused(_) | Self::RoleRefused(_) => Standing::Alarm,
        }
    }

    /// As sentences for people.
    pub fn sentences(&self) -> Vec<String> {
        match self {
            Self::Key(report) => report.sentences(),
            Self::ReadingRole(report) | Self::RepairRole(report) => report.sentences(),
            Self::KeyRefused(cause) | Self::RoleRefused(cause) => vec![cause.clone()],
        }
    }

    pub(super) fn draft(&self, secret: SecretId, by: &Principal) -> Draft {
        let topic = match self {
            Self::Key(_) | Self::KeyRefused(_) => "probe.stripe_key",
            _ => "probe.database_role",
        };
        let mut more = vec![
            ("result", Json::from(self.standing().name())),
            ("topic", topic.into()),
        ];
        more.extend(self.counts());
        let sentences = self.sentences();
        let sentences = sentences.iter().map(|it| it.as_str().into()).collect();
        Draft::new(
            Kind::ObservationRecorded,
            change(by, target("secret", secret), more),
        )
        .subject(object([("sentences", Json::Array(sentences))]))
    }

    fn counts(&self) -> Vec<(&'static str, Json)> {
        match self {
            Self::Key(report) => vec![
                ("broader", count(report.broader().count())),
                ("closed", count(report.proved_closed().count())),
                ("closed_by", "probed".into()),
                ("no_write_by", "asserted".into()),
                ("read", count(report.needed.len())),
            ],
            Self::ReadingRole(report) | Self::RepairRole(report) => {
                let purpose = if matches!(self, Self::ReadingRole(_)) {
                    "read"
                } else {
                    "repair"
                };
                vec![
                    ("missing", count(report.missing.len())),
                    ("purpose", purpose.into()),
                    ("refused", count(report.refused.len())),
                    ("rights_by", "probed".into()),
                    ("warned", count(report.warned.len())),
                ]
            }
            Self::KeyRefused(_) | Self::RoleRefused(_) => vec![("accepted", false.into())],
        }
    }
}

fn count(number: usize) -> Json {
    Json::uint(u64::try_from(number).unwrap_or(u64::MAX))
}
