//! Every event, for a tenant who is there.

use super::super::stage::stage;
use super::real::Real;
use super::{ISSUER, PROJECT, SOURCE, bus, people, records, scans};

#[test]
fn every_event_does_its_work_for_the_tenant_it_names() {
    let stage = stage();
    let parameters = [
        ("StripeEventSource", SOURCE),
        ("StripeEventProject", PROJECT),
        ("OidcIssuer", ISSUER),
        ("OidcAudience", "https://api.example.com"),
        ("OidcClientId", "cli"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let stack = stage.other_stack_with(parameters.into());
    stage.run(async {
        let real = Real::new(stage, &stack).await;
        bus::deliveries(&real).await;
        bus::event_bus_of(&real).await;
        let run = scans::scan(&real).await;
        let follow_up = people::requests(&real, &run).await;
        records::exports(&real, &follow_up).await;
        people::sign_in(&real).await;
        people::tenants(&real).await;
        scans::checks(&real, &run).await;
        records::sealing(&real).await;
    });
}
