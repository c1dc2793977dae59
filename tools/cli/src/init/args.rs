//! The command line.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use counterfoil_core::redacted::Redacted;

/// Writes a first mapping from the app's tables and Stripe's prices, its guesses marked; reads only
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil init --database-url postgres://reader@db.example.com/app --stripe-key rk_live_...
  counterfoil init --database-url postgres://reader@db.example.com/app --stripe-key rk_live_... --table public.organizations --output orgs.toml

The database is read from DATABASE_URL and the key from STRIPE_KEY where the options are not given.
Read what was written before you trust it: every line marked `# guess:` is one.

EXIT STATUS:
  0  the mapping was written; it compiles and fits the database
  2  nothing was written: usage, something could not be read, the file is there, or no table fits")]
pub(crate) struct Args {
    /// The app's database; use a role that can only SELECT
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    #[arg(value_parser = secret)]
    pub(super) database_url: Redacted<String>,

    /// Accept a database role that could also write. Every read stays in a READ ONLY transaction.
    #[arg(long)]
    pub(super) allow_writable_role: bool,

    /// A restricted Stripe key (rk_...) with read permissions
    #[arg(long, value_name = "KEY", env = "STRIPE_KEY", hide_env_values = true)]
    #[arg(value_parser = secret)]
    pub(super) stripe_key: Redacted<String>,

    /// Another address of Stripe's API, for tests
    #[arg(long, value_name = "URL")]
    pub(super) stripe_url: Option<String>,

    /// The table with one row per user or organization. Default: the one that fits best
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(super) table: Option<String>,

    /// Where to write the mapping
    #[arg(long, value_name = "FILE", default_value = "counterfoil.toml")]
    pub(super) output: PathBuf,

    /// Overwrite the file
    #[arg(long)]
    pub(super) force: bool,

    /// Print what was written as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "clap's value parsers return results"
)]
fn secret(text: &str) -> Result<Redacted<String>, String> {
    Ok(Redacted::new(text.to_owned()))
}
