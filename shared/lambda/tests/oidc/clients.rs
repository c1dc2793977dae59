//! Tokens with which clients act for people: whom they are meant for, and what they must name.

use counterfoil_core::ports::{Delegation, DelegationError, Delegations, Login, Logins};
use counterfoil_lambda::oidc::{DEFAULT_SCOPE, OidcDelegations, OidcOptions};
use counterfoil_testkit::issuer::{CLIENT_ID, FakeIssuer, IssuerFault};
use serde_json::{Map, Value, json};

use super::desk::{NOW, at, issuer, logins, set};

const RESOURCE: &str = "https://counterfoil.example.com/mcp";

fn clients(issuer: &FakeIssuer) -> OidcDelegations {
    let options = OidcOptions {
        issuer: issuer.url().to_owned(),
        audiences: vec![RESOURCE.to_owned()],
        scope: DEFAULT_SCOPE.to_owned(),
    };
    OidcDelegations::new(options, vec![CLIENT_ID.to_owned()]).unwrap()
}

/// A good token of `ada`, who let an agent in, but for what `edit` changes.
fn token(issuer: &FakeIssuer, edit: impl FnOnce(&mut Map<String, Value>)) -> String {
    issuer.mint("ada", |claims| {
        set(claims, "aud", RESOURCE);
        set(claims, "client_id", "agent-7");
        edit(claims);
    })
}

#[tokio::test]
async fn a_client_and_the_person_behind_it_are_known() {
    type Edit = fn(&mut Map<String, Value>);
    let issuer = issuer().await;
    let clients = clients(&issuer);
    let forms: [(&str, Edit); 4] = [
        ("RFC 9068", |_| {}),
        ("azp", |it| {
            it.remove("client_id");
            set(it, "azp", "agent-7");
        }),
        ("both", |it| set(it, "azp", "agent-7")),
        ("more audiences", |it| {
            set(
                it,
                "aud",
                json!(["https://login.example/userinfo", RESOURCE]),
            );
        }),
    ];
    for (form, edit) in forms {
        let found = clients.verify(&token(&issuer, edit), at(0)).await.unwrap();
        let person = Login {
            issuer: issuer.url().to_owned(),
            subject: "ada".to_owned(),
            authenticated_at: found.person.authenticated_at,
            second_factor: found.person.second_factor,
        };
        let client = "agent-7".to_owned();
        assert_eq!(found, Delegation { client, person }, "{form}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_client_s_token_refuses_it() {
    type Edit = fn(&mut Map<String, Value>);
    let wrong: [(&str, Edit); 16] = [
        ("a person's token", |it| set(it, "aud", CLIENT_ID)),
        ("one that signs the person in, too", |it| {
            set(it, "aud", json!([RESOURCE, CLIENT_ID]));
        }),
        ("no audience", |it| drop(it.remove("aud"))),
        ("no audience, of Cognito", |it| {
            it.remove("aud");
            set(it, "token_use", "access");
            set(it, "client_id", RESOURCE);
        }),
        ("another resource", |it| {
            set(it, "aud", "https://counterfoil.example.com/mcp/");
        }),
        ("the host alone", |it| {
            set(it, "aud", "https://counterfoil.example.com");
        }),
        ("another issuer", |it| {
            set(it, "iss", "https://evil.example");
        }),
        ("over", |it| set(it, "exp", NOW - 60)),
        ("from the future", |it| set(it, "iat", NOW + 61)),
        ("an ID token", |it| set(it, "nonce", "n")),
        ("no client", |it| drop(it.remove("client_id"))),
        ("two clients", |it| set(it, "azp", "agent-8")),
        ("a client without a name", |it| set(it, "client_id", "")),
        ("a long client", |it| set(it, "client_id", "c".repeat(129))),
        ("a client with a line break", |it| {
            set(it, "client_id", "agent-7\nfor usr_1");
        }),
        ("a client that acts for itself", |it| {
            set(it, "client_id", "ada");
        }),
    ];
    let issuer = issuer().await;
    let clients = clients(&issuer);
    for (what, edit) in wrong {
        // Whether a scope is missing as well says nothing about a token that is wrong.
        for scope in [DEFAULT_SCOPE, "openid"] {
            let token = token(&issuer, |claims| {
                set(claims, "scope", scope);
                edit(claims);
            });
            let refused = clients.verify(&token, at(0)).await;
            assert!(matches!(refused, Err(DelegationError::Invalid)), "{what}");
        }
    }
    let longest = "c".repeat(128);
    let longest = token(&issuer, |it| set(it, "client_id", longest));
    assert!(clients.verify(&longest, at(0)).await.is_ok());
}

#[tokio::test]
async fn a_scope_that_is_missing_is_told_apart() {
    let issuer = issuer().await;
    let clients = clients(&issuer);
    let lacking = token(&issuer, |it| set(it, "scope", "openid profile"));
    let refused = clients.verify(&lacking, at(0)).await;
    assert!(matches!(refused, Err(DelegationError::Scope)));
    issuer.fail(Some(IssuerFault::Down));
    let others = self::clients(&issuer);
    let unknown = others.verify(&lacking, at(0)).await;
    assert!(matches!(unknown, Err(DelegationError::Unavailable(_))));
}

#[tokio::test]
async fn a_client_s_token_signs_nobody_in() {
    let issuer = issuer().await;
    let people = logins(&issuer);
    assert!(people.verify(&token(&issuer, |_| {}), at(0)).await.is_err());
}
