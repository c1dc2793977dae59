//! Where a command asks, as whom, and about which workspace and project. What was not given is what
//! was used last, and the command says so.

use std::convert::Infallible;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use counterfoil_core::redacted::Redacted;
use reqwest::Url;

use crate::client::Failure;
use crate::login;

/// Where the deployment is, and who asks.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Access {
    /// Address of the API; without it, the deployment signed in to last
    #[arg(long, value_name = "URL", env = "COUNTERFOIL_API")]
    pub(crate) api: Option<String>,
    /// API key; without one, whoever signed in with `counterfoil login` asks
    #[arg(
        long,
        value_name = "cfk_…",
        env = "COUNTERFOIL_API_KEY",
        hide_env_values = true,
        value_parser = secret
    )]
    pub(crate) key: Option<Redacted<String>>,
    /// Project; without it, the one of the key, the one used last, or the only one
    #[arg(long, value_name = "PROJECT", env = "COUNTERFOIL_PROJECT")]
    pub(crate) project: Option<String>,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "what clap asks of a parser of values"
)]
fn secret(given: &str) -> Result<Redacted<String>, Infallible> {
    Ok(Redacted::new(given.to_owned()))
}

impl Access {
    /// The address of the API.
    ///
    /// # Errors
    /// When there is none, or what was given is none.
    pub(crate) fn address(&self) -> Result<String, Failure> {
        if let Some(given) = &self.api {
            return base_address(given);
        }
        let Some(last) = login::current() else {
            let what = "no deployment is named: give --api URL (or COUNTERFOIL_API), or sign in with \
                        `counterfoil login --api URL`";
            return Err(Failure::Unknown(anyhow!(what)));
        };
        eprintln!("deployment: {last} (signed in to last; --api names another)");
        base_address(&last)
    }
}

/// Access, and how the answer is printed.
#[derive(Debug, ClapArgs)]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Workspace; without it, the one used last or the only one
    #[arg(long, value_name = "WORKSPACE", env = "COUNTERFOIL_WORKSPACE")]
    pub(crate) workspace: Option<String>,
    /// Print the API's answer, as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// The address of an API, without a slash at its end.
///
/// # Errors
/// When it is none.
pub(crate) fn base_address(given: &str) -> Result<String, Failure> {
    let address = Url::parse(given).ok();
    let address = address.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if address.is_none() {
        // It may hold a password.
        let what = "--api is no address; give https://HOST, the output ApiUrl of the deployment";
        return Err(Failure::Unknown(anyhow!(what)));
    }
    Ok(given.trim_end_matches('/').to_owned())
}

/// An id or a word of a path, as it was given.
///
/// # Errors
/// When it would be another path.
pub(crate) fn segment(given: &str) -> Result<&str, Failure> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | ':');
    if given.is_empty() || !given.chars().all(fits) {
        let what = format!(
            "`{}` is no id: ids are letters, digits, _, - and :",
            crate::plain::shown(given)
        );
        return Err(Failure::Unknown(anyhow!(what)));
    }
    Ok(given)
}

/// What follows the examples of a command that asks the API.
macro_rules! help {
    ($($example:literal),+ $(,)?) => {
        crate::access::help!(note "", $($example),+)
    };
    (note $note:literal, $($example:literal),+ $(,)?) => {
        concat!(
            "EXAMPLES:", $("\n  counterfoil ", $example,)+ "\n", $note,
            "\nWhoever signed in asks, unless COUNTERFOIL_API_KEY (or --key) is set.\n",
            "\nEXIT STATUS:",
            "\n  0  done",
            "\n  1  refused: the last line says why, and what to do",
            "\n  2  not known: usage, or the deployment could not be reached"
        )
    };
}
pub(crate) use help;
