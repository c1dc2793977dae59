//! What a token may say, and what it must.

use counterfoil_core::ports::{Login, Logins};
use counterfoil_core::time::Timestamp;
use counterfoil_testkit::issuer::CLIENT_ID;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value, json};

use super::desk::{NOW, at, encode, issuer, logins, readings, refused, set};

#[tokio::test]
async fn a_person_with_an_access_token_of_each_algorithm_is_known() {
    let issuer = issuer().await;
    let logins = logins(&issuer);
    for algorithm in [
        Algorithm::ES256,
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::EdDSA,
    ] {
        let token = issuer.mint_with(algorithm, "ada", |claims| {
            claims.insert("auth_time".to_owned(), json!(NOW - 40));
        });
        let login = logins.verify(&token, at(0)).await.unwrap();
        let expected = Login {
            issuer: issuer.url().to_owned(),
            subject: "ada".to_owned(),
            authenticated_at: at(-40),
            second_factor: false,
        };
        assert_eq!(login, expected, "{algorithm:?}");
    }
    assert_eq!(readings(&issuer), 1, "the keys are kept");
}

#[tokio::test]
async fn what_the_claims_say_about_the_sign_in_is_taken_and_nothing_is_assumed() {
    let issuer = issuer().await;
    let logins = logins(&issuer);
    for (ways, second) in [
        (json!(["pwd", "mfa"]), true),
        (json!(["otp"]), true),
        (json!(["hwk"]), true),
        (json!(["pwd"]), false),
        (json!(["sms"]), false),
        (json!([]), false),
    ] {
        let token = issuer.mint("ada", |claims| {
            claims.insert("amr".to_owned(), ways.clone());
        });
        let login = logins.verify(&token, at(0)).await.unwrap();
        assert_eq!(login.second_factor, second, "{ways}");
    }
    let bare = issuer.mint("ada", |claims| {
        claims.remove("amr");
        claims.remove("auth_time");
    });
    let login = logins.verify(&bare, at(0)).await.unwrap();
    assert!(!login.second_factor);
    assert_eq!(
        login.authenticated_at,
        Timestamp::from_millis(0),
        "never fresh"
    );
}

#[tokio::test]
async fn access_tokens_in_the_forms_of_other_issuers_are_taken() {
    type Edit = fn(&mut Map<String, Value>);
    let forms: [(&str, Edit); 5] = [
        ("Cognito: client_id instead of aud", |claims| {
            claims.remove("aud");
            claims.insert("token_use".to_owned(), json!("access"));
        }),
        ("a list of audiences", |claims| {
            claims.insert("aud".to_owned(), json!(["other", CLIENT_ID]));
        }),
        ("scp as a list", |claims| {
            claims.remove("scope");
            claims.insert("scp".to_owned(), json!(["openid", "counterfoil"]));
        }),
        ("scp as a text", |claims| {
            claims.remove("scope");
            claims.insert("scp".to_owned(), json!("openid counterfoil"));
        }),
        ("a clock that goes a little wrong", |claims| {
            claims.insert("exp".to_owned(), json!(NOW - 59));
            claims.insert("nbf".to_owned(), json!(NOW + 59));
            claims.insert("iat".to_owned(), json!(NOW + 59));
        }),
    ];
    let issuer = issuer().await;
    let logins = logins(&issuer);
    for (form, edit) in forms {
        let token = issuer.mint("ada", edit);
        assert!(logins.verify(&token, at(0)).await.is_ok(), "{form}");
    }
    for typ in [json!("JWT"), json!("application/at+jwt"), json!(null)] {
        let mut header = issuer.header(Algorithm::ES256);
        header["typ"] = typ;
        let claims = Value::Object(issuer.claims("ada")).to_string();
        let token = issuer.sign(Algorithm::ES256, &header, &claims);
        assert!(logins.verify(&token, at(0)).await.is_ok(), "{header}");
    }
}

#[tokio::test]
async fn each_claim_that_is_not_right_refuses_the_token() {
    type Edit = fn(&mut Map<String, Value>);
    let wrong: [(&str, Edit); 31] = [
        ("another issuer", |it| {
            set(it, "iss", "https://evil.example");
        }),
        ("the issuer with a slash", |it| {
            let slash = format!("{}/", it["iss"].as_str().unwrap());
            set(it, "iss", slash);
        }),
        ("no issuer", |it| drop(it.remove("iss"))),
        ("another audience", |it| set(it, "aud", "other")),
        ("other audiences", |it| set(it, "aud", json!(["a", "b"]))),
        ("no audience", |it| drop(it.remove("aud"))),
        ("another audience, whatever the client", |it| {
            set(it, "aud", "other");
            set(it, "token_use", "access");
        }),
        ("another client of the pool", |it| {
            it.remove("aud");
            set(it, "token_use", "access");
            set(it, "client_id", "other");
        }),
        ("an audience that is a number", |it| set(it, "aud", 5)),
        ("expired", |it| set(it, "exp", NOW - 60)),
        ("no expiry", |it| drop(it.remove("exp"))),
        ("an expiry that is text", |it| set(it, "exp", "tomorrow")),
        ("an expiry that is negative", |it| set(it, "exp", -1)),
        ("an expiry that is no whole number", |it| {
            set(it, "exp", 1.5e12);
        }),
        ("not valid yet", |it| set(it, "nbf", NOW + 61)),
        ("issued in the future", |it| set(it, "iat", NOW + 61)),
        ("never issued", |it| drop(it.remove("iat"))),
        ("signed in in the future", |it| {
            set(it, "auth_time", NOW + 61);
        }),
        ("token_use of an ID token", |it| set(it, "token_use", "id")),
        ("an unknown token_use", |it| set(it, "token_use", "")),
        ("a nonce", |it| set(it, "nonce", "n")),
        ("at_hash", |it| set(it, "at_hash", "h")),
        ("c_hash", |it| set(it, "c_hash", "h")),
        ("no scope", |it| drop(it.remove("scope"))),
        ("another scope", |it| set(it, "scope", "openid email")),
        ("a longer scope", |it| {
            set(it, "scope", "counterfoil.read xcounterfoil");
        }),
        ("no subject", |it| drop(it.remove("sub"))),
        ("an empty subject", |it| set(it, "sub", "")),
        ("a long subject", |it| set(it, "sub", "s".repeat(256))),
        ("a subject that is not ASCII", |it| {
            set(it, "sub", "ad\u{e4}");
        }),
        ("amr that is no list", |it| set(it, "amr", "mfa")),
    ];
    let issuer = issuer().await;
    let logins = logins(&issuer);
    for (what, edit) in wrong {
        let token = issuer.mint("ada", edit);
        assert!(refused(&logins, &token).await, "{what}");
    }
    assert!(
        refused(&logins, &issuer.mint_id("ada")).await,
        "an ID token"
    );
}

#[tokio::test]
async fn a_claim_or_a_header_that_comes_twice_refuses_the_token() {
    let issuer = issuer().await;
    let logins = logins(&issuer);
    let header = issuer.header(Algorithm::ES256);
    let good = Value::Object(issuer.claims("ada")).to_string();
    for (name, value) in [
        ("sub", json!("eve")),
        ("aud", json!(CLIENT_ID)),
        ("exp", json!(NOW + 900)),
        ("scope", json!("counterfoil")),
        ("amr", json!(["mfa"])),
    ] {
        let twice = format!("{{\"{name}\":{value},{}", good.strip_prefix('{').unwrap());
        let token = issuer.sign(Algorithm::ES256, &header, &twice);
        assert!(refused(&logins, &token).await, "{twice}");
    }
    let token = issuer.sign(Algorithm::ES256, &header, &good);
    let (_, rest) = token.split_once('.').unwrap();
    assert!(logins.verify(&token, at(0)).await.is_ok());
    let text = header.to_string();
    let twice = format!("{{\"alg\":\"none\",{}", text.strip_prefix('{').unwrap());
    assert!(refused(&logins, &format!("{}.{rest}", encode(&twice))).await);
}
