//! Starts `api`.

use counterfoil_lambda::{Boot, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("api").await?;
    let api = counterfoil_api::wire(&boot)?;
    let front = counterfoil_api::router(api.clone());
    // Boxed: all use cases are in it.
    boot.run(move |event| Box::pin(counterfoil_api::handle(api.clone(), front.clone(), event)))
        .await
}
