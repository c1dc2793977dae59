//! Both sides of a check, opened and probed.

use anyhow::{Context as _, Result, ensure};
use counterfoil_core::billing::Catalog;
use counterfoil_core::mapping::{Artifact, Intent};
use counterfoil_core::ports::{AppDatabase as _, AppInspector, Billing};
use counterfoil_core::redacted::Redacted;
use counterfoil_postgres::{Network, PgDatabase};
use counterfoil_stripe::{RestrictedKey, STRIPE_URL, StripeClient};

use super::args::Args;
use super::directory::Directory;

/// Where Stripe's objects come from.
pub(super) enum Stripe {
    /// The account of a key.
    Account(Box<dyn Billing>),
    /// Files.
    Directory(Directory),
}

/// Both sides.
pub(super) struct Sources {
    pub(super) stripe: Stripe,
    pub(super) catalog: Catalog,
    /// Mode of the Stripe account; unknown for files.
    pub(super) livemode: Option<bool>,
    pub(super) app: Box<dyn AppInspector>,
}

impl Sources {
    pub(super) async fn open(args: &Args, artifact: &Artifact) -> Result<Self> {
        // What can be refused without a connection is refused first.
        if let Some(key) = &args.stripe_key {
            let url = args.stripe_url.as_deref().unwrap_or(STRIPE_URL);
            let (client, livemode) = account(key, url)?;
            let app = database(args, artifact).await?;
            let catalog = client.catalog().await?;
            let (stripe, livemode) = (Stripe::Account(Box::new(client)), Some(livemode));
            return Ok(Self {
                stripe,
                catalog,
                livemode,
                app,
            });
        }
        let directory = args
            .stripe_dir
            .as_ref()
            .context("no source of Stripe's objects")?;
        let directory = Directory::open(directory)?;
        let catalog = directory.catalog()?;
        let app = database(args, artifact).await?;
        Ok(Self {
            stripe: Stripe::Directory(directory),
            catalog,
            livemode: None,
            app,
        })
    }
}

fn account(key: &Redacted<String>, url: &str) -> Result<(StripeClient, bool)> {
    let key = RestrictedKey::parse(key).context("--stripe-key")?;
    let livemode = key.mode().is_live();
    Ok((StripeClient::new(url, &key)?, livemode))
}

async fn database(args: &Args, artifact: &Artifact) -> Result<Box<dyn AppInspector>> {
    // Whoever runs the command may connect wherever their machine can.
    let app = PgDatabase::new()
        .with_local_files()
        .within(Network::anywhere())
        .inspect(&args.database_url)
        .await?;
    if !args.allow_writable_role {
        let writable = app.writable().await?;
        ensure!(
            writable.is_empty(),
            "the database role may do more than read ({}): use a role that can only SELECT, or \
             accept this one with --allow-writable-role",
            few(&writable)
        );
    }
    let table = artifact.table();
    let columns = app.columns(&table.schema, &table.table).await?;
    let known = match columns {
        None => app.tables().await?,
        Some(_) => Vec::new(),
    };
    let doubts = artifact
        .check_against(columns.as_ref(), &known, Intent::Look)
        .with_context(|| {
            format!(
                "the mapping {} does not fit the database",
                args.config.display()
            )
        })?;
    for doubt in doubts {
        eprintln!("note: {doubt}");
    }
    Ok(app)
}

/// The first names of a list.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
