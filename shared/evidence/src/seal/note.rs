//! The grammar of a seal's note.

use super::{SealBody, SealKey};
use crate::base64;
use crate::code::{Code, Fault};
use crate::hash::{Hash, sha256};
use crate::json::MAX_UINT;

/// Longest note, in bytes.
pub const MAX_NOTE: usize = 16_384;
/// Most signature lines.
const MAX_LINES: usize = 16;

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigLine {
    /// Who signs; the sealer signs as the origin.
    pub name: String,
    /// First four bytes of the payload.
    pub key_id: [u8; 4],
    /// The rest of the payload.
    pub signature: Vec<u8>,
}

/// A seal: the note as it was given, and what it says. Parsed, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The note, exact bytes.
    pub note: String,
    /// The six lines that are signed.
    pub body: SealBody,
    /// The signature lines.
    pub lines: Vec<SigLine>,
}

impl Seal {
    /// Reads a note without verifying any signature.
    ///
    /// # Errors
    /// `E_LIMIT`, `E_NOTE`, `E_NOTE_LINES`, `E_NOTE_SYNTAX`, `E_SIG_SYNTAX`, `E_B64`,
    /// `E_B64_NONCANONICAL`.
    pub fn parse(note: &str) -> Result<Self, Fault> {
        if note.len() > MAX_NOTE {
            return Err(Fault::new(
                Code::Limit,
                format!("a seal of {} bytes", note.len()),
            ));
        }
        let shape = || {
            Fault::new(
                Code::Note,
                "a seal is a body, one empty line, signature lines",
            )
        };
        let (body, signatures) = note.split_once("\n\n").ok_or_else(shape)?;
        let second =
            body.starts_with('\n') || signatures.starts_with('\n') || signatures.contains("\n\n");
        if second || !note.ends_with('\n') {
            return Err(shape());
        }
        let lines: Vec<&str> = signatures.split_terminator('\n').collect();
        if lines.len() > MAX_LINES {
            return Err(Fault::new(
                Code::Limit,
                format!("a seal of {} lines", lines.len()),
            ));
        }
        let body = parse_body(body)?;
        let lines = lines
            .into_iter()
            .map(parse_line)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            note: note.to_owned(),
            body,
            lines,
        })
    }

    /// Seal hash: that of the reduced note, body and sealer lines only. Cosignatures may be added
    /// later without changing it.
    pub fn seal_hash(&self) -> Hash {
        sha256(self.reduced().as_bytes())
    }

    /// The reduced note: what time-stamps and the seal chain are about.
    pub fn reduced(&self) -> String {
        let mut reduced = self.body.text();
        reduced.push('\n');
        let (_, lines) = self.note.split_once("\n\n").unwrap_or_default();
        for (line, parsed) in lines.split_terminator('\n').zip(&self.lines) {
            if parsed.name == self.body.origin {
                reduced.push_str(line);
                reduced.push('\n');
            }
        }
        reduced
    }

    /// The key hashes of those `keys` that signed. A sealer line with the key id of one of them
    /// must verify.
    ///
    /// # Errors
    /// `E_SIG`.
    pub fn verified_by(&self, keys: &[SealKey]) -> Result<Vec<Hash>, Fault> {
        let message = self.body.bytes();
        let mut verified = Vec::new();
        for line in self
            .lines
            .iter()
            .filter(|line| line.name == self.body.origin)
        {
            let mut named = keys.iter().filter(|key| key.id() == line.key_id).peekable();
            if named.peek().is_none() {
                continue;
            }
            let key = named
                .find(|key| key.verifies(&message, &line.signature))
                .ok_or_else(|| Fault::new(Code::Sig, "a signature of a pinned key is not valid"))?;
            verified.push(key.hash());
        }
        Ok(verified)
    }
}

fn parse_body(body: &str) -> Result<SealBody, Fault> {
    let lines: Vec<&str> = body.split('\n').collect();
    let &[origin, size, root, at, head, prev] = lines.as_slice() else {
        let what = format!("the body of a seal has six lines, not {}", lines.len());
        return Err(Fault::new(Code::NoteLines, what));
    };
    let wrong = |line: &str| Fault::new(Code::NoteSyntax, format!("line {line} of a seal"));
    if origin.is_empty()
        || !origin
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'+')
    {
        return Err(wrong("origin"));
    }
    let hash = |line: &str, word: &str| line.strip_prefix(word)?.parse::<Hash>().ok();
    Ok(SealBody {
        origin: origin.to_owned(),
        size: decimal(size).ok_or_else(|| wrong("size"))?,
        root: base64::decode_hash(root).map_err(|_| wrong("root"))?,
        at: at
            .strip_prefix("at ")
            .and_then(decimal)
            .ok_or_else(|| wrong("at"))?,
        head: hash(head, "head ").ok_or_else(|| wrong("head"))?,
        prev: hash(prev, "prev ").ok_or_else(|| wrong("prev"))?,
    })
}

/// `"1"-"9" 0*15DIGIT`, at most 2^53 - 1.
fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.len() > 16 || text.starts_with('0') {
        return None;
    }
    text.parse().ok().filter(|value| *value <= MAX_UINT)
}

fn parse_line(line: &str) -> Result<SigLine, Fault> {
    let wrong = || Fault::new(Code::SigSyntax, "a signature line is dash, name, base64");
    let rest = line.strip_prefix("\u{2014} ").ok_or_else(wrong)?;
    let (name, payload) = rest.split_once(' ').ok_or_else(wrong)?;
    let excluded = |c: char| c == '+' || c <= ' ' || c == '\u{7f}' || c.is_whitespace();
    if name.is_empty() || name.chars().any(excluded) || payload.contains(' ') {
        return Err(wrong());
    }
    let payload = base64::decode(payload)?;
    match payload.split_first_chunk::<4>() {
        Some((key_id, signature)) if !signature.is_empty() => Ok(SigLine {
            name: name.to_owned(),
            key_id: *key_id,
            signature: signature.to_vec(),
        }),
        _ => Err(wrong()),
    }
}
