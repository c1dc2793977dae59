//! Step 18: what others signed: cosignatures of witnesses, time-stamp tokens.

use std::fmt;

use super::input::Body;
use super::members::{self, Unreadable};
use super::{Evidence, Report};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::seal::{Seal, Witness};

/// Longest time-stamp token that is read; one has about 1 KB, with certificates about 6.
const MAX_TOKEN: u64 = 1 << 16;

/// What a [`TimestampAuthority`] says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// It is a valid token over these bytes.
    Valid,
    /// It is not.
    Invalid,
    /// It cannot be told here, for lack of a tool or a certificate.
    Unknown,
}

/// Somebody who checks RFC 3161 time-stamp tokens against a certificate that the auditor trusts.
pub trait TimestampAuthority: fmt::Debug {
    /// Whether `response`, a DER time-stamp response, is a valid token over `data`.
    fn check(&self, data: &[u8], response: &[u8]) -> Token;
}

/// What was found on the last seal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct External {
    /// Different pinned witnesses that signed it.
    pub(super) witnesses: u64,
    /// Whether they are enough.
    pub(super) quorum: bool,
    /// Whether a valid time-stamp token is on it.
    pub(super) timestamp: bool,
}

pub(super) fn check(
    evidence: &Evidence<'_>,
    authority: Option<&dyn TimestampAuthority>,
    report: &mut Report,
) -> Result<External, Unreadable> {
    let witnesses = count_witnesses(evidence, report)?;
    let timestamp = check_tokens(evidence, authority, report)?;
    let pinned = !evidence.trust.witnesses.is_empty();
    Ok(External {
        witnesses,
        quorum: pinned && witnesses >= evidence.trust.needed_witnesses(),
        timestamp,
    })
}

/// Valid cosignatures on the last seal, one for each pinned key.
fn count_witnesses(evidence: &Evidence<'_>, report: &mut Report) -> Result<u64, Fault> {
    let pinned = &evidence.trust.witnesses;
    if pinned.is_empty() {
        report.skip("witnesses: none are pinned");
        return Ok(0);
    }
    let seal = Seal::parse(&evidence.last_note)?;
    let mut counted: Vec<&Witness> = Vec::new();
    for witness in pinned {
        let known = counted.iter().any(|other| other.has_key_of(witness));
        if !known && witness.signed(&seal) {
            counted.push(witness);
        }
    }
    Ok(u64::try_from(counted.len()).unwrap_or(u64::MAX))
}

/// A token must name a seal of the package and be about it.
fn check_tokens(
    evidence: &Evidence<'_>,
    authority: Option<&dyn TimestampAuthority>,
    report: &mut Report,
) -> Result<bool, Unreadable> {
    let last = evidence.last_seal()?.hash;
    let mut on_last = false;
    let mut unknown = 0_u64;
    let mut check = |named: Hash, token: &[u8]| {
        match judge(evidence, authority, named, token)? {
            Token::Unknown => unknown = unknown.saturating_add(1),
            _ => on_last |= named == last,
        }
        Ok::<(), Unreadable>(())
    };
    match &evidence.loaded.body {
        Body::Document { timestamps, .. } => {
            for (named, token) in timestamps {
                check(*named, token)?;
            }
        }
        Body::Folder {
            members,
            timestamps,
            ..
        } => {
            for named in timestamps {
                let name = format!("timestamps/{named}.tsr");
                check(*named, &members::whole(*members, &name, MAX_TOKEN)?)?;
            }
        }
    }
    if unknown > 0 {
        report.skip("signatures of the time-stamp authority (check with openssl ts -verify)");
    }
    Ok(on_last)
}

fn judge(
    evidence: &Evidence<'_>,
    authority: Option<&dyn TimestampAuthority>,
    named: Hash,
    token: &[u8],
) -> Result<Token, Unreadable> {
    let wrong = |what: &str| {
        let what = format!("the time-stamp for {named} {what}");
        Unreadable::from(Fault::new(Code::Timestamp, what))
    };
    let place = evidence
        .seals
        .iter()
        .position(|sealed| sealed.hash == named)
        .ok_or_else(|| wrong("is about no seal of the package"))?;
    // The imprint in the token is the seal hash, SHA-256 over the reduced note.
    if !token.windows(32).any(|window| window == named.as_bytes()) {
        return Err(wrong("is about something else"));
    }
    let Some(authority) = authority else {
        return Ok(Token::Unknown);
    };
    let note = super::anchors::notes_at(&evidence.loaded.body, &[place])?;
    let reduced = Seal::parse(&note.concat())?.reduced();
    match authority.check(reduced.as_bytes(), token) {
        Token::Invalid => Err(wrong("is not valid under the certificate given")),
        answer => Ok(answer),
    }
}
