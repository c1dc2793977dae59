//! Skimming JSON: members that are wanted are read, all others are skipped without a look inside.
//!
//! Most of a Stripe object is nothing that a promise depends on, and a parser reads it to the last
//! character. Whatever is unusual here (an escape in a wanted text, a number that is not whole)
//! gives `None`: a parser must read the text then. Of what is skipped only quotation marks and the
//! number of brackets are checked. So a text that is no JSON may be taken, one that was cut off
//! never is, and JSON is never read differently.

use std::str::FromStr;

use memchr::memchr2;
use serde::de::DeserializeOwned;

use super::memo::Memo;

/// A place in a text.
#[derive(Debug)]
pub(super) struct Skim<'a, 'm> {
    text: &'a str,
    at: usize,
    memo: &'m mut Memo,
}

impl<'a, 'm> Skim<'a, 'm> {
    pub(super) const fn new(text: &'a str, memo: &'m mut Memo) -> Self {
        Self { text, at: 0, memo }
    }

    /// Reads the members of an object. `member` answers whether it has read the value of this name.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&'a str, &mut Self) -> Option<bool>,
    ) -> Option<()> {
        self.expect(b'{')?;
        if self.takes(b'}') {
            return Some(());
        }
        loop {
            self.expect(b'"')?;
            let name = self.inside()?;
            self.expect(b':')?;
            if !member(name, self)? {
                self.skip()?;
            }
            if !self.takes(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Reads the items of a list, each by `item`.
    pub(super) fn list(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.takes(b']') {
            return Some(());
        }
        loop {
            item(self)?;
            if !self.takes(b',') {
                return self.expect(b']');
            }
        }
    }

    /// A text without escapes.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let text = self.inside()?;
        let least = text.bytes().fold(u8::MAX, u8::min);
        (least >= b' ').then_some(text)
    }

    /// A text without escapes, behind its first quotation mark.
    fn inside(&mut self) -> Option<&'a str> {
        let length = mark(self.rest())?;
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length;
        self.takes(b'"').then_some(text)
    }

    /// The id of an object.
    pub(super) fn id(&mut self) -> Option<&'a str> {
        let start = self.at;
        if self.rest().starts_with(br#"{"id":""#) {
            self.at += 6;
            let id = self.text()?;
            self.at = start;
            self.skip()?;
            return Some(id);
        }
        let mut id = None;
        self.object(|name, value| {
            if name != "id" {
                return Some(false);
            }
            let again = id.replace(value.text()?).is_some();
            (!again).then_some(true)
        })?;
        id
    }

    /// A whole number that is not negative.
    pub(super) fn number<T: FromStr>(&mut self) -> Option<T> {
        self.blank();
        let rest = self.rest();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = !matches!(rest.get(length), Some(b'.' | b'e' | b'E'));
        let short = length == 1 || rest.first() != Some(&b'0');
        let digits = self.text.get(self.at..self.at + length)?;
        self.at += length;
        digits.parse().ok().filter(|_| whole && short)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self) -> Option<bool> {
        if self.word("true") {
            return Some(true);
        }
        self.word("false").then_some(false)
    }

    /// A value, or the default where it is null.
    pub(super) fn or_null<T: Default>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        if self.word("null") {
            return Some(T::default());
        }
        read(self)
    }

    /// A value, read by a parser.
    pub(super) fn value<T: DeserializeOwned>(&mut self) -> Option<T> {
        self.blank();
        let start = self.at;
        self.skip()?;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    /// Whether an object comes next.
    pub(super) fn is_object(&mut self) -> bool {
        self.blank();
        self.peek() == Some(b'{')
    }

    /// Nothing but blanks is left.
    pub(super) fn end(&mut self) -> Option<()> {
        self.blank();
        self.peek().is_none().then_some(())
    }

    /// Leaves out the value that comes next.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.blank();
        match self.peek()? {
            b'"' => self.skip_text(),
            b'{' | b'[' => self.skip_nested(),
            b'-' | b'0'..=b'9' => {
                let of_number =
                    |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                self.at += self.rest().iter().take_while(of_number).count();
                Some(())
            }
            _ => self.or_null(Self::flag).map(|_| ()),
        }
    }

    fn skip_text(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.at += mark(self.rest())?;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Some(());
            }
            self.at += 2;
        }
    }

    /// An object or list: to the bracket that closes it.
    fn skip_nested(&mut self) -> Option<()> {
        let rest = self.rest();
        if matches!(rest, [b'{', b'}', ..] | [b'[', b']', ..]) {
            self.at += 2;
            return Some(());
        }
        if let Some(length) = self.memo.known(rest) {
            self.at += length;
            return Some(());
        }
        let start = self.at;
        self.skip_brackets(rest)?;
        let value = self.text.as_bytes().get(start..self.at);
        self.memo.learn(value.unwrap_or_default(), rest);
        Some(())
    }

    fn skip_brackets(&mut self, rest: &[u8]) -> Option<()> {
        let (blocks, _) = rest.as_chunks::<64>();
        let (mut depth, mut quoted) = (0, 0);
        let mut passed = 0;
        for block in blocks {
            let marks = Marks::of(block);
            if marks.escaped {
                break;
            }
            let texts = between(marks.quotes) ^ quoted;
            let (opens, closes) = (marks.opens & !texts, marks.closes & !texts);
            // The last bracket can only be where as many are closed as are open.
            if closes.count_ones() >= depth
                && let Some(place) = last(opens, closes, depth)
            {
                self.at += passed + place + 1;
                return Some(());
            }
            depth = (depth + opens.count_ones()).checked_sub(closes.count_ones())?;
            quoted = 0_u64.wrapping_sub(texts >> 63);
            passed += block.len();
        }
        self.at += passed;
        self.skip_slowly(depth, quoted != 0)
    }

    /// The same, byte by byte.
    fn skip_slowly(&mut self, mut depth: u32, mut quoted: bool) -> Option<()> {
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'\\' if quoted => self.at += 1,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => {}
            }
        }
    }

    fn word(&mut self, word: &str) -> bool {
        self.blank();
        let is = self.rest().starts_with(word.as_bytes());
        if is {
            self.at += word.len();
        }
        is
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.blank();
        let is = self.peek() == Some(byte);
        if is {
            self.at += 1;
        }
        is
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// The place of the first quotation mark or escape. Most are near: a call would take longer.
fn mark(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let mut passed = 0;
    for word in words.iter().take(4) {
        let word = u64::from_le_bytes(*word);
        let marks = equal(word, b'"') | equal(word, b'\\');
        if marks != 0 {
            let place = usize::try_from(marks.trailing_zeros() / 8).ok()?;
            return Some(passed + place);
        }
        passed += 8;
    }
    let rest = bytes.get(passed..)?;
    memchr2(b'"', b'\\', rest).map(|place| passed + place)
}

/// Where in 64 bytes the characters are that structure is made of: one bit each, the first byte's
/// is the lowest.
struct Marks {
    quotes: u64,
    opens: u64,
    closes: u64,
    escaped: bool,
}

impl Marks {
    fn of(block: &[u8; 64]) -> Self {
        let (words, _) = block.as_chunks::<8>();
        let (mut quotes, mut opens, mut closes, mut escapes) = (0, 0, 0, 0);
        for (place, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            // Square and curly brackets differ in this bit.
            let curly = word | every(0x20);
            quotes |= gathered(equal(word, b'"')) << (8 * place);
            opens |= gathered(equal(curly, b'{')) << (8 * place);
            closes |= gathered(equal(curly, b'}')) << (8 * place);
            escapes |= equal(word, b'\\');
        }
        Self {
            quotes,
            opens,
            closes,
            escaped: escapes != 0,
        }
    }
}

/// A word of this byte only.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of each byte of `word` that equals `byte`.
const fn equal(word: u64, byte: u8) -> u64 {
    let differing = word ^ every(byte);
    let low = every(0x7f);
    !(((differing & low) + low) | differing | low)
}

/// The highest bits of the 8 bytes, side by side.
const fn gathered(highest: u64) -> u64 {
    (highest >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// The bits from each odd mark on, up to the next one.
const fn between(marks: u64) -> u64 {
    let mut bits = marks;
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ (bits << 32)
}

/// The place of the bracket that closes the first one, if it is among these.
fn last(opens: u64, closes: u64, mut depth: u32) -> Option<usize> {
    let mut marks = opens | closes;
    while marks != 0 {
        let place = marks.trailing_zeros();
        marks &= marks - 1;
        if (opens >> place) & 1 == 1 {
            depth += 1;
        } else {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return usize::try_from(place).ok();
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let text = "[ -~é\\\\\"{}\\[\\]\n]{0,90}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((text, inner), 0..8)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_is_skipped_to_its_end_and_no_part_of_one(value in json(), pretty: bool) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let behind = format!(" {text}, \"next\": 1}}");
            let mut memo = Memo::default();
            // The second time it is known.
            for _ in 0..2 {
                let mut skim = Skim::new(&behind, &mut memo);
                prop_assert_eq!(skim.skip(), Some(()));
                prop_assert_eq!(skim.at, text.len() + 1);
            }
            if matches!(value, Value::Object(_) | Value::Array(_) | Value::String(_)) {
                for (length, _) in text.char_indices() {
                    prop_assert_eq!(Skim::new(text.get(..length).unwrap(), &mut memo).skip(), None);
                }
            }
        }
    }

    #[test]
    fn brackets_in_texts_and_at_the_edges_of_blocks_do_not_count() {
        let mut memo = Memo::default();
        for length in 0..200 {
            let text = format!(
                r#"{{"a":"{}}}]","b":[{{}}],"c":"[{{"}}"#,
                "x".repeat(length)
            );
            let behind = format!("{text}]}}");
            let mut skim = Skim::new(&behind, &mut memo);
            assert_eq!((skim.skip(), skim.at), (Some(()), text.len()));
        }
    }

    #[test]
    fn what_a_parser_would_read_differently_is_left_to_it() {
        let mut memo = Memo::default();
        for number in ["1.0", "1e3", "007", "-1", "99999999999999999999", "x", ""] {
            assert_eq!(
                Skim::new(number, &mut memo).number::<i64>(),
                None,
                "{number}"
            );
        }
        assert_eq!(Skim::new("0", &mut memo).number::<u32>(), Some(0));
        for text in ["\"a\\n\"", "\"a\n\"", "\"a", "a"] {
            assert_eq!(Skim::new(text, &mut memo).text(), None, "{text}");
        }
        for word in ["nul", "True", "", "}"] {
            assert_eq!(Skim::new(word, &mut memo).skip(), None, "{word}");
        }
    }
}
