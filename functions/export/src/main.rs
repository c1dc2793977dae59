//! Evidence packages: `/v1/exports*`.

mod handler;

use counterfoil_core::usecases::ExportRun;
use counterfoil_lambda::config::{Var, required};
use counterfoil_lambda::{Boot, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("export").await?;
    let export = ExportRun {
        evidence: boot.evidence()?,
        reader: boot.evidence()?,
        seals: boot.seals()?,
        signer: boot.signer()?,
        sealer: boot.seal_requests()?,
        state: boot.state()?,
        objects: boot.objects()?,
        clock: boot.clock(),
        random: boot.random(),
        origin_prefix: required(Var::SealOriginPrefix)?,
    };
    boot.run(move |event| handler::handle(export.clone(), event))
        .await
}
