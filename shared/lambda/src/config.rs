//! Every environment variable of the product, in one list.

use thiserror::Error;

macro_rules! variables {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// An environment variable. template.yaml sets on each function exactly those it needs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Var {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Var {
            /// Every variable.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the environment.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

variables! {
    /// Table of evidence entries.
    EvidenceTable = "EVIDENCE_TABLE",
    /// Table of stream and run heads.
    EvidenceHeadTable = "EVIDENCE_HEAD_TABLE",
    /// Table of parts.
    EvidencePartsTable = "EVIDENCE_PARTS_TABLE",
    /// Table of seals.
    SealsTable = "SEALS_TABLE",
    /// State table.
    StateTable = "STATE_TABLE",
    /// Table of wrapped data keys.
    DataKeysTable = "DATA_KEYS_TABLE",
    /// Bucket of findings, work in progress and packages.
    DataBucket = "DATA_BUCKET",
    /// Object Lock bucket of header segments and seals.
    LockedBucket = "LOCKED_BUCKET",
    /// URL of the checks queue.
    ChecksQueueUrl = "CHECKS_QUEUE_URL",
    /// URL of the scans queue.
    ScansQueueUrl = "SCANS_QUEUE_URL",
    /// URL of the exports queue.
    ExportsQueueUrl = "EXPORTS_QUEUE_URL",
    /// KMS key of the data keys.
    SecretsKeyId = "SECRETS_KEY_ID",
    /// KMS key of the seals.
    SealKeyId = "SEAL_KEY_ID",
    /// KMS key that sealed before, while streams are handed over to the other one.
    RetiringSealKeyId = "RETIRING_SEAL_KEY_ID",
    /// What the origin of a seal starts with, for example `evidence.example.com/s/`.
    SealOriginPrefix = "SEAL_ORIGIN_PREFIX",
    /// Name of the repair-approve function.
    RepairFunction = "REPAIR_FUNCTION",
    /// Name of the export function.
    ExportFunction = "EXPORT_FUNCTION",
    /// Name of the archive function.
    ArchiveFunction = "ARCHIVE_FUNCTION",
    /// Local cloud only: base URL of the fake Stripe, which must be a loopback address.
    StripeUrl = "COUNTERFOIL_STRIPE_URL",
    /// Local cloud only: Stripe requests per second, for a fake that allows more.
    StripeRate = "COUNTERFOIL_STRIPE_RATE",
    /// Private networks with databases, for example `10.20.0.0/16`; default none.
    DatabaseNetworks = "DATABASE_NETWORKS",
    /// Ports of databases besides 5432 and 6543; default none.
    DatabasePorts = "DATABASE_PORTS",
    /// Set by AWS Lambda: where the function gets its events, which is no database.
    RuntimeApi = "AWS_LAMBDA_RUNTIME_API",
    /// Requests a minute, and at once, of one credential. Default 600.
    RateLimit = "RATE_LIMIT_PER_MINUTE",
    /// Seconds that a check waits after a webhook, so that a burst of events is over. Default 5.
    CheckDelay = "CHECK_DELAY_SECONDS",
    /// Stripe's partner event source whose events are taken; default none.
    StripeEventSource = "STRIPE_EVENT_SOURCE",
    /// The AWS account of this deployment, which its events name.
    StripeEventAccount = "STRIPE_EVENT_ACCOUNT",
    /// The project whose Stripe account that event source belongs to.
    StripeEventProject = "STRIPE_EVENT_PROJECT",
    /// Seconds for which a worker of a scan reads before it hands over. Default 720, less than its
    /// function may run.
    ScanHandOver = "SCAN_HAND_OVER_SECONDS",
    /// The issuer at which people sign in, exactly as it names itself. Without it there are only keys.
    OidcIssuer = "OIDC_ISSUER",
    /// Whom its access tokens may be meant for, with commas.
    OidcAudience = "OIDC_AUDIENCE",
    /// The scope that they must have. Default `counterfoil`.
    OidcScope = "OIDC_SCOPE",
    /// The host at which agents reach this deployment: whom their access tokens must be meant for.
    PublicHost = "PUBLIC_HOST",
    /// The client with which the command line signs people in.
    OidcClientId = "OIDC_CLIENT_ID",
}

/// A variable that is not there.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("the environment variable {} is not set: see template.yaml", .0.name())]
pub struct MissingVariable(pub Var);

/// Reads a variable that must be there.
///
/// # Errors
/// When it is absent or empty.
pub fn required(variable: Var) -> Result<String, MissingVariable> {
    optional(variable).ok_or(MissingVariable(variable))
}

/// Reads a variable that may be absent.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub fn optional(variable: Var) -> Option<String> {
    std::env::var(variable.name())
        .ok()
        .filter(|value| !value.is_empty())
}

/// How long a check waits after a webhook.
pub fn check_delay() -> std::time::Duration {
    let seconds = optional(Var::CheckDelay).and_then(|text| text.parse().ok());
    std::time::Duration::from_secs(seconds.unwrap_or(5))
}

/// How long a worker of a scan reads before it hands over; `None` is the product's own limit.
pub fn scan_hand_over() -> Option<std::time::Duration> {
    let seconds = optional(Var::ScanHandOver).and_then(|text| text.parse().ok());
    seconds.map(std::time::Duration::from_secs)
}

/// Base URL of a fake Stripe, in the local cloud only.
pub fn stripe_url() -> Option<String> {
    optional(Var::StripeUrl)
}

/// Stripe requests per second; `None` is the product's own budget.
pub fn stripe_rate() -> Option<u32> {
    optional(Var::StripeRate).and_then(|text| text.parse().ok())
}

/// Where databases may be: networks, ports, and this function's own runtime API, which is none.
pub fn database_places() -> [Option<String>; 3] {
    [Var::DatabaseNetworks, Var::DatabasePorts, Var::RuntimeApi].map(optional)
}
