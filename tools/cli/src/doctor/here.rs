//! This machine, and the way to the deployment.

use std::error::Error;
use std::time::Duration;

use counterfoil_core::time::Timestamp;

use super::check::{Check, State};
use crate::client::Client;
use crate::login;

/// Clocks further apart than this make tokens invalid (docs/login.md).
const TOO_FAR: Duration = Duration::from_mins(1);
/// Clocks further apart than this are not kept right.
const FAR: Duration = Duration::from_secs(10);

/// The file of sign-ins: readable, and for its user alone.
pub(super) fn sign_ins() -> Check {
    let name = "sign-ins";
    match login::look() {
        Err(failure) => Check::new(name, State::Fail, failure.to_string())
            .next("delete the file, then counterfoil login --api URL"),
        Ok((path, None)) => Check::ok(
            name,
            format!("nobody is signed in here: there is no {}", path.display()),
        ),
        Ok((path, Some((file, folder)))) if (file | folder) & 0o077 != 0 => {
            let said = format!(
                "{} has mode {file:03o} and its folder {folder:03o}: others on this machine can get at your sign-ins",
                path.display()
            );
            let folder = path.parent().unwrap_or(&path);
            let fix = format!(
                "chmod 700 {} && chmod 600 {}",
                folder.display(),
                path.display()
            );
            Check::new(name, State::Fail, said).next(fix)
        }
        Ok((path, Some(_))) => Check::ok(name, format!("{}, for you alone", path.display())),
    }
}

/// Credentials go over TLS, or stay on this machine.
pub(super) fn address(base: &str) -> Check {
    let name = "address";
    let url = reqwest::Url::parse(base).ok();
    let host = url
        .as_ref()
        .and_then(|url| url.host_str().map(str::to_owned));
    let local =
        host.is_some_and(|host| matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]"));
    if base.starts_with("https://") {
        Check::ok(name, base)
    } else if local {
        Check::ok(name, format!("{base}, on this machine"))
    } else {
        let said =
            format!("{base} is not https: everybody on the way can read your key or sign-in");
        Check::new(name, State::Fail, said).next("give --api https://HOST, the output ApiUrl")
    }
}

/// Whether the deployment answers, over which TLS, and what its clock says.
pub(super) async fn knock(client: &Client, now: Timestamp) -> Vec<Check> {
    let name = "reachable";
    let answer = match client.knock().await {
        Ok(answer) => answer,
        Err(error) => return vec![unreachable(&error)],
    };
    let mut checks = vec![if answer.status.is_server_error() {
        let said = format!("the deployment answers {}", answer.status);
        Check::new(name, State::Unknown, said).next("look at the logs of the deployment")
    } else {
        Check::ok(name, "the deployment answers, and its certificate is good")
    }];
    checks.extend(answer.date.map(|date| clock(now, date)));
    checks
}

fn clock(here: Timestamp, there: Timestamp) -> Check {
    let name = "clock";
    let apart = here.since(there).max(there.since(here));
    let said = format!(
        "this clock and the deployment's are {} s apart",
        apart.as_secs()
    );
    // The header has whole seconds.
    if apart > TOO_FAR {
        Check::new(name, State::Fail, said).next("set this machine's clock, by NTP")
    } else if apart > FAR {
        Check::new(name, State::Warn, said).next("set this machine's clock, by NTP")
    } else {
        Check::ok(name, said)
    }
}

fn unreachable(error: &reqwest::Error) -> Check {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain = error.to_string();
        cause = error.source();
    }
    let certificate = chain.contains("certificate");
    let said = format!("the deployment could not be reached: {chain}");
    let check = Check::new("reachable", State::Unknown, said);
    if certificate {
        check.next("do not go on: the certificate is not that of the deployment; check --api")
    } else {
        check.next("check the network, and --api against the output ApiUrl of the deployment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_told_before_tokens_fail() {
        let at = |seconds: i64| Timestamp::from_secs(1_795_392_000 + seconds);
        assert_eq!(clock(at(0), at(2)).state, State::Ok);
        assert_eq!(clock(at(30), at(0)).state, State::Warn);
        assert_eq!(clock(at(0), at(61)).state, State::Fail);
    }

    #[test]
    fn credentials_do_not_go_over_a_network_in_clear() {
        assert_eq!(address("https://api.example.com").state, State::Ok);
        assert_eq!(address("http://127.0.0.1:3000").state, State::Ok);
        assert_eq!(address("http://api.example.com").state, State::Fail);
        assert_eq!(address("http://127.0.0.1.example.com").state, State::Fail);
    }
}
