//! The kinds of credentials, where a project holds each, and what is wrong with one in words. Pure.

use crate::connection::{KeyReport, ReadAnswer, RoleReport};
use crate::ids::SecretId;
use crate::ports::{PortError, PortErrorKind};
use crate::records::Project;
use crate::sealed::Purpose;
use crate::time::Timestamp;
use crate::usecases::connections::Probe;

use super::ProjectError;

/// One of the credentials of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionKind {
    /// The restricted key of Stripe.
    Stripe,
    /// The URL of the role that reads the app's database.
    Database,
    /// The URL of the role that repairs.
    Repair,
    /// The signing secret of the webhook endpoint.
    Webhook,
}

impl ConnectionKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Stripe, Self::Database, Self::Repair, Self::Webhook];

    /// The word in paths and in evidence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Database => "database",
            Self::Repair => "repair",
            Self::Webhook => "webhook",
        }
    }

    /// The kind of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) const fn purpose(self) -> Purpose {
        match self {
            Self::Stripe | Self::Database => Purpose::Read,
            Self::Repair => Purpose::Repair,
            Self::Webhook => Purpose::Webhook,
        }
    }
}

/// The secrets of a project in the order of the kinds, and when each ends.
pub(super) fn stored(project: &Project) -> Vec<(ConnectionKind, SecretId, Option<Timestamp>)> {
    let single = [
        (ConnectionKind::Stripe, project.stripe_key),
        (ConnectionKind::Database, project.read_database),
        (ConnectionKind::Repair, project.repair_database),
    ];
    let single = single.into_iter();
    let single = single.filter_map(|(kind, id)| Some((kind, id?, None)));
    let signing = project.webhook_secrets.iter();
    let signing = signing.map(|it| (ConnectionKind::Webhook, it.id, it.retire_at));
    single.chain(signing).collect()
}

/// Empties a place; returns what was in it.
pub(super) fn take(project: &mut Project, kind: ConnectionKind) -> Vec<SecretId> {
    let one = match kind {
        ConnectionKind::Stripe => project.stripe_key.take(),
        ConnectionKind::Database => project.read_database.take(),
        ConnectionKind::Repair => project.repair_database.take(),
        ConnectionKind::Webhook => {
            let all = std::mem::take(&mut project.webhook_secrets);
            return all.into_iter().map(|secret| secret.id).collect();
        }
    };
    one.into_iter().collect()
}

/// Why a credential is not stored: each finding with what to do about it.
pub(super) fn findings(probe: &Probe) -> Vec<String> {
    match probe {
        Probe::Key(report) => of_key(report),
        Probe::ReadingRole(report) => of_role(report, "infra/sql/read-role.sql"),
        Probe::RepairRole(report) => of_role(report, "infra/sql/repair-role.sql"),
        Probe::KeyRefused(cause) | Probe::RoleRefused(cause) => vec![cause.clone()],
    }
}

fn of_key(report: &KeyReport) -> Vec<String> {
    let finding = |what: &str, answer: &ReadAnswer| match answer {
        ReadAnswer::Allowed => None,
        ReadAnswer::Refused { permission } => Some(format!(
            "the key may not read {what}: add {permission} (read) to it in the Stripe Dashboard"
        )),
        ReadAnswer::Unclear => Some(format!(
            "Stripe did not say whether the key may read {what}: send it again"
        )),
    };
    let needed = report.needed.iter();
    needed
        .filter_map(|read| finding(&read.what, &read.answer))
        .collect()
}

fn of_role(report: &RoleReport, script: &str) -> Vec<String> {
    let refused = report.refused.iter();
    let refused = refused.map(|right| {
        format!("the role is refused: {right}: revoke it, or use a role as {script} makes it")
    });
    let missing = report.missing.iter();
    let missing =
        missing.map(|right| format!("the role lacks {right}: grant it, as {script} does"));
    refused.chain(missing).collect()
}

/// Why the other side said nothing of use. A database that cannot be reached gets one sentence,
/// whatever the reason: the product is not for finding out what listens where.
pub(super) fn unanswered(kind: ConnectionKind, error: PortError) -> ProjectError {
    match (error.kind, kind) {
        (PortErrorKind::Refused, _) => {
            let cause = error.source.as_ref().map(ToString::to_string);
            ProjectError::Refused(vec![cause.unwrap_or_else(|| error.to_string())])
        }
        (_, ConnectionKind::Database | ConnectionKind::Repair) => {
            let sentence =
                "no database answered at this address: check host, port, firewall and TLS";
            ProjectError::Refused(vec![sentence.to_owned()])
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_says_what_to_do_and_what_fits_is_none() {
        let report = RoleReport {
            refused: vec!["INSERT on public.users".to_owned()],
            warned: vec!["sequence public.s".to_owned()],
            missing: vec!["UPDATE on public.users.plan".to_owned()],
        };
        let said = findings(&Probe::RepairRole(report));
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("INSERT on public.users: revoke it"));
        assert!(said[1].contains("UPDATE on public.users.plan: grant it"));
        assert_eq!(
            findings(&Probe::ReadingRole(RoleReport::default())),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_database_that_is_not_reached_is_described_alike_whatever_the_reason() {
        let said = |kind| {
            let error = PortError::caused(kind, "connecting", "10.0.0.7:22 sent SSH");
            match unanswered(ConnectionKind::Database, error) {
                ProjectError::Refused(said) => said,
                other => panic!("{other:?}"),
            }
        };
        let (away, garbled) = (
            said(PortErrorKind::Unavailable),
            said(PortErrorKind::Corrupt),
        );
        assert_eq!(away, garbled);
        assert!(!away.concat().contains("SSH"));
        let silent = PortError::new(PortErrorKind::Unavailable, "probing the Stripe key");
        let silent = unanswered(ConnectionKind::Stripe, silent);
        assert!(matches!(silent, ProjectError::Port(_)), "{silent:?}");
    }

    #[test]
    fn kinds_are_found_by_their_names_only() {
        for kind in ConnectionKind::ALL {
            assert_eq!(ConnectionKind::of_name(kind.name()), Some(kind));
        }
        assert_eq!(ConnectionKind::of_name("Stripe"), None);
    }
}
