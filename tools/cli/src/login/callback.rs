//! The listener to which the issuer sends the browser back (RFC 8252, section 7.3).
//!
//! On 127.0.0.1 only, at one of three fixed ports: Amazon Cognito wants the whole address
//! registered, and plain http only with the name `localhost`.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::anyhow;
use counterfoil_core::redacted::Redacted;
use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::client::Failure;

/// The ports, as template.yaml registers them.
const PORTS: [u16; 3] = [47_811, 47_812, 47_813];
/// How long somebody has to sign in.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long a browser has to send its request.
const REQUEST: Duration = Duration::from_secs(5);
/// The longest request that is read, in bytes.
const LONGEST: u64 = 16 * 1024;

pub(super) struct Callback {
    listener: TcpListener,
    address: String,
}

/// What a request at the listener was.
enum Came {
    Code(Redacted<String>),
    Refusal(String),
    /// Not the way back of this sign-in.
    Other,
}

impl Callback {
    pub(super) async fn listen() -> Result<Self, Failure> {
        for port in PORTS {
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                let address = format!("http://localhost:{port}/callback");
                return Ok(Self { listener, address });
            }
        }
        let what = "the ports 47811, 47812 and 47813 of this machine are taken; end another `counterfoil login`";
        Err(Failure::Unknown(anyhow!(what)))
    }

    /// Where the issuer sends the browser.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Waits for the code that belongs to `state`. Requests without it change nothing: any page in
    /// the browser can send them.
    pub(super) async fn code(&self, state: &str) -> Result<Redacted<String>, Failure> {
        let waiting = async {
            loop {
                let Ok((stream, _)) = self.listener.accept().await else {
                    continue;
                };
                let came = timeout(REQUEST, answer(stream, state)).await;
                match came.unwrap_or(Came::Other) {
                    Came::Code(code) => return Ok(code),
                    Came::Refusal(why) => return Err(Failure::refused(why)),
                    Came::Other => {}
                }
            }
        };
        let late =
            || Failure::refused("nobody signed in within five minutes; try again".to_owned());
        timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

async fn answer(mut stream: TcpStream, state: &str) -> Came {
    let line = first_line(&mut stream).await;
    let came = line.map_or(Came::Other, |line| read(&line, state));
    let (status, text) = match &came {
        Came::Code(_) => ("200 OK", "You are signed in. Go back to the terminal."),
        Came::Refusal(_) => ("200 OK", "You are not signed in. Go back to the terminal."),
        Came::Other => ("404 Not Found", "There is nothing here."),
    };
    let head = "content-type: text/plain\r\ncache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close";
    let answer = format!(
        "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    // The code was taken, whether or not the browser sees this page.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    came
}

/// Reads a whole request head, so that closing does not reset the connection, and gives its first line.
async fn first_line(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut bytes = stream.take(LONGEST);
    let mut chunk = [0_u8; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = bytes.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(chunk.get(..read)?);
    }
    let head = String::from_utf8(head).ok()?;
    head.lines().next().map(str::to_owned)
}

fn read(line: &str, state: &str) -> Came {
    let target = line
        .strip_prefix("GET ")
        .and_then(|rest| rest.split_once(' '));
    let url = target.and_then(|(target, _)| Url::parse(&format!("http://localhost{target}")).ok());
    let Some(url) = url.filter(|url| url.path() == "/callback") else {
        return Came::Other;
    };
    let named = |name: &str| {
        let mut pairs = url.query_pairs().filter(|(given, _)| given == name);
        let value = pairs.next().map(|(_, value)| value.into_owned());
        value.filter(|_| pairs.next().is_none())
    };
    if named("state").as_deref() != Some(state) {
        return Came::Other;
    }
    match (named("code"), named("error")) {
        (Some(code), None) => Came::Code(Redacted::new(code)),
        (_, Some(error)) => {
            let letters = error.chars().filter(char::is_ascii_graphic).take(64);
            Came::Refusal(format!("the issuer says {}", letters.collect::<String>()))
        }
        (None, None) => Came::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> Option<String> {
        match read(line, "s1") {
            Came::Code(code) => Some(code.reveal().clone()),
            Came::Refusal(_) | Came::Other => None,
        }
    }

    #[test]
    fn only_the_way_back_of_this_sign_in_is_taken() {
        let line = |target: &str| format!("GET {target} HTTP/1.1");
        assert_eq!(
            code(&line("/callback?code=c%201&state=s1")).as_deref(),
            Some("c 1")
        );
        for target in [
            "/callback?code=c&state=s2",
            "/callback?code=c",
            "/callback?code=c&state=s1&state=s1",
            "/callback?code=c&code=d&state=s1",
            "/callback?state=s1",
            "/other?code=c&state=s1",
            "/callback/?code=c&state=s1",
        ] {
            assert_eq!(code(&line(target)), None, "{target}");
        }
        assert_eq!(code("POST /callback?code=c&state=s1 HTTP/1.1"), None);
        assert_eq!(code(""), None);
    }

    #[test]
    fn a_refusal_counts_only_with_the_state_and_is_told_in_few_letters() {
        let told = |target: &str| match read(&format!("GET {target} HTTP/1.1"), "s1") {
            Came::Refusal(why) => Some(why),
            Came::Code(_) | Came::Other => None,
        };
        let why = told("/callback?error=access_denied%1b[31m&state=s1");
        assert_eq!(why.as_deref(), Some("the issuer says access_denied[31m"));
        assert_eq!(told("/callback?error=access_denied"), None);
    }
}
