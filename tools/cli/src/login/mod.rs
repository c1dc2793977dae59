//! `counterfoil login`, `logout`, `whoami`: signing in at the deployment's issuer, from a terminal.
//!
//! Authorization code with PKCE and a listener on this machine (RFC 8252, RFC 7636). Tokens lie in
//! one file that only this user can read, and are never printed. Signing out forgets them here; it
//! does not end the session at the issuer.

mod callback;
mod flow;
mod issuer;
mod store;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use counterfoil_core::ports::Clock;
use counterfoil_lambda::system::SystemClock;
use serde_json::json;

use crate::access::base_address;
use crate::ask::at_a_terminal;
use crate::client::{Failure, block_on, exit};
use crate::output::say;

pub(crate) use store::{bearer, current, folder, look, replace, standing, turn};

/// Signs you in at a deployment, so that commands speak as you
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil login --api https://api.example.com
  counterfoil login --api https://api.example.com --no-browser
  counterfoil login                       (again, where you signed in last)

The deployment says where people sign in. The page sends your browser back to http://localhost:47811/callback (or 47812,
47813): the issuer's client must allow these addresses. Tokens are kept in counterfoil/credentials.json of
$XDG_CONFIG_HOME or ~/.config, for you alone.

EXIT STATUS:
  0  signed in
  1  refused by the issuer, or not confirmed within five minutes
  2  not known: usage, or the deployment or its issuer could not be reached")]
pub(crate) struct Login {
    /// Address of the API; the one signed in to last where it is not given
    #[arg(long, value_name = "URL", env = "COUNTERFOIL_API")]
    api: Option<String>,
    /// Issuer to sign in at, instead of the one that the deployment names
    #[arg(long, value_name = "URL", requires = "client_id")]
    issuer: Option<String>,
    /// Client at that issuer
    #[arg(long, value_name = "ID", requires = "issuer")]
    client_id: Option<String>,
    /// Scope of the API at that issuer
    #[arg(long, value_name = "SCOPE", default_value = counterfoil_lambda::oidc::DEFAULT_SCOPE, requires = "issuer")]
    scope: String,
    /// Open the page in a browser even where no terminal is
    #[arg(long, conflicts_with = "no_browser")]
    open: bool,
    /// Only print the page's address
    #[arg(long)]
    no_browser: bool,
}

/// Forgets a sign-in on this machine
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil logout
  counterfoil logout --api https://api.example.com

EXIT STATUS:
  0  signed out on this machine; the session at the issuer goes on
  1  nobody was signed in
  2  not known: usage, or the file of sign-ins cannot be read")]
pub(crate) struct Logout {
    /// Address of the API; the one signed in to last where it is not given
    #[arg(long, value_name = "URL", env = "COUNTERFOIL_API")]
    api: Option<String>,
}

/// Says who is signed in on this machine; nobody is asked
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil whoami
  counterfoil whoami --json

EXIT STATUS:
  0  told
  1  nobody is signed in
  2  not known: usage, or the file of sign-ins cannot be read")]
pub(crate) struct Whoami {
    /// Address of the API; the one signed in to last where it is not given
    #[arg(long, value_name = "URL", env = "COUNTERFOIL_API")]
    api: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `login`.
pub(crate) fn login(args: &Login) -> ExitCode {
    exit(block_on(sign_in(args)))
}

async fn sign_in(args: &Login) -> Result<(), Failure> {
    let api = address(args.api.as_deref())?.or_else(current);
    let api = api.ok_or_else(|| {
        let what = "nobody has signed in on this machine yet: counterfoil login --api URL (or COUNTERFOIL_API)";
        Failure::Unknown(anyhow!(what))
    })?;
    let place = match (&args.issuer, &args.client_id) {
        (Some(issuer), Some(client)) => issuer::Place {
            issuer: issuer.clone(),
            client_id: client.clone(),
            scope: args.scope.clone(),
        },
        _ => issuer::place(&api).await?,
    };
    let opens = args.open || (!args.no_browser && at_a_terminal());
    let login = flow::sign_in(&api, &place, opens, SystemClock.now()).await?;
    let told = format!(
        "signed in to {api} as {} at {}",
        login.subject, login.issuer
    );
    store::keep(login)?;
    say(told);
    Ok(())
}

/// Runs `logout`.
pub(crate) fn logout(args: &Logout) -> ExitCode {
    let forgotten = address(args.api.as_deref()).and_then(|api| store::forget(api.as_deref()));
    exit(forgotten.map(|api| say(format_args!("signed out of {api}"))))
}

/// Runs `whoami`.
pub(crate) fn whoami(args: &Whoami) -> ExitCode {
    let found = address(args.api.as_deref()).and_then(|api| store::find(api.as_deref()));
    exit(found.map(|login| {
        if args.json {
            say(json!({
                "api": login.api,
                "issuer": login.issuer,
                "subject": login.subject,
                "signed_in_at": login.signed_in_at.to_string(),
            }));
        } else {
            say(format_args!("{} at {}", login.subject, login.issuer));
            say(format_args!(
                "signed in to {} at {}",
                login.api, login.signed_in_at
            ));
        }
    }))
}

fn address(api: Option<&str>) -> Result<Option<String>, Failure> {
    api.map(base_address).transpose()
}
