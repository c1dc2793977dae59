//! Reading the issuer's keys: new ones, forged names, outages, and settings that lead nowhere.

use std::time::Duration;

use counterfoil_core::ports::{LoginError, Logins};
use counterfoil_lambda::oidc::{OidcLogins, OidcOptions, OidcOptionsError};
use counterfoil_testkit::issuer::IssuerFault;
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::desk::{NOW, at, issuer, logins, readings, set, unavailable};

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
