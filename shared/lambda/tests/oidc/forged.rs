//! Tokens that somebody made up, and keys that verify nothing.

use std::sync::Arc;

use counterfoil_core::ports::Logins;
use counterfoil_testkit::issuer::FakeIssuer;
use counterfoil_testkit::memory::SetClock;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::desk::{at, encode, issuer, logins, refused, set};

#[tokio::test]
async fn forged_signatures_and_keys_are_refused() {
    let issuer = issuer().await;
    let logins = logins(&issuer);
    let claims = Value::Object(issuer.claims("eve")).to_string();
    let token = issuer.mint("eve", |_| {});
    let parts: Vec<&str> = token.split('.').collect();

    for (alg, signature) in [("none", ""), ("None", ""), ("none", parts[2])] {
        let header = json!({"alg": alg, "kid": "ec-1", "typ": "at+jwt"}).to_string();
        let forged = format!("{}.{}.{signature}", encode(&header), parts[1]);
        assert!(refused(&logins, &forged).await, "{alg}");
    }

    // The public key as the secret of a MAC, in the forms that libraries have confused.
    let public = issuer.public_keys();
    for key in &public {
        let (kid, text) = (key["kid"].as_str().unwrap(), key.to_string());
        for secret in [text.as_bytes(), key["x"].as_str().unwrap_or("").as_bytes()] {
            for alg in [Algorithm::HS256, Algorithm::HS512] {
                let header = json!({"alg": alg, "kid": kid, "typ": "at+jwt"});
                let message = format!("{}.{}", encode(&header.to_string()), parts[1]);
                let mac = EncodingKey::from_secret(secret);
                let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &mac, alg).unwrap();
                assert!(refused(&logins, &format!("{message}.{signature}")).await);
            }
        }
    }

    let header = |kid: Value, alg: &str| json!({"alg": alg, "kid": kid, "typ": "at+jwt"});
    for (what, algorithm, header) in [
        (
            "a name of no key",
            Algorithm::ES256,
            header(json!("ec-9"), "ES256"),
        ),
        (
            "the name of another key",
            Algorithm::ES256,
            header(json!("rsa-1"), "ES256"),
        ),
        (
            "no name",
            Algorithm::ES256,
            json!({"alg": "ES256", "typ": "at+jwt"}),
        ),
        (
            "an empty name",
            Algorithm::ES256,
            header(json!(""), "ES256"),
        ),
        (
            "a name that is a number",
            Algorithm::ES256,
            header(json!(1), "ES256"),
        ),
        (
            "another algorithm of the key",
            Algorithm::RS256,
            header(json!("rsa-1"), "PS256"),
        ),
        (
            "an algorithm that is not accepted",
            Algorithm::RS512,
            header(json!("rsa-1"), "RS512"),
        ),
        (
            "an extension",
            Algorithm::ES256,
            json!({"alg": "ES256", "kid": "ec-1", "crit": ["exp"]}),
        ),
        (
            "another type",
            Algorithm::ES256,
            json!({"alg": "ES256", "kid": "ec-1", "typ": "secevent+jwt"}),
        ),
    ] {
        let token = issuer.sign(algorithm, &header, &claims);
        assert!(refused(&logins, &token).await, "{what}");
    }

    // A key of the attacker, given in the header.
    let other = FakeIssuer::start(Arc::new(SetClock::at(at(0))))
        .await
        .unwrap();
    let mut own = other.header(Algorithm::ES256);
    own["jwk"] = other.public_keys()[0].clone();
    own["jku"] = json!(format!("{}/keys", other.url()));
    assert!(refused(&logins, &other.sign(Algorithm::ES256, &own, &claims)).await);

    // Claims that were changed after they were signed, and a signature that was cut.
    let changed = claims.replace("eve", "ada");
    assert!(
        refused(
            &logins,
            &format!("{}.{}.{}", parts[0], encode(&changed), parts[2])
        )
        .await
    );
    assert!(refused(&logins, token.get(..token.len() - 2).unwrap()).await);
}

#[tokio::test]
async fn what_is_no_token_is_refused_before_the_issuer_is_asked() {
    let issuer = issuer().await;
    let logins = logins(&issuer);
    let long = issuer.mint("ada", |claims| set(claims, "padding", "x".repeat(8 * 1024)));
    for text in [
        "",
        ".",
        "..",
        "a.b.c",
        "cfk_test_x",
        "a.b",
        "e30.e30.e30",
        "\u{e4}.\u{e4}.\u{e4}",
        &long,
    ] {
        assert!(refused(&logins, text).await, "{}", text.len());
    }
    assert_eq!(issuer.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_is_not_for_signing_or_named_twice_verifies_nothing() {
    type Edit = fn(&mut Vec<Value>);
    let changes: [(&str, Edit); 6] = [
        ("use enc", |keys| keys[0]["use"] = json!("enc")),
        ("key_ops without verify", |keys| {
            keys[0]["key_ops"] = json!(["encrypt"]);
        }),
        ("alg of another kind", |keys| {
            keys[0]["alg"] = json!("RS256");
        }),
        ("another curve", |keys| keys[0]["crv"] = json!("P-384")),
        ("the name twice", |keys| keys.push(keys[0].clone())),
        ("half a point", |keys| keys[0]["y"] = json!("AAAA")),
    ];
    for (what, change) in changes {
        let issuer = issuer().await;
        let mut keys = issuer.public_keys();
        change(&mut keys);
        // One that nobody understands spoils nothing.
        keys.push(json!({"kty": "new", "kid": 7}));
        issuer.publish(keys);
        let logins = logins(&issuer);
        assert!(
            refused(&logins, &issuer.mint("ada", |_| {})).await,
            "{what}"
        );
        let other = issuer.mint_with(Algorithm::RS256, "ada", |_| {});
        assert!(logins.verify(&other, at(0)).await.is_ok(), "{what}");
    }
}
