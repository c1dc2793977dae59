//! What the product holds: where, of which class, for how long, and how it goes away.
//!
//! One row per family of the state table and per other store. Rows take the names of families from
//! their types. A family without a row fails `tests/house`, and `docs/data-inventory.md` is written
//! from here, so the page cannot fall behind.

use std::fmt::Write as _;

use crate::bundles;
use crate::cursor::CursorKey;
use crate::deletion::Deletion;
use crate::erasure::Erasure;
use crate::export::{Asked, Export};
use crate::governed_run::{GovernedRun, OpenRun};
use crate::held_change::HeldChange;
use crate::incident::Incident;
use crate::records::{
    ApiKey, Invitation, Mapping, Member, OverrideUse, Record, RunAction, Secret, Unfinished,
};
use crate::repair::{Action, Pace};
use crate::run::Run;
use crate::scan::{ScanSchedule, ScanWork};
use crate::tenancy::WorkspaceCtx;
use crate::usecases::{Announced, CatalogueChanged, Probed, Rewrapped, Seen, WebhookHealth};
use crate::usecases::{DecisionRecord, HeldActions, Waiting};

/// What kind of data it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What opens something else: keys, passwords, signing secrets. Only sealed, wrapped or hashed.
    Credential,
    /// About a person: names, mail addresses, words, ids of customers, values of their rows.
    Personal,
    /// What Stripe says of subscriptions, invoices and prices.
    Billing,
    /// Settings, mappings, roles, schedules: what people of the workspace decided.
    Configuration,
    /// Facts of the evidence: opaque ids, digests, counts, sentences of the policy.
    Fact,
    /// What the product needs to go on where it was: cursors, counters, digests of requests.
    Operation,
}

impl Class {
    /// As the page says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Personal => "personal",
            Self::Billing => "billing",
            Self::Configuration => "configuration",
            Self::Fact => "evidence fact",
            Self::Operation => "operation",
        }
    }
}

/// Where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// State table, partitions `<workspace>#<project>#<family>`.
    OfProject(&'static str),
    /// State table, partitions `<workspace>#<family>`.
    OfWorkspace(&'static str),
    /// State table, partitions `directory#<family>`.
    Directory(&'static str),
    /// State table, a partition of its own per lookup.
    Lookup(&'static str),
    /// Another table.
    Table(&'static str),
    /// A bucket and prefix.
    Bucket(&'static str),
    /// A queue.
    Queue(&'static str),
    /// Log groups of the functions.
    Logs,
}

impl Place {
    /// As the page says it.
    pub fn name(self) -> String {
        match self {
            Self::OfProject(family) => format!("state, project: `{family}`"),
            Self::OfWorkspace(family) => format!("state, workspace: `{family}`"),
            Self::Directory(family) => format!("state, directory: `{family}`"),
            Self::Lookup(partition) => format!("state: `{partition}`"),
            Self::Table(name) => format!("table `{name}`"),
            Self::Bucket(name) => format!("bucket `{name}`"),
            Self::Queue(name) => format!("queue `{name}`"),
            Self::Logs => "logs".to_owned(),
        }
    }
}

/// One thing that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Where.
    pub place: Place,
    /// What.
    pub what: &'static str,
    /// Of which classes.
    pub classes: &'static [Class],
    /// For how long.
    pub kept: &'static str,
    /// How it goes away.
    pub goes: &'static str,
}

const fn held(
    place: Place,
    what: &'static str,
    classes: &'static [Class],
    kept: &'static str,
    goes: &'static str,
) -> Held {
    Held {
        place,
        what,
        classes,
        kept,
        goes,
    }
}

const fn of<T: Record>() -> Place {
    Place::OfProject(T::FAMILY)
}

const fn of_workspace<T: Record<WorkspaceCtx>>() -> Place {
    Place::OfWorkspace(T::FAMILY)
}

use Class::{Billing, Configuration, Credential, Fact, Operation, Personal};

const PROJECT: &str = "as long as the project";
const WORKSPACE: &str = "as long as the workspace";
const WITH_PROJECT: &str = "with the project";
const WITH_WORKSPACE: &str = "with the workspace";
const EXPIRES: &str = "expires by itself";

/// All that is held.
pub const INVENTORY: &[Held] = &[
    held(
        of::<Secret>(),
        "Stripe key, database URLs, signing secrets, key of the pseudonyms: sealed, with a prefix or host that may be shown",
        &[Credential],
        "a version until it is retired or revoked",
        "its data key is destroyed; the row with the project",
    ),
    held(
        of::<Probed>(),
        "last answer about a credential: rights by name",
        &[Configuration],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        Place::OfProject("stripe-connection"),
        "since when Stripe refuses the key",
        &[Configuration],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<Rewrapped>(),
        "how far the wrapping of data keys is",
        &[Operation],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<Mapping>(),
        "mappings as written and as compiled: tables, columns, price ids",
        &[Configuration],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<ScanSchedule>(),
        "how often it is scanned; which kinds of action its flows have registered",
        &[Configuration],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<Incident>(),
        "differences: customer ids, values of rows, amounts, a person's comment",
        &[Personal, Billing],
        PROJECT,
        "values are taken out by an erasure; the row with the project",
    ),
    held(
        of::<Action>(),
        "repairs: table, key, values before and after; votes, uses of break-glass and their reviews; the words of whoever proposed, voted, used or reviewed",
        &[Personal, Billing],
        PROJECT,
        "values are taken out by an erasure; the row with the project",
    ),
    held(
        of::<Pace>(),
        "when repairs were begun, for 24 hours",
        &[Operation],
        "as long as the project",
        "with the project",
    ),
    held(
        of::<Unfinished>(),
        "repairs that are not settled",
        &[Operation],
        "until the repair is settled",
        "deleted with the outcome",
    ),
    held(
        of::<RunAction>(),
        "actions of governed runs: kind, amount, an opaque target; votes, uses of break-glass and their reviews; the words of whoever proposed, voted, used or reviewed",
        &[Fact, Personal],
        PROJECT,
        "words and targets are taken out by an erasure of the run; the row with the project",
    ),
    held(
        of::<GovernedRun>(),
        "governed runs: flow, digests, counts, where the caller keeps what it produced",
        &[Operation, Fact],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<OpenRun>(),
        "which governed runs are open",
        &[Operation],
        "until the run ends",
        "deleted with its end",
    ),
    held(
        of::<Waiting>(),
        "which actions wait for approvals, or to be begun",
        &[Operation],
        "until the action is begun or ends",
        "deleted with the outcome",
    ),
    held(
        of::<HeldActions>(),
        "who proposed what waits for approvals, so that it is counted",
        &[Operation],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<HeldChange>(),
        "changes of a project that wait for further people: what is proposed, who agreed, a comment",
        &[Configuration, Personal],
        "until they happen or are rejected, 72 hours at most",
        EXPIRES,
    ),
    held(
        of::<DecisionRecord>(),
        "decisions about actions of governed runs by their id; what would be decided, for 7 days",
        &[Fact],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<Run>(),
        "what a run looked at, counts, names and digests of its files",
        &[Operation, Fact],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<ScanWork>(),
        "how far a scan is",
        &[Operation],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        Place::OfProject("scan-turn"),
        "which scan is at work",
        &[Operation],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        Place::OfProject("scan-next"),
        "the latest scan that somebody asked for",
        &[Operation],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<Seen>(),
        "what both sides said of a customer, under a digest of their id",
        &[Personal, Billing],
        "30 days",
        "emptied by an erasure; expires by itself",
    ),
    held(
        Place::OfProject("checked"),
        "digest of a customer and when their check began",
        &[Operation],
        "1 hour",
        EXPIRES,
    ),
    held(
        Place::OfProject("check_request"),
        "digests of a request and its run",
        &[Operation],
        "24 hours",
        EXPIRES,
    ),
    held(
        Place::OfProject("asked-run"),
        "who asked for a run",
        &[Operation],
        "14 days",
        EXPIRES,
    ),
    held(
        Place::OfProject("event"),
        "ids and kinds of Stripe's events that were taken",
        &[Operation],
        "35 days",
        EXPIRES,
    ),
    held(
        of::<CatalogueChanged>(),
        "when prices last changed",
        &[Operation],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        Place::OfProject("webhook-tally"),
        "counts of deliveries per process and day",
        &[Operation],
        "35 days",
        EXPIRES,
    ),
    held(
        of::<WebhookHealth>(),
        "how deliveries do",
        &[Operation],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<Export>(),
        "exports: period, digest, who asked",
        &[Operation, Fact],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of::<Asked>(),
        "digest of a request for an export",
        &[Operation],
        "24 hours",
        EXPIRES,
    ),
    held(
        of::<Erasure>(),
        "erasures: who asked, the pseudonym or run, how far they are",
        &[Operation, Fact],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        of_workspace::<Member>(),
        "people: name and role",
        &[Personal, Configuration],
        "until they leave",
        "deleted with `access.revoked`, or with the workspace",
    ),
    held(
        of_workspace::<ApiKey>(),
        "API keys: SHA-256, owner, what they may do, expiry",
        &[Credential, Configuration],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        of_workspace::<OverrideUse>(),
        "uses of break-glass: which action, who, when, who reviewed it, or when somebody was told that nobody did",
        &[Fact],
        "as long as the workspace",
        "with the workspace",
    ),
    held(
        of_workspace::<Invitation>(),
        "invitations that wait: name, address, role, SHA-256 of the token",
        &[Credential, Personal],
        "7 days",
        "deleted when accepted or revoked; expires by itself",
    ),
    held(
        of_workspace::<HeldChange>(),
        "changes of a workspace that wait for further people: what is proposed, who agreed, a comment",
        &[Configuration, Personal],
        "until they happen or are rejected, 72 hours at most",
        EXPIRES,
    ),
    held(
        Place::OfWorkspace("hold"),
        "legal holds: target, comment",
        &[Configuration, Personal],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        of_workspace::<Deletion>(),
        "a deletion that waits: who proposed and confirmed it, and why",
        &[Configuration, Personal],
        "until it is withdrawn or carried out",
        "deleted with `config.changed`, `project.deleted` or `workspace.deleted`",
    ),
    held(
        Place::OfWorkspace("setting"),
        "for how long snapshots are kept; who the owners are, and when somebody left last",
        &[Configuration],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        Place::OfWorkspace(CursorKey::FAMILY),
        "the key that the cursors of lists are made with",
        &[Operation],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        Place::OfWorkspace(Announced::FAMILY),
        "digest of the product's own rules under which decisions were last made",
        &[Fact],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        Place::OfWorkspace(bundles::FAMILY),
        "policy bundles with their signatures, public keys that may sign, which one is active",
        &[Configuration],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        Place::OfWorkspace("alarm"),
        "alarms about a stream; which key was last recorded as leaked, and when",
        &[Operation],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        Place::OfWorkspace("rotation"),
        "which streams a new seal key has taken over",
        &[Operation],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        Place::OfWorkspace("idempotency"),
        "digest of a request with its answer",
        &[Operation, Personal],
        "24 hours",
        EXPIRES,
    ),
    held(
        Place::OfWorkspace("usage"),
        "requests of a key or person, and when it was last used",
        &[Operation, Personal],
        "with the workspace; of a person until a day after their last request",
        WITH_WORKSPACE,
    ),
    held(
        Place::Directory("workspace"),
        "workspaces: name, stream",
        &[Configuration],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        Place::Directory("project"),
        "projects: name, stream, ids of their secrets",
        &[Configuration],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        Place::Directory("deleted"),
        "what is deleted: ids, stream, counts of what was removed",
        &[Fact, Operation],
        "for ever",
        "never",
    ),
    held(
        Place::Directory("sweep"),
        "where the sweep of repairs is, and when it looked for overdue reviews",
        &[Operation],
        "for ever, two rows",
        "overwritten",
    ),
    held(
        Place::Directory("budget"),
        "requests of a Stripe account that were granted",
        &[Operation],
        "24 hours",
        EXPIRES,
    ),
    held(
        Place::Lookup("key#<handle>"),
        "API keys by their public part: SHA-256, owner, what they may do",
        &[Credential, Configuration],
        WORKSPACE,
        WITH_WORKSPACE,
    ),
    held(
        Place::Lookup("invitation#<hash>"),
        "where the invitation of a token lies",
        &[Credential],
        "7 days",
        "deleted when accepted or revoked; expires by itself",
    ),
    held(
        Place::Lookup("login#<digest>"),
        "people by a digest of issuer and subject; the workspaces they are in",
        &[Personal],
        "until they leave their last workspace",
        "deleted with `access.revoked`, or with the workspace",
    ),
    held(
        Place::Table("DataKeys"),
        "data keys, wrapped by the key service",
        &[Credential],
        "as long as what they seal",
        "destroyed; no backup, no stream, no point-in-time recovery",
    ),
    held(
        Place::Table("Evidence"),
        "headers and facts of entries",
        &[Fact],
        "for ever",
        "never",
    ),
    held(
        Place::Table("EvidenceHead"),
        "heads of streams, registers of holds",
        &[Fact],
        "for ever",
        "never",
    ),
    held(
        Place::Table("EvidenceParts"),
        "parts of entries: row values, customer ids, words of people",
        &[Fact, Personal, Billing],
        "until erased, or with the project or workspace",
        "removed with its salt and a `redact` entry; backups of 35 days (point-in-time recovery) still hold it",
    ),
    held(
        Place::Table("Seals"),
        "seals and progress of the sealer",
        &[Fact],
        "for ever",
        "never",
    ),
    held(
        Place::Bucket("LockedBucket"),
        "header segments and seals",
        &[Fact],
        "2,557 days unless the deployment says more",
        "never before",
    ),
    held(
        Place::Bucket("DataBucket/snapshots"),
        "what runs have read, sealed",
        &[Personal, Billing],
        "the window of the workspace",
        "data key destroyed, object deleted, `snapshot.pruned`; with the project",
    ),
    held(
        Place::Bucket("DataBucket/findings"),
        "findings of runs, customers as pseudonyms",
        &[Fact, Billing],
        PROJECT,
        WITH_PROJECT,
    ),
    held(
        Place::Bucket("DataBucket/exports"),
        "packages and reports",
        &[Fact, Personal, Billing],
        "7 days; deleted after 8",
        "lifecycle rule, an erasure, or with the project",
    ),
    held(
        Place::Queue("checks"),
        "customers that are to be looked at",
        &[Personal, Operation],
        "4 days; 14 in the dead letters",
        EXPIRES,
    ),
    held(
        Place::Queue("scans"),
        "pieces of a scan: ids and ranges",
        &[Operation],
        "4 days; 14 in the dead letters",
        EXPIRES,
    ),
    held(
        Place::Queue("exports"),
        "ids of exports",
        &[Operation],
        "4 days; 14 in the dead letters",
        EXPIRES,
    ),
    held(
        Place::Queue("stripe events, dead letters"),
        "events of Stripe's event bus that were not taken",
        &[Personal, Billing],
        "14 days",
        EXPIRES,
    ),
    held(
        Place::Logs,
        "ids, outcomes, causes; no values and no words of people",
        &[Operation],
        "90 days unless the deployment says otherwise",
        EXPIRES,
    ),
];

/// Every family of rows of a project: what goes with it.
pub fn families_of_a_project() -> impl Iterator<Item = &'static str> {
    INVENTORY.iter().filter_map(|held| match held.place {
        Place::OfProject(family) => Some(family),
        _ => None,
    })
}

/// Every family of rows of a workspace: what goes with it, beside its projects.
pub fn families_of_a_workspace() -> impl Iterator<Item = &'static str> {
    INVENTORY.iter().filter_map(|held| match held.place {
        Place::OfWorkspace(family) => Some(family),
        _ => None,
    })
}

/// What keys of objects start with, before the id of their project.
pub fn kinds_of_objects() -> impl Iterator<Item = &'static str> {
    INVENTORY.iter().filter_map(|held| match held.place {
        Place::Bucket(name) => name.strip_prefix("DataBucket/"),
        _ => None,
    })
}

/// What is read and never stored.
pub const NOT_HELD: &[&str] = &[
    "Stripe objects beyond the fields that the promise of access is computed from: no card, bank account, address or invoice PDF.",
    "Columns of the customer's database that the mapping does not name, and rows of other tables.",
    "API keys and invitation tokens in clear: shown once, stored as a digest.",
    "Access tokens of people: verified and forgotten.",
    "Payloads of webhooks: only the ids in them are used.",
    "Credentials in clear, in any store, queue or log.",
];

/// The page.
pub fn page() -> String {
    let mut page = String::from(
        "# Data inventory\n\nWritten from `shared/core/src/inventory.rs`; a test fails when it is not. \
         What is held, of which class, for how long, and how it goes away. The columns say what this \
         version does.\n\n| where | what | class | kept | goes |\n|---|---|---|---|---|\n",
    );
    for row in INVENTORY {
        let classes: Vec<_> = row.classes.iter().map(|class| class.name()).collect();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            row.place.name(),
            row.what,
            classes.join(", "),
            row.kept,
            row.goes
        );
    }
    page.push_str("\n## What is not held\n\n");
    for line in NOT_HELD {
        let _ = writeln!(page, "- {line}");
    }
    page
}
