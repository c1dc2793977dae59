//! Header lines, read in place.
//!
//! A valid canonical header has one layout. A line that has it is taken without a tree; every other
//! line is read by the strict reader, which says what is wrong with it.

use crate::hash::Hash;
use crate::header::{Header, MAX_HEADER, RunRef, is_run_id};
use crate::json::MAX_UINT;
use crate::kind::{Kind, RunRule};

/// The header of a line that is valid in every respect, or nothing. `name` is the stream id as text.
pub(super) fn read(line: &[u8], stream: Hash, name: &str) -> Option<Header> {
    if line.len() > MAX_HEADER {
        return None;
    }
    let mut rest = Rest(line);
    rest.word(b"{\"alg\":\"sha256\",\"at\":")?;
    let at = rest.uint()?;
    rest.word(b",\"kind\":\"")?;
    let kind = Kind::from_name(rest.text()?)?;
    rest.word(b",\"parts\":{\"facts\":\"")?;
    let facts = rest.hash()?;
    let subject = match rest.word(b",\"subject\":\"") {
        Some(()) => Some(rest.hash()?),
        None => None,
    };
    rest.word(b"},\"prev\":\"")?;
    let prev = rest.hash()?;
    let run = match rest.word(b",\"run\":{\"id\":\"") {
        Some(()) => Some(rest.run()?),
        None => None,
    };
    rest.word(b",\"seq\":")?;
    let seq = rest.uint()?;
    rest.word(b",\"stream\":\"")?;
    rest.word(name.as_bytes())?;
    rest.word(b"\",\"v\":1}")?;
    let belongs = match kind.run_rule() {
        RunRule::Always => run.is_some(),
        RunRule::Never => run.is_none(),
        RunRule::Either => true,
    };
    (rest.0.is_empty() && belongs).then_some(Header {
        at,
        kind,
        facts,
        subject,
        prev,
        run,
        seq,
        stream,
    })
}

/// What is left of a line.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    fn uint(&mut self) -> Option<u64> {
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(digits)?;
        if digits.is_empty() || (digits.len() > 1 && digits.first() == Some(&b'0')) {
            return None;
        }
        let mut value = 0_u64;
        for digit in digits {
            value = value
                .checked_mul(10)?
                .checked_add(u64::from(digit.checked_sub(b'0')?))?;
        }
        self.0 = rest;
        (value <= MAX_UINT).then_some(value)
    }

    /// A hash and the quote after it.
    fn hash(&mut self) -> Option<Hash> {
        let (digits, rest) = self.0.split_at_checked(64)?;
        self.0 = rest.strip_prefix(b"\"")?;
        Hash::from_hex(digits)
    }

    /// A plain text and the quote after it.
    fn text(&mut self) -> Option<&'a str> {
        let length = self.0.iter().position(|byte| *byte == b'"')?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    fn run(&mut self) -> Option<RunRef> {
        let id = self.text().filter(|id| is_run_id(id))?;
        self.word(b",\"n\":")?;
        let n = self.uint()?;
        self.word(b",\"prev\":\"")?;
        let prev = self.hash()?;
        self.word(b"}")?;
        Some(RunRef {
            id: id.to_owned(),
            n,
            prev,
        })
    }
}
