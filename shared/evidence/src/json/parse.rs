//! The strict reader of the subset. One pass; a deviation from the canonical form is only noted on
//! the way, so that a rule of the subset that is broken as well is what gets reported.

use std::collections::BTreeMap;

use super::{Json, MAX_INT, check_string, is_key};
use crate::code::{Code, Fault};

/// Which writing of a value is accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Any white space, any escapes, keys in any order.
    Any,
    /// The canonical bytes.
    Canonical,
}

/// Most memory that a value may take (evidence-format section 20). Small objects take many times
/// their text.
const MAX_MEMORY: usize = 1 << 30;
/// What an object, and a value or name in it, is estimated to take, in bytes.
const OBJECT: usize = 640;
const VALUE: usize = 64;

/// An upper estimate, from the marks in the text alone.
fn memory(bytes: &[u8]) -> usize {
    bytes.iter().fold(bytes.len(), |sum, byte| {
        sum.saturating_add(match byte {
            b'{' => OBJECT,
            b'[' | b',' | b':' => VALUE,
            _ => 0,
        })
    })
}

pub(super) fn parse(bytes: &[u8], max_depth: usize, form: Form) -> Result<Json, Fault> {
    // A shorter text cannot take that much.
    let is_long = bytes.len() > MAX_MEMORY / (OBJECT + VALUE);
    if is_long && memory(bytes) > MAX_MEMORY {
        let what = "it would take more than 1 GiB of memory; a large export has the folder form";
        return Err(Fault::new(Code::Limit, what));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Fault::new(Code::Json, format!("not UTF-8 at byte {}", e.valid_up_to())))?;
    let mut reader = Reader {
        text,
        at: 0,
        max_depth,
        deviation: None,
    };
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.fault(Code::Json, "something follows the value"));
    }
    match reader.deviation {
        Some(at) if form == Form::Canonical => Err(Fault::new(
            Code::Canon,
            format!("not the canonical form at byte {at}"),
        )),
        _ => Ok(value),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    max_depth: usize,
    /// Where the text first differs from the canonical form.
    deviation: Option<usize>,
}

impl<'a> Reader<'a> {
    fn fault(&self, code: Code, what: &str) -> Fault {
        Fault::new(code, format!("{what} at byte {}", self.at))
    }

    fn deviate(&mut self) {
        self.deviation.get_or_insert(self.at);
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.deviate();
            self.step();
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.step();
        }
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at = self.at.saturating_add(word.len());
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, Fault> {
        if depth > self.max_depth {
            return Err(self.fault(Code::Depth, "values are nested too deeply"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::Str(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.word("true") => Ok(Json::Bool(true)),
            _ if self.word("false") => Ok(Json::Bool(false)),
            _ if self.word("null") => Ok(Json::Null),
            _ if self.word("NaN") || self.word("Infinity") => {
                Err(self.fault(Code::Float, "a number is not an integer"))
            }
            _ => Err(self.fault(Code::Json, "a value is missing")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, Fault> {
        self.step();
        self.space();
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth.saturating_add(1))?);
            self.space();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.fault(Code::Json, "a comma or a bracket is missing"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Fault> {
        self.step();
        self.space();
        let mut fields = BTreeMap::new();
        if self.take(b'}') {
            return Ok(Json::Object(fields));
        }
        loop {
            self.space();
            let key = self.key(&fields)?;
            self.space();
            if !self.take(b':') {
                return Err(self.fault(Code::Json, "a colon is missing"));
            }
            self.space();
            let value = self.value(depth.saturating_add(1))?;
            fields.insert(key, value);
            self.space();
            if self.take(b'}') {
                return Ok(Json::Object(fields));
            }
            if !self.take(b',') {
                return Err(self.fault(Code::Json, "a comma or a brace is missing"));
            }
        }
    }

    fn key(&mut self, fields: &BTreeMap<String, Json>) -> Result<String, Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.fault(Code::Json, "a key is missing"));
        }
        let key = self.string()?;
        if !is_key(&key) {
            return Err(self.fault(Code::Key, "a key does not match the pattern"));
        }
        if let Some((last, _)) = fields.last_key_value()
            && *last >= key
        {
            if fields.contains_key(&key) {
                return Err(self.fault(Code::DupKey, "a key is there twice"));
            }
            self.deviate();
        }
        Ok(key)
    }

    fn number(&mut self) -> Result<Json, Fault> {
        let start = self.at;
        let negative = self.take(b'-');
        if negative && self.word("Infinity") {
            return Err(self.fault(Code::Float, "a number is not an integer"));
        }
        let first = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.step();
        }
        let digits = self.text.get(first..self.at).unwrap_or_default();
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return Err(self.fault(Code::Json, "a number is ill-formed"));
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(self.fault(Code::Float, "a number is not an integer"));
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        match text.parse::<i64>() {
            Ok(int) if (-MAX_INT..=MAX_INT).contains(&int) && text != "-0" => Ok(Json::Int(int)),
            _ => Err(self.fault(Code::IntRange, "a number is beyond 2^53 - 1 or is -0")),
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.step();
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = rest
                .bytes()
                .position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20)
                .ok_or_else(|| self.fault(Code::Json, "a string does not end"))?;
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at = self.at.saturating_add(plain);
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    break;
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.fault(Code::Json, "a control character is not escaped")),
            }
        }
        check_string(&out)?;
        Ok(out)
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.step();
        let letter = self.peek();
        self.step();
        let (char, canonical) = match letter {
            Some(b'"') => ('"', true),
            Some(b'\\') => ('\\', true),
            Some(b'/') => ('/', false),
            Some(b'b') => ('\u{8}', true),
            Some(b'f') => ('\u{c}', true),
            Some(b'n') => ('\n', true),
            Some(b'r') => ('\r', true),
            Some(b't') => ('\t', true),
            Some(b'u') => {
                let char = self.unicode()?;
                let written = self.text.get(start..self.at).unwrap_or_default();
                let short = matches!(char, '\u{8}' | '\u{c}' | '\n' | '\r' | '\t');
                let canonical =
                    char < ' ' && !short && written == format!("\\u{:04x}", u32::from(char));
                (char, canonical)
            }
            _ => return Err(self.fault(Code::Json, "an escape is unknown")),
        };
        if !canonical {
            self.deviate();
        }
        Ok(char)
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.hex4()?;
        let scalar = match first {
            0xd800..=0xdbff => {
                if !self.word("\\u") {
                    return Err(self.fault(Code::Surrogate, "a lone surrogate"));
                }
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.fault(Code::Surrogate, "a lone surrogate"));
                }
                0x1_0000_u32
                    .saturating_add((first & 0x3ff) << 10)
                    .saturating_add(second & 0x3ff)
            }
            other => other,
        };
        char::from_u32(scalar).ok_or_else(|| self.fault(Code::Surrogate, "a lone surrogate"))
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let digits = self
            .rest()
            .get(..4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at = self.at.saturating_add(4);
        value.ok_or_else(|| self.fault(Code::Json, "an escape is ill-formed"))
    }
}
