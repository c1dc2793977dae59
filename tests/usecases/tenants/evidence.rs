//! Every act leaves an entry, and without the entry there is no act.

use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{AdminError, NewInvitation};

use super::bench::{Bench, READING, waiting};

const NEW: NewInvitation<'static> = NewInvitation {
    name: "Ben",
    email: None,
    role: Role::Viewer,
};

/// Does every mutation once; how many there were. With `fails` the chain cannot be written.
async fn every_mutation(bench: &Bench, fails: bool) -> usize {
    let mut done = 0;
    let store = bench.store.clone();
    let mut act = |what: &str, result: Result<(), AdminError>| {
        if fails {
            let error = result.expect_err(what);
            assert!(
                matches!(error, AdminError::Evidence(_)),
                "{what}: {error:?}"
            );
        } else {
            result.expect(what);
            done += 1;
        }
    };
    // What is acted on exists before.
    let ben = bench.join("ben", Role::Viewer).await;
    let cleo = bench.join("cleo", Role::Viewer).await;
    let token = bench.invite(Role::Viewer).await;
    bench.invite(Role::Admin).await;
    let ann = bench.ctx("ann").await;
    let waiting = waiting(bench, &ann).await;
    let (revoked, _) = bench.make_key("ann", &READING).await.unwrap();
    let (rotated, _) = bench.make_key("ann", &READING).await.unwrap();
    let before = bench.entries().len();
    let rows = bench.rows();
    store.appends_left(fails.then_some(0));

    let ws = bench.workspaces().rename(&ann, "Acme Ltd", 1).await;
    act("rename", ws.map(drop));
    let made = bench.invitations().make(&ann, &NEW, None).await;
    act("invite", made.map(drop));
    let dora = bench.accept("dora", token.reveal()).await;
    act("accept", dora.map(drop));
    let waits = waiting.iter().find(|it| it.value.role == Role::Admin);
    let last = waits.unwrap().value.id.to_string();
    let gone = bench.invitations().revoke(&ann, &last).await;
    act("revoke invitation", gone.map(drop));
    let id = ben.id.to_string();
    let role = bench.members().change_role(&ann, &id, Role::Admin, 1).await;
    act("change role", role.map(drop));
    let id = cleo.id.to_string();
    let removed = bench.members().remove(&ann, &id).await;
    act("remove", removed.map(drop));
    let key = bench.keys().make(&ann, &READING, None).await;
    act("make key", key.map(drop));
    let key = bench.keys().revoke(&ann, &revoked).await;
    act("revoke key", key.map(drop));
    let key = bench.keys().rotate(&ann, &rotated, 1, None).await;
    act("rotate key", key.map(drop));
    if fails {
        assert_eq!(bench.entries().len(), before);
        assert_eq!(bench.rows(), rows, "nothing has happened");
    }
    done
}

#[tokio::test]
async fn there_are_as_many_entries_as_mutations() {
    let bench = Bench::new().await;
    let effects = |bench: &Bench| {
        let kinds = [
            Kind::AccessGranted,
            Kind::AccessChanged,
            Kind::AccessRevoked,
            Kind::ConfigChanged,
        ];
        kinds.map(|kind| bench.count(kind)).iter().sum::<usize>()
    };
    // The workspace and its founder; two who were invited and joined, two who are invited; two keys.
    let before = 2 + 4 + 2 + 2;
    let mutations = every_mutation(&bench, false).await;
    // Replacing a key makes one and ends one.
    assert_eq!(effects(&bench), before + mutations + 1);
    // All but accepting are judged.
    let judged = before - 2 - 2 + mutations - 1;
    assert_eq!(bench.count(Kind::RunDecision), judged);
    assert_eq!(bench.count(Kind::RunClose), judged);
}

#[tokio::test]
async fn without_evidence_nothing_happens() {
    let bench = Bench::new().await;
    assert_eq!(every_mutation(&bench, true).await, 0);
}
