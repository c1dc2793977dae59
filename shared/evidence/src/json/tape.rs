//! A scanner that checks canonical bytes in place and copies nothing.
//!
//! It says yes or no. Whoever needs to know why reads the bytes again with [`super::Json`]; the two
//! agree on what is canonical, which a property test holds.

use std::borrow::Cow;

use super::{Json, MAX_INT, is_key_bytes};

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Null,
    Bool(bool),
    Int(i64),
    /// A string; `true` if it has escapes.
    Str(bool),
    Array,
    Object,
}

/// One value: its bytes, those of its key, and how many nodes it has with all below it.
#[derive(Debug, Clone, Copy)]
struct Node {
    shape: Shape,
    from: usize,
    to: usize,
    key: (usize, usize),
    nodes: usize,
}

/// The values of one text in the order they are written; used again for the next text.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    nodes: Vec<Node>,
}

impl Tape {
    /// An empty tape.
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// Scans a text. Nothing is returned unless it is one canonical value nested up to `max_depth`.
    pub(crate) fn scan<'a>(&'a mut self, bytes: &'a [u8], max_depth: usize) -> Option<Value<'a>> {
        self.nodes.clear();
        std::str::from_utf8(bytes).ok()?;
        let mut scanner = Scanner {
            bytes,
            at: 0,
            max_depth,
            nodes: &mut self.nodes,
        };
        scanner.value((0, 0), 0)?;
        if scanner.at == bytes.len() {
            self.root(bytes)
        } else {
            None
        }
    }

    /// The value of the text that was scanned last.
    pub(crate) fn root<'a>(&'a self, bytes: &'a [u8]) -> Option<Value<'a>> {
        (!self.nodes.is_empty()).then_some(Value {
            bytes,
            nodes: &self.nodes,
        })
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    max_depth: usize,
    nodes: &'a mut Vec<Node>,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.step();
        }
        found
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        if !rest.starts_with(word) {
            return None;
        }
        self.at = self.at.saturating_add(word.len());
        Some(())
    }

    fn value(&mut self, key: (usize, usize), depth: usize) -> Option<()> {
        if depth > self.max_depth {
            return None;
        }
        let index = self.nodes.len();
        let from = self.at;
        self.nodes.push(Node {
            shape: Shape::Null,
            from,
            to: from,
            key,
            nodes: 1,
        });
        let shape = match self.peek()? {
            b'{' => self.object(depth)?,
            b'[' => self.array(depth)?,
            b'"' => Shape::Str(self.string()?),
            b't' => self.word(b"true").map(|()| Shape::Bool(true))?,
            b'f' => self.word(b"false").map(|()| Shape::Bool(false))?,
            b'n' => self.word(b"null").map(|()| Shape::Null)?,
            _ => Shape::Int(self.number()?),
        };
        let nodes = self.nodes.len().saturating_sub(index);
        let node = self.nodes.get_mut(index)?;
        (node.shape, node.to, node.nodes) = (shape, self.at, nodes);
        Some(())
    }

    fn array(&mut self, depth: usize) -> Option<Shape> {
        self.step();
        if self.take(b']') {
            return Some(Shape::Array);
        }
        loop {
            self.value((0, 0), depth.saturating_add(1))?;
            if self.take(b']') {
                return Some(Shape::Array);
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Shape> {
        self.step();
        if self.take(b'}') {
            return Some(Shape::Object);
        }
        let mut last: &[u8] = b"";
        let bytes = self.bytes;
        loop {
            let from = self.at.saturating_add(1);
            if self.peek() != Some(b'"') || self.string()? {
                return None;
            }
            let to = self.at.saturating_sub(1);
            let key = bytes.get(from..to)?;
            if !follows(key, last) || !is_key_bytes(key) || !self.take(b':') {
                return None;
            }
            last = key;
            self.value((from, to), depth.saturating_add(1))?;
            if self.take(b'}') {
                return Some(Shape::Object);
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    /// Passes a string; tells whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        self.step();
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..)?;
            let plain = plain(rest)?;
            self.at = self.at.saturating_add(plain);
            match self.peek()? {
                b'"' => {
                    self.step();
                    return Some(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.step();
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let letter = self.peek()?;
        self.step();
        match letter {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at.checked_add(4)?)?;
                self.at = self.at.saturating_add(4);
                let [b'0', b'0', high, low] = digits else {
                    return None;
                };
                let short = *high == b'0' && matches!(low, b'0' | b'8' | b'9' | b'a' | b'c' | b'd');
                let hex = matches!(low, b'0'..=b'9' | b'a'..=b'f');
                (matches!(high, b'0' | b'1') && hex && !short).then_some(())
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<i64> {
        let negative = self.take(b'-');
        let first = self.at;
        let mut value = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value
                .checked_mul(10)?
                .checked_add(i64::from(digit.checked_sub(b'0')?))?;
            self.step();
        }
        let digits = self.at.saturating_sub(first);
        let zero = self.bytes.get(first) == Some(&b'0');
        if digits == 0 || (zero && (digits > 1 || negative)) || value > MAX_INT {
            return None;
        }
        Some(if negative {
            value.checked_neg()?
        } else {
            value
        })
    }
}

/// Whether a key comes after the one before; mostly its first letter tells.
fn follows(key: &[u8], last: &[u8]) -> bool {
    match (key.first(), last.first()) {
        (Some(key), Some(last)) if key != last => key > last,
        _ => key > last,
    }
}

/// How many bytes come before the first one that ends a string or is not written as it is.
fn plain(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let mut at = 0_usize;
    for word in words {
        let found = special(u64::from_le_bytes(*word)).trailing_zeros() / 8;
        if found < 8 {
            return at.checked_add(usize::try_from(found).ok()?);
        }
        at = at.saturating_add(8);
    }
    let rest = bytes.get(at..)?;
    let found = rest
        .iter()
        .position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f))?;
    at.checked_add(found)
}

/// Eight bytes at once: the lowest bit set belongs to the first byte that is a control character, a
/// quote, a backslash or U+007F. (Bits above it may be wrong, because a subtraction borrows.)
const fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const fn is(word: u64, byte: u64) -> u64 {
        let zero = word ^ ONES.wrapping_mul(byte);
        zero.wrapping_sub(ONES) & !zero
    }
    let control = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word;
    (control | is(word, 0x22) | is(word, 0x5c) | is(word, 0x7f)) & ONES.wrapping_mul(0x80)
}

/// A value on a tape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    bytes: &'a [u8],
    /// The value's own node, then those below it, then others.
    nodes: &'a [Node],
}

impl<'a> Value<'a> {
    fn node(self) -> Option<&'a Node> {
        self.nodes.first()
    }

    fn shape(self) -> Option<Shape> {
        self.node().map(|node| node.shape)
    }

    /// Its canonical bytes.
    pub(crate) fn text(self) -> &'a [u8] {
        self.node()
            .and_then(|node| self.bytes.get(node.from..node.to))
            .unwrap_or_default()
    }

    fn key(self) -> Option<&'a [u8]> {
        let (from, to) = self.node()?.key;
        self.bytes.get(from..to)
    }

    fn children(self) -> Children<'a> {
        let end = self.node().map_or(0, |node| node.nodes);
        Children {
            bytes: self.bytes,
            nodes: self.nodes.get(1..end).unwrap_or_default(),
        }
    }
}

struct Children<'a> {
    bytes: &'a [u8],
    nodes: &'a [Node],
}

impl<'a> Iterator for Children<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let child = Value {
            bytes: self.bytes,
            nodes: self.nodes,
        };
        let size = child.node()?.nodes;
        self.nodes = self.nodes.get(size..).unwrap_or_default();
        Some(child)
    }
}

/// A value that is read: a tree, or in place on a tape.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'a> {
    /// A tree.
    Tree(&'a Json),
    /// On a tape.
    Tape(Value<'a>),
}

impl<'a> From<&'a Json> for View<'a> {
    fn from(json: &'a Json) -> Self {
        Self::Tree(json)
    }
}

impl<'a> View<'a> {
    /// Member `key` of an object.
    pub(crate) fn get(self, key: &str) -> Option<Self> {
        match self {
            Self::Tree(json) => json.get(key).map(Self::Tree),
            Self::Tape(value) if value.shape() == Some(Shape::Object) => value
                .children()
                .find(|child| child.key().is_some_and(|own| own == key.as_bytes()))
                .map(Self::Tape),
            Self::Tape(_) => None,
        }
    }

    /// How many members an object has.
    pub(crate) fn members(self) -> Option<usize> {
        match self {
            Self::Tree(json) => json.as_object().map(std::collections::BTreeMap::len),
            Self::Tape(value) => {
                (value.shape() == Some(Shape::Object)).then(|| value.children().count())
            }
        }
    }

    /// The text of a string.
    pub(crate) fn as_str(self) -> Option<Cow<'a, str>> {
        let value = match self {
            Self::Tree(json) => return json.as_str().map(Cow::Borrowed),
            Self::Tape(value) => value,
        };
        let Some(Shape::Str(escaped)) = value.shape() else {
            return None;
        };
        if escaped {
            return match Json::parse(value.text()) {
                Ok(Json::Str(text)) => Some(Cow::Owned(text)),
                _ => None,
            };
        }
        let inner = value.text().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        std::str::from_utf8(inner).ok().map(Cow::Borrowed)
    }

    /// A number.
    pub(crate) fn as_int(self) -> Option<i64> {
        match self {
            Self::Tree(json) => json.as_int(),
            Self::Tape(value) => match value.shape()? {
                Shape::Int(int) => Some(int),
                _ => None,
            },
        }
    }

    /// A number that is not negative.
    pub(crate) fn as_uint(self) -> Option<u64> {
        u64::try_from(self.as_int()?).ok()
    }

    /// A truth value.
    pub(crate) fn as_bool(self) -> Option<bool> {
        match self {
            Self::Tree(json) => json.as_bool(),
            Self::Tape(value) => match value.shape()? {
                Shape::Bool(flag) => Some(flag),
                _ => None,
            },
        }
    }

    /// The items of an array.
    pub(crate) fn items(self) -> Option<impl Iterator<Item = Self>> {
        let (tree, tape) = match self {
            Self::Tree(json) => (Some(json.as_array()?), None),
            Self::Tape(value) if value.shape() == Some(Shape::Array) => {
                (None, Some(value.children()))
            }
            Self::Tape(_) => return None,
        };
        let tree = tree.into_iter().flatten().map(Self::Tree);
        Some(tree.chain(tape.into_iter().flatten().map(Self::Tape)))
    }

    /// A hash that is written in hexadecimal digits.
    pub(crate) fn as_hash(self) -> Option<crate::hash::Hash> {
        self.as_str()?.parse().ok()
    }

    /// The canonical bytes.
    pub(crate) fn canonical(self) -> Cow<'a, [u8]> {
        match self {
            Self::Tree(json) => Cow::Owned(json.canonical()),
            Self::Tape(value) => Cow::Borrowed(value.text()),
        }
    }
}
