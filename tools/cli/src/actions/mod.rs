//! Actions at the command line: what waits, what exactly it would change, and the votes on it. The
//! digest that is sent is the one of what was displayed just before.

mod change;
mod given;
mod glass;
mod ignore;
mod in_run;
mod inbox;
mod repair;
mod show;
mod undo;
mod vote;

pub(crate) use given::approvers;
pub(crate) use glass::{Override, override_};
pub(crate) use ignore::is_ignore;
pub(crate) use in_run::does;
pub(crate) use inbox::{Inbox, approvals};
pub(crate) use repair::{Repair, repair};
pub(crate) use show::{decision, next, override_of};
pub(crate) use undo::{Undo, undo};
pub(crate) use vote::{Approve, Reject, approve, reject};

use reqwest::Method;
use serde_json::{Value, json};

use crate::access::segment;
use crate::answer::text;
use crate::client::{Client, Failure};
use crate::output::say;
use crate::plain::shown;
use show::{again, story};

/// An action with what is known of it besides.
struct Seen {
    action: Value,
    /// The version that was displayed.
    etag: String,
    /// The incident that it repairs, where it can be read: it has the money.
    incident: Option<Value>,
}

impl Seen {
    async fn read(api: &Client, id: &str) -> Result<Self, Failure> {
        let found = api
            .read(&format!("/v1/actions/{}", segment(id)?), &[])
            .await?;
        Self::of(api, found.body, found.etag).await
    }

    async fn of(api: &Client, action: Value, etag: String) -> Result<Self, Failure> {
        let incident = match segment(text(&action, "/incident")) {
            Ok(id) => match api.get(&format!("/v1/incidents/{id}")).await {
                Ok(incident) => Some(incident),
                Err(Failure::Refused(_)) => None,
                Err(error) => return Err(error),
            },
            Err(_) => None,
        };
        Ok(Self {
            action,
            etag,
            incident,
        })
    }

    fn id(&self) -> &str {
        text(&self.action, "/id")
    }

    fn state(&self) -> &str {
        text(&self.action, "/state")
    }

    fn may_happen(&self) -> bool {
        matches!(self.state(), "allowed" | "approved")
    }

    /// Why nothing is proposed beside it.
    fn is_already(&self) -> Failure {
        let (id, incident) = (self.id(), text(&self.action, "/incident"));
        Failure::refused(format!(
            "{id} of {} is {} already; look at it: counterfoil approvals {id}",
            shown(incident),
            shown(self.state())
        ))
    }

    fn digest(&self) -> &str {
        text(&self.action, "/action_digest")
    }

    fn story(&self) -> Vec<String> {
        story(&self.action, self.incident.as_ref())
    }

    /// Shows it: beside a document it is told on standard error.
    fn tell(&self, json: bool) {
        for line in self.story() {
            if json {
                eprintln!("{line}");
            } else {
                say(line);
            }
        }
    }

    /// Refuses another action than the one that somebody looked at earlier.
    fn expect(&self, digest: Option<&str>) -> Result<(), Failure> {
        match digest {
            Some(digest) if digest != self.digest() => Err(Failure::refused(format!(
                "{} has another digest than --digest: what it would change is above; look at it, and give \
                 its digest",
                self.id()
            ))),
            _ => Ok(()),
        }
    }
}

/// What is being done about an incident, so that nothing else can be proposed.
async fn under_way(api: &Client, incident: &Value) -> Result<Option<Seen>, Failure> {
    let action = text(incident, "/action");
    if text(incident, "/state") != "repairing" || action.is_empty() {
        return Ok(None);
    }
    Seen::read(api, action).await.map(Some)
}

/// Executes an action that may happen, as it was displayed.
async fn execute(api: &Client, seen: &Seen) -> Result<Value, Failure> {
    let path = format!("/v1/actions/{}/execute", segment(seen.id())?);
    let body = json!({ "action_digest": seen.digest() });
    let done = api.change(Method::POST, &path, Some(&body), None).await;
    Ok(done.map_err(|error| advised(error, &seen.action))?.body)
}

/// The next command where the API says that what was displayed counts no more.
fn advised(error: Failure, action: &Value) -> Failure {
    let Failure::Refused(mut refused) = error else {
        return error;
    };
    let at = |pointer| shown(text(action, pointer));
    let (id, incident) = (at("/id"), at("/incident"));
    let more = match refused.code.as_str() {
        "precondition-failed" => format!("; what it is now: counterfoil approvals {id}"),
        "hold-expired" => format!("; propose it again: {}", again(action)),
        "action-held" => format!("; it waits for people: counterfoil approvals {id}"),
        "wrong-state" => format!("; what became of it: counterfoil approvals {id}"),
        "scan-needed" => format!("; after the scan: counterfoil repair {incident} --execute"),
        _ => return Failure::Refused(refused),
    };
    refused.said.push_str(&more);
    Failure::Refused(refused)
}

/// What an action came to, as the end of a command: an effect that did not happen is a refusal.
pub(crate) fn end(action: &Value, json: bool) -> Result<(), Failure> {
    let sentence = next(action);
    match text(action, "/state") {
        "denied" | "failed" | "stale" | "expired" => Err(Failure::refused(sentence)),
        _ if json => Ok(()),
        _ => {
            say(sentence);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::show::tests::held;
    use super::*;
    use crate::client::Refused;

    #[test]
    fn what_counts_no_more_gets_the_next_command() {
        for (code, said) in [
            ("precondition-failed", "counterfoil approvals act_1"),
            ("hold-expired", "counterfoil repair inc_1 --reason"),
            ("action-held", "counterfoil approvals act_1"),
            ("scan-needed", "counterfoil repair inc_1 --execute"),
            ("wrong-state", "counterfoil approvals act_1"),
        ] {
            let refused = Failure::Refused(Refused {
                said: "409: no".to_owned(),
                code: code.to_owned(),
                made: String::new(),
            });
            let error = advised(refused, &held()).to_string();
            assert!(error.contains(said), "{error}");
        }
        let other = advised(Failure::refused("no"), &held()).to_string();
        assert_eq!(other, "refused: no");
    }
}
