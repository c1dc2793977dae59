//! The lists of a workspace, a page at a time, and who sees them.

use std::collections::BTreeSet;

use counterfoil_core::tenancy::{Capability, Role};
use counterfoil_core::usecases::{AdminError, NewApiKey, Page, PageOf};

use super::bench::{Bench, READING};

const fn page(cursor: Option<&str>, limit: usize) -> PageOf<'_> {
    PageOf { cursor, limit }
}

const ALL: PageOf<'static> = page(None, 100);

/// Walks a list in pages of `limit` and hands on the ids in order.
macro_rules! walk {
    ($list:expr, $ctx:expr, $limit:expr) => {{
        let (list, mut ids, mut cursor) = ($list, Vec::new(), None::<String>);
        loop {
            let asked = page(cursor.as_deref(), $limit);
            let found = list.list($ctx, asked).await.unwrap();
            assert!(found.items.len() <= $limit);
            ids.extend(found.items.iter().map(|it| it.value.id.to_string()));
            cursor = found.next_cursor;
            if cursor.is_none() {
                break ids;
            }
        }
    }};
}

fn refused<T>(found: Result<Page<T>, AdminError>) {
    let field = match found {
        Err(AdminError::Invalid { field, .. }) => field,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was taken"),
    };
    assert_eq!(field, "/cursor");
}

/// Four people, four keys, four invitations.
async fn filled() -> Bench {
    let bench = Bench::new().await;
    for (name, role) in [
        ("ben", Role::Viewer),
        ("cleo", Role::Admin),
        ("dora", Role::Auditor),
    ] {
        bench.join(name, role).await;
    }
    for _ in 0..4 {
        bench.later(std::time::Duration::from_millis(1));
        bench.make_key("ann", &READING).await.unwrap();
        bench.invite(Role::Viewer).await;
    }
    bench
}

#[tokio::test]
async fn pages_of_every_size_give_people_keys_and_invitations_once_and_in_order() {
    let bench = filled().await;
    let ann = bench.ctx("ann").await;
    for limit in 1..=5 {
        for ids in [
            walk!(bench.members(), &ann, limit),
            walk!(bench.keys(), &ann, limit),
            walk!(bench.invitations(), &ann, limit),
        ] {
            assert_eq!(ids.len(), 4, "pages of {limit}: {ids:?}");
            let sorted: BTreeSet<&String> = ids.iter().collect();
            assert!(ids.iter().eq(sorted), "pages of {limit}: {ids:?}");
        }
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list_and_its_workspace() {
    let bench = filled().await;
    let ann = bench.ctx("ann").await;
    let first = bench.members().list(&ann, page(None, 1)).await.unwrap();
    let people = first.next_cursor.unwrap();
    let first = bench.keys().list(&ann, page(None, 1)).await.unwrap();
    let keys = first.next_cursor.unwrap();
    let first = bench.invitations().list(&ann, page(None, 1)).await.unwrap();
    let invitations = first.next_cursor.unwrap();
    for other in [&keys, &invitations, &people.to_lowercase(), &String::new()] {
        refused(bench.members().list(&ann, page(Some(other), 1)).await);
    }
    for other in [&people, &invitations] {
        refused(bench.keys().list(&ann, page(Some(other), 1)).await);
    }
    for other in [&people, &keys] {
        refused(bench.invitations().list(&ann, page(Some(other), 1)).await);
    }
    let caller = bench.sign_in("ann").await;
    let workspaces = bench.workspaces();
    let founded = workspaces.found(&caller, "Other", "Ann", None).await;
    let other = founded.unwrap().0.id.to_string();
    let hers = caller.workspace(bench.store.as_ref(), &other).await;
    let hers = hers.unwrap();
    refused(bench.members().list(&hers, page(Some(&people), 1)).await);
}

#[tokio::test]
async fn owners_and_admins_see_who_was_invited_and_nobody_else_does() {
    let bench = filled().await;
    let invitations = bench.invitations();
    for name in ["ann", "cleo"] {
        let seen = invitations.list(&bench.ctx(name).await, ALL).await;
        assert_eq!(seen.unwrap().items.len(), 4, "{name}");
    }
    for name in ["ben", "dora"] {
        let ctx = bench.ctx(name).await;
        let seen = invitations.list(&ctx, ALL).await;
        assert!(matches!(seen, Err(AdminError::NotForRole)), "{name}");
        // Who may not see the list does not learn either whether the cursor is one.
        let seen = invitations.list(&ctx, page(Some("nonsense"), 1)).await;
        assert!(matches!(seen, Err(AdminError::NotForRole)), "{name}");
    }
    let (_, key) = bench.make_key("ann", &READING).await.unwrap();
    let seen = invitations
        .list(&bench.present(&key).await.unwrap(), ALL)
        .await;
    assert!(matches!(seen, Err(AdminError::NotAPerson)), "a key");
    let owner = bench.ann.id.to_string();
    let approving = NewApiKey {
        capability: Capability::Repair,
        approver: Some(&owner),
        ..READING
    };
    let (_, key) = bench.make_key("ann", &approving).await.unwrap();
    let seen = invitations
        .list(&bench.present(&key).await.unwrap(), ALL)
        .await;
    assert!(
        matches!(seen, Err(AdminError::NotAPerson)),
        "an approver key"
    );
}
