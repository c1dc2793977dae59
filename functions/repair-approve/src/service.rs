//! What the routes and the duties use, and how a request is done once.

use std::future::Future;

use axum::extract::FromRef;
use axum::response::Response;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::traced::Makes;
use counterfoil_core::usecases::{RepairPorts, VoteOnAction};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Authentication, Repeats, Sent, judged};

/// What the routes and the duties use.
#[derive(Debug, Clone)]
pub struct Service {
    /// Who is calling.
    pub authentication: Authentication,
    /// Which agent is calling through `mcp`.
    pub agents: Authentication,
    /// What doing requests once needs.
    pub repeats: Repeats,
    /// Ports of the use cases.
    pub ports: RepairPorts,
}

impl Service {
    pub(crate) fn votes(&self) -> VoteOnAction {
        VoteOnAction {
            ports: self.ports.clone(),
        }
    }

    /// Does a request once. Its first transaction says so: an action is never repeated, and what
    /// became of it is read from it.
    pub(crate) async fn once<M, F, R>(
        &self,
        ctx: &TenantCtx,
        (sent, may): (&Sent, M),
        makes: Makes,
        act: F,
    ) -> Result<Response, Problem>
    where
        M: Future<Output = Result<(), Problem>>,
        F: FnOnce(RepairPorts) -> R,
        R: Future<Output = Result<Response, Problem>>,
    {
        sent.once(&self.repeats, ctx, may, async |once| {
            let done = Some((once, makes));
            judged(&self.ports.evidence, done, async |evidence| {
                let ports = self.ports.clone();
                act(RepairPorts { evidence, ..ports }).await
            })
            .await
        })
        .await
    }
}

impl FromRef<Service> for Authentication {
    fn from_ref(service: &Service) -> Self {
        service.authentication.clone()
    }
}
