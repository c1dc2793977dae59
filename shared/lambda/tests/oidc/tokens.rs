//! Access tokens with real signatures against an issuer over HTTP: what is accepted, and every
//! refusal.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::ports::{Login, LoginError, Logins};
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::oidc::{DEFAULT_SCOPE, OidcLogins, OidcOptions, OidcOptionsError};
use counterfoil_testkit::issuer::{CLIENT_ID, FakeIssuer, IssuerFault};
use counterfoil_testkit::memory::SetClock;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value, json};

const NOW: i64 = 1_790_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(NOW + seconds)
}

async fn issuer() -> FakeIssuer {
    FakeIssuer::start(Arc::new(SetClock::at(at(0))))
        .await
        .unwrap()
}

fn options(issuer: &FakeIssuer) -> OidcOptions {
    OidcOptions {
        issuer: issuer.url().to_owned(),
        audiences: vec!["https://api.example.com".to_owned(), CLIENT_ID.to_owned()],
        scope: DEFAULT_SCOPE.to_owned(),
    }
}

fn logins(issuer: &FakeIssuer) -> OidcLogins {
    OidcLogins::new(options(issuer)).unwrap()
}

async fn refused(logins: &OidcLogins, token: &str) -> bool {
    matches!(logins.verify(token, at(0)).await, Err(LoginError::Invalid))
}

async fn unavailable(logins: &OidcLogins, token: &str, now: Timestamp) -> bool {
    matches!(
        logins.verify(token, now).await,
        Err(LoginError::Unavailable(_))
    )
}

/// How often the issuer's keys were read.
fn readings(issuer: &FakeIssuer) -> usize {
    issuer
        .requests()
        .iter()
        .filter(|path| *path == "/keys")
        .count()
}

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

fn set(claims: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    claims.insert(name.to_owned(), value.into());
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

fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

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

#[tokio::test]
async fn new_keys_are_found_and_forged_names_do_not_make_us_ask_more_than_once_a_minute() {
    let issuer = issuer().await;
    let logins = logins(&issuer);
    assert!(
        logins
            .verify(&issuer.mint("ada", |_| {}), at(0))
            .await
            .is_ok()
    );
    let old = issuer.mint("ada", |_| {});
    issuer.rotate().unwrap();
    let new = issuer.mint("ada", |_| {});
    assert!(matches!(
        logins.verify(&new, at(59)).await,
        Err(LoginError::Invalid)
    ));
    assert_eq!(readings(&issuer), 1);
    assert!(logins.verify(&new, at(60)).await.is_ok());
    assert_eq!(readings(&issuer), 2);
    assert!(matches!(
        logins.verify(&old, at(61)).await,
        Err(LoginError::Invalid)
    ));
    for second in 62..120 {
        let mut header = issuer.header(Algorithm::ES256);
        header["kid"] = json!(format!("forged-{second}"));
        let forged = issuer.sign(Algorithm::ES256, &header, "{}");
        assert!(matches!(
            logins.verify(&forged, at(second)).await,
            Err(LoginError::Invalid)
        ));
    }
    assert_eq!(readings(&issuer), 2);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_read_is_not_the_callers_fault() {
    for fault in [
        IssuerFault::Down,
        IssuerFault::HugeKeys,
        IssuerFault::HugeDiscovery,
        IssuerFault::OtherIssuer,
        IssuerFault::PlainKeys,
        IssuerFault::Slow(Duration::from_secs(20)),
    ] {
        let issuer = issuer().await;
        let logins = logins(&issuer);
        let token = issuer.mint("ada", |_| {});
        issuer.fail(Some(fault));
        assert!(unavailable(&logins, &token, at(0)).await, "{fault:?}");
        let asked = issuer.requests().len();
        assert!(unavailable(&logins, &token, at(4)).await, "{fault:?}");
        assert_eq!(issuer.requests().len(), asked, "not asked again at once");
        issuer.fail(None);
        assert!(logins.verify(&token, at(5)).await.is_ok(), "{fault:?}");
    }
}

#[tokio::test]
async fn known_keys_bridge_an_outage_for_six_hours_and_no_longer() {
    let issuer = issuer().await;
    let logins = logins(&issuer);
    let token = issuer.mint("ada", |claims| set(claims, "exp", NOW + 100_000));
    assert!(logins.verify(&token, at(0)).await.is_ok());
    issuer.fail(Some(IssuerFault::Down));
    let hour = 3_600;
    assert!(logins.verify(&token, at(hour - 1)).await.is_ok());
    assert_eq!(issuer.requests().len(), 2, "within an hour nobody is asked");
    assert!(logins.verify(&token, at(hour)).await.is_ok());
    assert_eq!(issuer.requests().len(), 3);
    assert!(logins.verify(&token, at(6 * hour - 1)).await.is_ok());
    assert!(unavailable(&logins, &token, at(6 * hour)).await);
    issuer.fail(None);
    assert!(logins.verify(&token, at(6 * hour + 5)).await.is_ok());
}

#[tokio::test]
async fn nobody_listening_is_an_outage_too() {
    let issuer = issuer().await;
    let logins = logins(&issuer);
    let token = issuer.mint("ada", |_| {});
    drop(issuer);
    tokio::task::yield_now().await;
    assert!(unavailable(&logins, &token, at(0)).await);
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_the_name_of_the_variable() {
    let new = |issuer: &str, audiences: &[&str], scope: &str| {
        OidcLogins::new(OidcOptions {
            issuer: issuer.to_owned(),
            audiences: audiences.iter().map(|it| (*it).to_owned()).collect(),
            scope: scope.to_owned(),
        })
        .map(drop)
    };
    for issuer in [
        "http://issuer.example.com",
        "http://127.0.0.1.example.com",
        "https://user:word@issuer.example.com",
        "https://issuer.example.com/?a=b",
        "https://issuer.example.com/#a",
        "ftp://issuer.example.com",
        "issuer.example.com",
        "",
    ] {
        let refused = new(issuer, &["a"], "s");
        assert_eq!(refused, Err(OidcOptionsError::Issuer), "{issuer}");
    }
    for issuer in [
        "https://issuer.example.com",
        "https://issuer.example.com/tenant/v2.0/",
        "http://127.0.0.1:9000",
        "http://[::1]:9000",
        "http://localhost:9000",
    ] {
        assert_eq!(new(issuer, &["a"], "s"), Ok(()), "{issuer}");
    }
    let issuer = "https://issuer.example.com";
    assert_eq!(new(issuer, &[], "s"), Err(OidcOptionsError::Audience));
    assert_eq!(
        new(issuer, &["a", ""], "s"),
        Err(OidcOptionsError::Audience)
    );
    assert_eq!(
        new(issuer, &["a"], "two scopes"),
        Err(OidcOptionsError::Scope)
    );
    assert_eq!(new(issuer, &["a"], ""), Err(OidcOptionsError::Scope));
}
