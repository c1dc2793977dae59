//! The keys of the fake issuer.

use std::io;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// RSA keys take long to make: one per process is enough, under a new name after a rotation.
static RSA: OnceLock<Vec<u8>> = OnceLock::new();

/// What the issuer signs with now.
pub(super) struct IssuerKeys {
    generation: u32,
    elliptic: EncodingKey,
    edwards: EncodingKey,
    rsa: EncodingKey,
}

impl IssuerKeys {
    /// New keys of every kind.
    pub(super) fn new(generation: u32) -> io::Result<Self> {
        let random = SystemRandom::new();
        let no_key = |_| io::Error::other("no key could be made");
        let elliptic = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(no_key)?;
        let edwards = Ed25519KeyPair::generate_pkcs8v1(&random).map_err(no_key)?;
        Ok(Self {
            generation,
            elliptic: EncodingKey::from_ec_der(elliptic.as_ref()),
            edwards: EncodingKey::from_ed_der(edwards.as_ref()),
            rsa: rsa()?,
        })
    }

    /// The keys that follow these.
    pub(super) fn next(&self) -> io::Result<Self> {
        Self::new(self.generation.saturating_add(1))
    }

    /// The key that signs with an algorithm, and its name.
    pub(super) fn of(&self, algorithm: Algorithm) -> (String, &EncodingKey) {
        let (kind, key) = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => ("rsa", &self.rsa),
            Algorithm::EdDSA => ("ed", &self.edwards),
            _ => ("ec", &self.elliptic),
        };
        (format!("{kind}-{}", self.generation), key)
    }

    /// The public keys, as a JWKS publishes them.
    pub(super) fn public(&self) -> Vec<Value> {
        let algorithms = [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA];
        let key = |algorithm| {
            let (name, key) = self.of(algorithm);
            let mut public = Jwk::from_encoding_key(key, algorithm).ok()?;
            public.common.key_id = Some(name);
            public.common.public_key_use = Some(PublicKeyUse::Signature);
            // One RSA key for RS256 and PS256.
            if algorithm == Algorithm::RS256 {
                public.common.key_algorithm = None;
            }
            Some(json!(public))
        };
        algorithms.into_iter().filter_map(key).collect()
    }
}

fn rsa() -> io::Result<EncodingKey> {
    let failed = || io::Error::other("no RSA key could be made");
    let der = if let Some(der) = RSA.get() {
        der
    } else {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failed())?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed())?;
        RSA.get_or_init(|| der.as_ref().to_vec())
    };
    let label = ["PRIVATE", "KEY"].join(" ");
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    let pem = format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    );
    EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(io::Error::other)
}
