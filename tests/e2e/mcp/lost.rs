//! Answers that are lost between `mcp` and the function that it asks: it asks again, and what was asked for
//! is done once.

use counterfoil_aws::Clients;
use counterfoil_aws::lambda::OtherFunction;
use counterfoil_core::auth::key_handle;
use counterfoil_core::ports::{Delegate, PortError, PortErrorKind};
use counterfoil_lambda::agent::{AgentRequest, Ask, Credential};
use counterfoil_testkit::http_faults::{Fault, FaultProxy};
use serde_json::{Map, Value, json};

use super::super::stage::{Stage, stage};
use super::super::tenant::Tenant;
use super::drifted;

const INVOKE: &str = "POST /2015-03-31/functions/";

/// `repair-approve`, at the far end of a connection that loses things.
struct FarEnd<'a> {
    proxy: FaultProxy,
    function: OtherFunction,
    tenant: &'a Tenant,
}

impl<'a> FarEnd<'a> {
    async fn of(stage: &Stage, tenant: &'a Tenant) -> Self {
        let deployment = &stage.main.deployment;
        let proxy = FaultProxy::start(&deployment.endpoint).await.unwrap();
        let clients = Clients::for_endpoint(&proxy.endpoint(), &deployment.account).await;
        let name = deployment.output("RepairFunction").unwrap().to_owned();
        let function = OtherFunction::new(clients.lambda, name);
        Self {
            proxy,
            function,
            tenant,
        }
    }

    /// What it answers where these things go wrong on the way.
    async fn asked(
        &self,
        faults: &[Fault],
        (ask, key, reason): (Ask, &str, Option<&str>),
    ) -> Result<Value, PortError> {
        let before = self.proxy.count(INVOKE);
        self.proxy.plan(INVOKE, faults.iter().copied());
        let mut body = Map::new();
        body.extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
        let request = AgentRequest {
            credential: Credential::Key(key_handle(&self.tenant.repair_key).unwrap().to_owned()),
            project: self.tenant.project.id.to_string(),
            ask,
            idempotency_key: Some(key.to_owned()),
            body,
        };
        let answer = self.function.ask(&request.event().unwrap()).await;
        let sent = self.proxy.count(INVOKE) - before;
        assert_eq!(sent, faults.len() + usize::from(answer.is_ok()));
        let answer = answer?;
        let status = answer["statusCode"].as_u64().unwrap();
        assert!((200..300).contains(&status), "{answer}");
        Ok(serde_json::from_str(answer["body"].as_str().unwrap()).unwrap())
    }
}

#[test]
fn an_answer_that_is_lost_between_two_functions_is_asked_for_again() {
    let stage = stage();
    stage.run(async {
        let (tenant, incident, _, user) = drifted(stage).await;
        let far = FarEnd::of(stage, &tenant).await;
        let reason = Some("The invoice is paid and the app does not know");
        let propose = (Ask::ProposeRepair(incident.id), "propose", reason);
        let ways = [Fault::DropRequest, Fault::DropReply, Fault::ErrorAfterWrite];
        let proposed = far.asked(&ways, propose).await.unwrap();
        assert_eq!(proposed["state"], "held", "{proposed}");
        let shown = stage
            .action(&tenant.ben, proposed["id"].as_str().unwrap())
            .await;
        let voted = stage.vote(&shown, &tenant.ben, "approve").await;
        assert_eq!(voted.says(), (200, "approved".to_owned()), "{}", voted.text);

        // Where every answer is lost, nobody knows, and the same question is answered later.
        let execute = (
            Ask::ExecuteAction(shown.field("/id").parse().unwrap()),
            "execute",
            None,
        );
        let lost = far
            .asked(&[Fault::DropReply; 4], execute)
            .await
            .unwrap_err();
        assert_eq!(lost.kind, PortErrorKind::OutcomeUnknown, "{lost}");
        let ways = [Fault::TruncateReply, Fault::CutStatus];
        let done = far.asked(&ways, execute).await.unwrap();
        assert_eq!(done["state"], "verified", "{done}");
        assert_eq!(stage.updates(&tenant), 1);
        assert!(stage.granted(&tenant, &user));
        let entries = stage.main.entries(&tenant).await;
        let counts = [
            "run.decision",
            "repair.started",
            "repair.executed",
            "repair.verified",
        ]
        .map(|kind| entries.iter().filter(|entry| entry.kind == kind).count());
        assert_eq!(counts, [2, 1, 1, 1]);
    });
}
