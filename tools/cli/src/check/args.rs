//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::time::Timestamp;

/// Compares what Stripe promises with what the app's database grants; reads only
#[derive(Debug, ClapArgs)]
#[command(
    group(ArgGroup::new("stripe").required(true).args(["stripe_key", "stripe_dir"])),
    group(ArgGroup::new("rows").required(true).multiple(true).args(["database_url", "csv"])),
    after_help = "EXAMPLES:
  counterfoil check --database-url postgres://reader@db.example.com/app --stripe-key rk_live_...
  counterfoil check --config shop.toml --database-url postgres://reader@db.example.com/app --stripe-dir exported --json
  counterfoil check --database-url postgres://reader@db.example.com/app --stripe-key rk_live_... --findings drift.ndjson
  counterfoil check --csv users.csv --stripe-key rk_live_...
  counterfoil check --database-url postgres://reader@db.example.com/app --stripe-key rk_live_... --customer cus_...

The first check of a new account is easiest with `counterfoil init`, which writes the mapping, or with
--csv: an export of the table, with the names of its columns in the first line. Nothing that a file leads
to can be repaired.

--customer shows both sides of one customer, equal or not. Another customer may belong to the same row
and not be found, so what a row gives too much is said only by a check of everything.

The database is read from DATABASE_URL and the key from STRIPE_KEY where the options are not given.

EXIT STATUS:
  0  no drift
  1  drift was found
  2  could not tell: usage, something could not be read, or the answer could not be written"
)]
pub(crate) struct Args {
    /// The mapping: who is whom, which columns grant access, what each price promises
    #[arg(long, value_name = "FILE", default_value = "counterfoil.toml")]
    pub(super) config: PathBuf,

    /// The app's database; use a role that can only SELECT
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    #[arg(value_parser = secret)]
    pub(super) database_url: Option<Redacted<String>>,

    /// Read the app's rows from a CSV export (UTF-8, names of the columns in the first line) instead of
    /// the database. Flags are true or false, times RFC 3339 or as Postgres prints them, lists `{a,b}`,
    /// `["a","b"]` or `a;b`.
    #[arg(long, value_name = "FILE", conflicts_with = "allow_writable_role")]
    pub(super) csv: Option<PathBuf>,

    /// What separates the values of the CSV file: one character, or `tab`. Default: what the first line
    /// has most of, among `,` `;` tab and `|`
    #[arg(long, value_name = "CHARACTER", requires = "csv", value_parser = delimiter)]
    pub(super) delimiter: Option<u8>,

    /// Accept a database role that could also write. Every read stays in a READ ONLY transaction.
    #[arg(long)]
    pub(super) allow_writable_role: bool,

    /// A restricted Stripe key (rk_...) with read permissions
    #[arg(long, value_name = "KEY", env = "STRIPE_KEY", hide_env_values = true)]
    #[arg(value_parser = secret)]
    pub(super) stripe_key: Option<Redacted<String>>,

    /// Another address of Stripe's API, for tests
    #[arg(long, value_name = "URL", conflicts_with = "stripe_dir")]
    pub(super) stripe_url: Option<String>,

    /// Read Stripe's objects from files instead: `customers.ndjson`, `subscriptions.ndjson`,
    /// `prices.json`, `products.json`, `product_features.json`.
    #[arg(long, value_name = "DIR")]
    pub(super) stripe_dir: Option<PathBuf>,

    /// Look at one customer only, and show its promise and its grant
    #[arg(long, value_name = "CUS", value_parser = customer)]
    #[arg(conflicts_with_all = ["stripe_dir", "evidence"])]
    pub(super) customer: Option<String>,

    /// The one time at which promises are evaluated: RFC 3339, or seconds since 1970. Default: now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) as_of: Option<Timestamp>,

    /// Write one JSON line per finding. The lines hold row keys and Stripe ids.
    #[arg(long, value_name = "FILE")]
    pub(super) findings: Option<PathBuf>,

    /// Record the check in an evidence stream in this folder; continued if it is there
    #[arg(long, value_name = "DIR")]
    pub(super) evidence: Option<PathBuf>,

    /// Print the result as one JSON object
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

fn customer(text: &str) -> Result<String, String> {
    if counterfoil_core::billing::is_customer_id(text) {
        return Ok(text.to_owned());
    }
    Err("a Stripe customer id, such as cus_NffrFeUfNV2Hib".to_owned())
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => Err("one ASCII character other than a quotation mark, or `tab`".to_owned()),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(Timestamp::from_secs(seconds));
    }
    text.parse()
        .map_err(|error: counterfoil_core::time::TimeError| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        let url = ["check", "--database-url", "postgres://u:hunter2@h/d"];
        let words = url.into_iter().chain(words.iter().copied());
        Command::try_parse_from(words).map(|command| command.args)
    }

    #[test]
    fn one_source_of_stripe_objects_is_needed_and_not_two() {
        assert!(parse(&["--stripe-dir", "d"]).is_ok());
        assert!(parse(&["--stripe-key", "rk_live_1"]).is_ok());
        assert!(parse(&["--stripe-dir", "d", "--stripe-key", "rk_live_1"]).is_err());
        assert!(parse(&["--stripe-dir", "d", "--stripe-url", "http://127.0.0.1:1"]).is_err());
    }

    #[test]
    fn rows_come_from_a_database_or_a_file() {
        let parse = |words: &[&str]| {
            let words = ["check", "--stripe-dir", "d"].iter().chain(words);
            Command::try_parse_from(words).map(|command| command.args)
        };
        assert!(parse(&["--csv", "f"]).unwrap().csv.is_some());
        assert!(parse(&["--csv", "f", "--allow-writable-role"]).is_err());
        let delimiter =
            |text: &str| parse(&["--csv", "f", "--delimiter", text]).map(|it| it.delimiter);
        assert_eq!(delimiter("tab").unwrap(), Some(b'\t'));
        assert_eq!(delimiter(";").unwrap(), Some(b';'));
        assert!(delimiter("\"").is_err() && delimiter(",,").is_err());
    }

    #[test]
    fn one_customer_is_asked_of_an_account_and_by_its_id() {
        let key = ["--stripe-key", "rk_live_1", "--customer"];
        let with = |more: &[&str]| {
            parse(
                &key.into_iter()
                    .chain(more.iter().copied())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            with(&["cus_1a"]).unwrap().customer.as_deref(),
            Some("cus_1a")
        );
        for wrong in ["", "cus_", "sub_1", "cus_1/..", "cus_1 "] {
            assert!(with(&[wrong]).is_err(), "{wrong:?}");
        }
        assert!(with(&["cus_1a", "--evidence", "d"]).is_err());
        assert!(parse(&["--stripe-dir", "d", "--customer", "cus_1a"]).is_err());
    }

    #[test]
    fn a_time_is_rfc_3339_or_seconds() {
        let as_of = |text: &str| parse(&["--stripe-dir", "d", "--as-of", text]).map(|it| it.as_of);
        let expected = Timestamp::from_secs(1_795_392_000);
        assert_eq!(as_of("2026-11-23T00:00:00Z").unwrap(), Some(expected));
        assert_eq!(as_of("1795392000").unwrap(), Some(expected));
        assert!(as_of("yesterday").is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let args = parse(&["--stripe-key", "rk_live_abc"]).unwrap();
        let shown = format!("{args:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("abc"),
            "{shown}"
        );
    }
}
