//! Seals every stream that grew and copies headers and seals to locked storage.

mod handler;

use counterfoil_core::usecases::SealStream;
use counterfoil_lambda::config::{Var, required};
use counterfoil_lambda::{Boot, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("archive").await?;
    let seal = SealStream {
        evidence: boot.evidence()?,
        seals: boot.seals()?,
        signer: boot.signer()?,
        archive: boot.archive()?,
        clock: boot.clock(),
        origin_prefix: required(Var::SealOriginPrefix)?,
    };
    let state = boot.state()?;
    boot.run(move |event| handler::handle(seal.clone(), state.clone(), event))
        .await
}
