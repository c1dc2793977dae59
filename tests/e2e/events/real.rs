//! A tenant in the places of the examples.

use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::tenancy::Role;
use serde_json::{Value, json};

use super::super::stage::{Stack, Stage, stage};
use super::super::tenant::{Setup, Tenant};
use super::{ACTION, AGENT, APPROVER, PROJECT, STREAM, output, text};

/// A tenant in a stack of its own, and what stands in the places of the examples.
pub(super) struct Real<'a> {
    pub(super) stack: &'a Stack,
    pub(super) tenant: Tenant,
    pub(super) swaps: Vec<(&'static str, String)>,
}

impl<'a> Real<'a> {
    pub(super) async fn new(stage: &Stage, stack: &'a Stack) -> Self {
        let setup = Setup {
            auto_propose: true,
            ..Setup::default()
        };
        let tenant = stage.tenant_in(stack, setup).await;
        // Nothing is wrong with this one: checks of it propose nothing.
        let mut accounts = stage.sample.accounts.iter();
        let account = accounts.find(|account| !account.drifted).unwrap();
        let project = &tenant.project;
        let swaps = vec![
            (PROJECT, project.id.to_string()),
            (
                "ws_01KARX6M000000000000000001",
                project.workspace.to_string(),
            ),
            (AGENT, tenant.repair_key.clone()),
            (APPROVER, tenant.ben.clone()),
            ("cus_Example000001", account.customer.clone()),
            (STREAM, project.stream.clone()),
        ];
        Self {
            stack,
            tenant,
            swaps,
        }
    }

    /// The event of a file, for this tenant and what `more` names.
    pub(super) fn event(&self, function: &str, name: &str, more: &[(&'static str, &str)]) -> Value {
        let mut text = text(function, name);
        for (example, real) in &self.swaps {
            text = text.replace(example, real);
        }
        for (example, real) in more {
            assert!(text.contains(example), "{name} names no {example}");
            text = text.replace(example, real);
        }
        serde_json::from_str(&text).unwrap()
    }

    pub(super) async fn http(
        &self,
        function: &str,
        name: &str,
        more: &[(&'static str, &str)],
    ) -> (u64, Value) {
        let event = self.event(function, name, more);
        self.answered(function, &event).await
    }

    pub(super) async fn answered(&self, function: &str, event: &Value) -> (u64, Value) {
        let answer = self.stack.invoke(output(function), event).await.unwrap();
        let body = answer["body"].as_str().unwrap();
        let body = serde_json::from_str(body).unwrap_or_default();
        (answer["statusCode"].as_u64().unwrap(), body)
    }

    pub(super) async fn other(
        &self,
        function: &str,
        name: &str,
        more: &[(&'static str, &str)],
    ) -> Value {
        let event = self.event(function, name, more);
        self.stack.invoke(output(function), &event).await.unwrap()
    }

    pub(super) async fn incidents(&self, state: IncidentState) -> Vec<Incident> {
        let mut incidents = self.stack.incidents(&self.tenant).await;
        incidents.retain(|incident| incident.state == state);
        incidents
    }

    /// The owner, signed in, instead of the key of the file.
    pub(super) fn as_owner(&self, event: &mut Value) {
        let owner = &self.tenant.people[&Role::Owner];
        let subject = owner.strip_prefix("person:").unwrap();
        let (subject, project) = subject.split_once('@').unwrap();
        let token = stage().issuer.mint(subject, |_| {});
        event["headers"]["authorization"] = json!(format!("Bearer {token}"));
        event["headers"]["counterfoil-project"] = json!(project);
    }

    /// The vote of a file on an action as it was displayed.
    pub(super) async fn vote(&self, name: &str, action: &Value) -> (u64, Value) {
        let id = action["id"].as_str().unwrap();
        let digest = action["action_digest"].as_str().unwrap();
        let shown = format!("sha256:{}", "f".repeat(64));
        let mut event = self.event("repair-approve", name, &[(ACTION, id)]);
        let ballot = event["body"].as_str().unwrap().replace(&shown, digest);
        event["body"] = json!(ballot);
        self.answered("repair-approve", &event).await
    }
}
