//! Seals every stream that grew and copies headers and seals to locked storage.

mod event;
mod handler;

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::ports::SealSigner;
use counterfoil_core::usecases::{RecordAlarm, RotateKey, SEGMENT, SealStream};
use counterfoil_lambda::config::{Var, required};
use counterfoil_lambda::{Boot, Error};
use handler::Archive;

/// How long one stream may be recomputed in one run: the timeout in template.yaml is 300 s.
const BUDGET: Duration = Duration::from_secs(100);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("archive").await?;
    let evidence = boot.evidence()?;
    let state = boot.state()?;
    let seal = SealStream {
        evidence: evidence.clone(),
        seals: boot.seals()?,
        signer: boot.signer()?,
        retiring: boot
            .retiring_signer()
            .map(|signer| -> Arc<dyn SealSigner> { signer }),
        archive: boot.archive()?,
        clock: boot.clock(),
        origin_prefix: required(Var::SealOriginPrefix)?,
        budget: BUDGET,
        segment: SEGMENT,
    };
    let archive = Archive {
        rotate: RotateKey {
            sealer: seal.clone(),
            evidence: evidence.clone(),
            state: state.clone(),
        },
        record: RecordAlarm {
            evidence,
            state: state.clone(),
        },
        seal,
        state,
    };
    boot.run(move |event| handler::handle(archive.clone(), event))
        .await
}
