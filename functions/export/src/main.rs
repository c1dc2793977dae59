//! Wires `export`.

use std::sync::Arc;

use counterfoil_core::ports::SealSigner;
use counterfoil_core::usecases::Exports;
use counterfoil_export::{Pdf, Service};
use counterfoil_lambda::config::{Var, required};
use counterfoil_lambda::{Boot, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("export").await?;
    let retiring: Option<Arc<dyn SealSigner>> = match boot.retiring_signer() {
        Some(signer) => Some(signer),
        None => None,
    };
    let exports = Exports {
        evidence: boot.recording()?,
        reader: boot.reader()?,
        seals: boot.seals()?,
        signer: boot.signer()?,
        retiring,
        sealer: boot.seal_requests()?,
        state: boot.state()?,
        vault: boot.vault()?,
        objects: boot.objects()?,
        scratch: boot.scratch(),
        reports: Arc::new(Pdf),
        queue: boot.export_requests()?,
        clock: boot.clock(),
        random: boot.random(),
        origin_prefix: required(Var::SealOriginPrefix)?,
    };
    let service = Service {
        authentication: boot.authentication()?,
        agents: boot.agents()?,
        repeats: boot.repeats()?,
        exports,
    };
    let front = counterfoil_export::router(service.clone());
    boot.run(move |event| counterfoil_export::handle(service.clone(), front.clone(), event))
        .await
}
