//! What the routes and the duties use, and how a request is done once.

use std::future::Future;

use axum::extract::FromRef;
use axum::response::Response;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::traced::Makes;
use counterfoil_core::usecases::{RepairPorts, VoteOnAction};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Authentication, Repeats, Sent, admitted, allowed, judged};

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

    /// Does once what a request asks for. Whoever may not do it hears nothing of what is wrong with what
    /// they sent, and is asked about again before a kept answer is told. Its first transaction says that
    /// it was done: an action is never repeated, and what became of it is read from it.
    pub(crate) async fn once<T, M, A, E, F, R>(
        &self,
        ctx: &TenantCtx,
        (sent, read): (&Sent, Result<T, Problem>),
        (may, problem): (impl Fn() -> M, impl Fn(&E) -> Problem),
        makes: impl FnOnce(&T) -> Makes,
        act: F,
    ) -> Result<Response, Problem>
    where
        M: Future<Output = Result<A, E>>,
        F: FnOnce(RepairPorts, T) -> R,
        R: Future<Output = Result<Response, Problem>>,
    {
        let asked = admitted(read, may(), &problem).await?;
        let may = allowed(may(), &problem);
        sent.once(&self.repeats, ctx, may, async |once| {
            let done = Some((once, makes(&asked)));
            judged(&self.ports.evidence, done, async |evidence| {
                let ports = self.ports.clone();
                act(RepairPorts { evidence, ..ports }, asked).await
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

/// What a request about an action makes: that action.
pub(crate) fn known<T>(action: &str) -> impl FnOnce(&T) -> Makes {
    let action = action.to_owned();
    move |_| Makes::Known(action)
}

/// What a proposal makes.
pub(crate) const fn new_action<T>(_: &T) -> Makes {
    Makes::New("action")
}
