//! Both sides of a check, opened and probed.

use anyhow::{Context as _, Result, bail};
use counterfoil_core::billing::Catalog;
use counterfoil_core::mapping::{Artifact, Intent, MappingError};
use counterfoil_core::ports::{AppInspector, Billing, KeyProbe as _};
use counterfoil_core::redacted::Redacted;
use counterfoil_stripe::{RestrictedKey, STRIPE_URL, StripeAccounts, StripeClient};

use super::args::Args;
use super::directory::Directory;
use super::table_file::TableFile;
use crate::database;

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
            let app = app(args, artifact).await?;
            tell_about_key(key, url, livemode).await?;
            let catalog = client.catalog(artifact.needs_stripe_features()).await?;
            note(&artifact.check_catalog(&catalog));
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
        note(&artifact.check_catalog(&catalog));
        let app = app(args, artifact).await?;
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

/// What the key may do, in words, before anything is read with it.
async fn tell_about_key(key: &Redacted<String>, url: &str, livemode: bool) -> Result<()> {
    let accounts = StripeAccounts::new(Some(url.to_owned()), None);
    let report = accounts.probe_key(key, livemode).await?;
    for sentence in report.sentences() {
        eprintln!("note: Stripe key: {sentence}");
    }
    Ok(())
}

/// The rows of a file, where one is named, or those of the database.
async fn app(args: &Args, artifact: &Artifact) -> Result<Box<dyn AppInspector>> {
    match (&args.csv, &args.database_url) {
        (Some(path), _) => Ok(Box::new(TableFile::open(path, args.delimiter, artifact)?)),
        (None, Some(url)) => fitting_database(args, url, artifact).await,
        (None, None) => bail!("no source of the app's rows: --database-url or --csv"),
    }
}

async fn fitting_database(
    args: &Args,
    url: &Redacted<String>,
    artifact: &Artifact,
) -> Result<Box<dyn AppInspector>> {
    let app = database::open(url, args.allow_writable_role).await?;
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
    note(&doubts);
    Ok(app)
}

fn note(doubts: &[MappingError]) {
    for doubt in doubts {
        eprintln!("note: {doubt}");
    }
}
