//! Both sides of a project, opened: what a run needs before it can look, and why it could not.

use async_trait::async_trait;
use counterfoil_evidence::json::{Json, object};
use thiserror::Error;

use crate::billing::Catalog;
use crate::json::JsonError;
use crate::mapping::{Artifact, Intent, TableColumns};
use crate::policy::baseline_digest;
use crate::ports::{AppDatabase, AppInspector, Billing, PortError, PortErrorKind};
use crate::reconcile::Scan;
use crate::records::{Mapping, Project, RecordError, Records};
use crate::redacted::Redacted;
use crate::sealed::Purpose;
use crate::snapshot::Recorder;
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::vault::{Vault, VaultError};

/// Customers that one look at one subject follows at most: a row and the customers that point to
/// it are a handful; more is a loop in somebody's data.
pub(super) const MAX_CUSTOMERS: usize = 50;
/// The code of a side that refused what it was asked with.
pub(super) const SOURCE_REFUSED: &str = "source-refused";

/// Opens Stripe accounts from their keys.
#[async_trait]
pub trait BillingAccounts: Send + Sync {
    /// A client for the account of this key; refused when the key is not a restricted one or of
    /// the other mode.
    async fn account(
        &self,
        key: &Redacted<String>,
        livemode: bool,
    ) -> Result<Box<dyn Billing>, PortError>;
}

/// Why promise and grant could not be compared. No incident ever comes from this.
#[derive(Debug, Error)]
pub enum LookError {
    /// Stripe could not be read whole.
    #[error("Stripe could not be read")]
    Stripe(#[source] PortError),
    /// The app's table could not be read whole.
    #[error("the app's database could not be read")]
    App(#[source] PortError),
    /// The product's own records could not be read.
    #[error("the mapping could not be read")]
    Product(#[source] PortError),
    /// A credential could not be opened.
    #[error("a credential could not be opened")]
    Vault(#[from] VaultError),
    /// A record could not be read.
    #[error("a record could not be read")]
    Record(#[from] RecordError),
    /// The reading role can write.
    #[error("the reading role can write {tables}: give it SELECT only")]
    RoleCanWrite {
        /// What it can write, by name.
        tables: String,
    },
    /// The table is larger than the product reads in one run.
    #[error("the table has more rows than one run may read")]
    TooManyRows,
    /// One row or customer leads to more customers than one look follows.
    #[error("more than {MAX_CUSTOMERS} customers belong together: a scan reads them all")]
    TooManyCustomers,
    /// More customers have come since than a repair can list.
    #[error(
        "too many customers have come since a scan has last seen this difference: scan, then try again"
    )]
    TooManyNewcomers,
    /// The mapping does not fit the database.
    #[error("the mapping does not fit the database: {0}")]
    Mapping(String),
}

impl LookError {
    /// What could not be read, as `run.close` says it (`unread.what`), where it is not a list.
    pub const fn unread(&self) -> &'static str {
        match self {
            Self::Stripe(_) | Self::TooManyCustomers | Self::TooManyNewcomers => "stripe",
            Self::App(_) | Self::RoleCanWrite { .. } | Self::TooManyRows | Self::Mapping(_) => {
                "app"
            }
            Self::Vault(_) => "credential",
            Self::Record(_) | Self::Product(_) => "mapping",
        }
    }

    /// A stable code for evidence: how reading failed, without a word of anybody's data.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Stripe(error) | Self::App(error) | Self::Product(error) => match error.kind {
                PortErrorKind::Refused => SOURCE_REFUSED,
                PortErrorKind::Corrupt => "source-unreadable",
                PortErrorKind::Unavailable | PortErrorKind::OutcomeUnknown => "source-unavailable",
            },
            Self::Vault(_) => "credential-unavailable",
            Self::Record(_) => "record-unavailable",
            Self::RoleCanWrite { .. } => "role-can-write",
            Self::TooManyRows => "too-many-rows",
            Self::TooManyCustomers => "too-many-customers",
            Self::TooManyNewcomers => "too-many-newcomers",
            Self::Mapping(_) => "mapping-mismatch",
        }
    }
}

/// Both sides of a project, opened.
pub struct Sources {
    pub(super) billing: Box<dyn Billing>,
    pub(in crate::usecases) app: Box<dyn AppInspector>,
    pub(in crate::usecases) artifact: Artifact,
    pub(in crate::usecases) catalog: Catalog,
    pub(in crate::usecases) columns: Option<TableColumns>,
    livemode: bool,
}

/// Both sides, borrowed, with what is needed to compare them.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// Stripe.
    pub billing: &'a dyn Billing,
    /// The app's rows.
    pub app: &'a dyn AppInspector,
    /// The mapping.
    pub artifact: &'a Artifact,
    /// Prices and products.
    pub catalog: &'a Catalog,
    /// Mode of the Stripe account, where it is known.
    pub livemode: Option<bool>,
}

impl std::fmt::Debug for Sides<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sides")
            .field("livemode", &self.livemode)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("livemode", &self.livemode)
            .finish_non_exhaustive()
    }
}

impl Sources {
    /// Both sides from parts that are open already.
    ///
    /// # Errors
    /// When the reading role can write, or the mapping does not fit the table.
    pub async fn new(
        billing: Box<dyn Billing>,
        app: Box<dyn AppInspector>,
        artifact: Artifact,
        livemode: bool,
    ) -> Result<Self, LookError> {
        let columns = fits(app.as_ref(), &artifact).await?;
        let features = artifact.needs_stripe_features();
        let catalog = billing.catalog(features).await.map_err(LookError::Stripe)?;
        Ok(Self {
            billing,
            app,
            artifact,
            catalog,
            columns,
            livemode,
        })
    }

    pub(super) fn sides(&self) -> Sides<'_> {
        Sides {
            billing: self.billing.as_ref(),
            app: self.app.as_ref(),
            artifact: &self.artifact,
            catalog: &self.catalog,
            livemode: Some(self.livemode),
        }
    }

    /// An engine that knows the mapping and the prices, and nothing yet of both sides.
    pub(in crate::usecases) fn engine(&self, as_of: Timestamp) -> Scan {
        Scan::new(&self.artifact, &self.catalog, as_of, self.livemode)
    }
}

/// Checks that the reading role only reads, and that the mapping fits the table; returns its columns.
async fn fits(
    app: &dyn AppInspector,
    artifact: &Artifact,
) -> Result<Option<TableColumns>, LookError> {
    let writable = app.writable().await.map_err(LookError::App)?;
    if !writable.is_empty() {
        return Err(LookError::RoleCanWrite {
            tables: writable.join(", "),
        });
    }
    let table = artifact.table();
    let columns = app
        .columns(&table.schema, &table.table)
        .await
        .map_err(LookError::App)?;
    let known = match columns {
        None => app.tables().await.map_err(LookError::App)?,
        Some(_) => Vec::new(),
    };
    artifact
        .check_against(columns.as_ref(), &known, Intent::Repair)
        .map_err(|errors| LookError::Mapping(errors.to_string()))?;
    Ok(columns)
}

/// Opens the app's side alone, as [`open_sources`] does.
///
/// # Errors
/// See [`LookError`].
pub(crate) async fn open_app(
    vault: &Vault,
    databases: &dyn AppDatabase,
    records: &Records<'_>,
    ctx: &TenantCtx,
    project: &Project,
) -> Result<(), LookError> {
    let artifact = active_mapping(records, project)
        .await
        .map_err(LookError::Product)?;
    let url = vault
        .secret(records, ctx, project.database()?, Purpose::Read)
        .await?;
    let app = databases.inspect(&url).await.map_err(LookError::App)?;
    fits(app.as_ref(), &artifact).await?;
    Ok(())
}

/// The digest of what a run of the reconciler runs (evidence-format section 9).
///
/// # Errors
/// Never in practice: all of it is text.
pub fn flow_version(artifact: &str) -> Result<String, JsonError> {
    let flow = object([
        ("artifact", artifact.into()),
        (
            "connectors",
            object([
                ("engine", env!("CARGO_PKG_VERSION").into()),
                ("stripe", crate::billing::STRIPE_VERSION.into()),
            ]),
        ),
        (
            "policy_bundles",
            Json::Array(vec![baseline_digest().into()]),
        ),
    ]);
    Ok(counterfoil_evidence::hash::digest_string(&flow.canonical()))
}

/// The project's active mapping.
///
/// # Errors
/// When it is missing or of a version that this build does not know.
pub(crate) async fn active_mapping(
    records: &Records<'_>,
    project: &Project,
) -> Result<Artifact, PortError> {
    let corrupt = || PortError::new(PortErrorKind::Corrupt, "reading the active mapping");
    let active = project.active_mapping()?;
    let stored = records.get::<Mapping>(active).await?.ok_or_else(corrupt)?;
    Artifact::from_json(stored.value.artifact.as_bytes()).map_err(|_| corrupt())
}

/// Opens both sides of a project and checks that the reading role only reads.
///
/// # Errors
/// See [`LookError`].
pub(crate) async fn open_sources(
    vault: &Vault,
    billing: &dyn BillingAccounts,
    databases: &dyn AppDatabase,
    records: &Records<'_>,
    ctx: &TenantCtx,
    project: &Project,
    recorder: Option<&Recorder>,
) -> Result<Sources, LookError> {
    let artifact = active_mapping(records, project)
        .await
        .map_err(LookError::Product)?;
    let key = vault
        .secret(records, ctx, project.stripe()?, Purpose::Read)
        .await?;
    let url = vault
        .secret(records, ctx, project.database()?, Purpose::Read)
        .await?;
    let mut billing = billing
        .account(&key, project.livemode)
        .await
        .map_err(LookError::Stripe)?;
    let mut app = databases.inspect(&url).await.map_err(LookError::App)?;
    if let Some(recorder) = recorder {
        billing = recorder.billing(billing);
        app = recorder.app(app);
    }
    Sources::new(billing, app, artifact, project.livemode).await
}
