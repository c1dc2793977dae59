//! The ports in memory keep what they promise.

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use counterfoil_core::ports::Clock;
    use counterfoil_core::time::Timestamp;
    use counterfoil_testkit::contract;
    use counterfoil_testkit::memory::{MemArchive, MemKeys, MemObjects, MemStore, SetClock};

    fn clock() -> SetClock {
        SetClock::at(Timestamp::from_secs(1_795_392_000))
    }

    #[tokio::test]
    async fn evidence_in_memory() {
        let store = MemStore::new(clock());
        contract::evidence(&store).await;
        contract::evidence_with_state(&store, &store).await;
        contract::runs(&store).await;
        contract::redactions(&store).await;
    }

    #[tokio::test]
    async fn state_in_memory() {
        let clock = clock();
        let store = MemStore::new(clock.clone());
        contract::state(&store).await;
        contract::expiry(&store, clock.now()).await;
    }

    #[tokio::test]
    async fn budgets_in_memory() {
        contract::budget(Arc::new(MemStore::new(clock()))).await;
    }

    #[tokio::test]
    async fn seals_in_memory() {
        let store = MemStore::new(clock());
        contract::seals(&store).await;
        contract::starts(&store).await;
        contract::floors(&store, &store).await;
    }

    #[tokio::test]
    async fn objects_in_memory() {
        contract::objects(&MemObjects::default()).await;
        contract::archive(&MemArchive::default()).await;
    }

    #[tokio::test]
    async fn keys_in_memory() {
        contract::data_keys(&MemKeys::default()).await;
        contract::wrapped_keys(&MemKeys::default()).await;
        contract::rewrapped_keys(&MemKeys::default()).await;
    }
}
