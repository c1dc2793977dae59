//! Where values stand in a text of JSON. Parsers of values forget that.

use std::ops::Range;

use serde::de::IgnoredAny;

/// A member of an object, or an element of an array.
pub(super) struct Child {
    /// Its name, or its number.
    pub(super) name: String,
    /// The bytes of its name; of an element nothing.
    pub(super) key: Range<usize>,
    /// The bytes of its value.
    pub(super) value: Range<usize>,
}

/// The bytes of the value that begins behind `from`.
pub(super) fn value(text: &str, from: usize) -> Option<Range<usize>> {
    let start = blank(text, from);
    let rest = text.get(start..)?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(start..start.saturating_add(values.byte_offset()))
}

/// What is in the object or array at `within`, as far as it can be read.
pub(super) fn children<'a>(
    text: &'a str,
    within: &Range<usize>,
) -> impl Iterator<Item = Child> + use<'a> {
    let begins = |at: usize, with: &[char]| text.get(at..).is_some_and(|it| it.starts_with(with));
    let object = begins(within.start, &['{']);
    // Every child follows the bracket or a comma.
    let mut from = Some(within.start).filter(|at| begins(*at, &['{', '[']));
    let mut number = 0_usize;
    std::iter::from_fn(move || {
        let child = child(text, from?.saturating_add(1), object, number)?;
        number = number.saturating_add(1);
        from = Some(blank(text, child.value.end)).filter(|at| begins(*at, &[',']));
        Some(child)
    })
}

fn child(text: &str, from: usize, object: bool, number: usize) -> Option<Child> {
    if !object {
        let value = value(text, from)?;
        let (name, key) = (number.to_string(), value.start..value.start);
        return Some(Child { name, key, value });
    }
    let key = value(text, from)?;
    let name = serde_json::from_str(text.get(key.clone())?).ok()?;
    let colon = blank(text, key.end);
    let value = value(text, colon.saturating_add(1))?;
    Some(Child { name, key, value })
}

/// The bytes of what `path` leads to, or of the last on the way that is there.
pub(super) fn at(text: &str, within: Range<usize>, path: &[impl AsRef<str>]) -> Range<usize> {
    let mut place = within;
    for name in path {
        let mut inside = children(text, &place);
        match inside.find(|child| child.name == name.as_ref()) {
            Some(child) => place = child.value,
            None => break,
        }
    }
    place
}

/// What leads to the byte at `offset`.
pub(super) fn path(text: &str, offset: usize) -> Vec<String> {
    let mut path = Vec::new();
    let mut within = value(text, 0).unwrap_or_default();
    loop {
        let mut inside = children(text, &within);
        let Some(child) = inside.find(|child| offset < child.value.end) else {
            return path;
        };
        path.push(child.name);
        within = child.value;
        if offset <= within.start {
            return path;
        }
    }
}

/// The last byte that a parser had read when it stopped.
pub(super) fn stopped(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n');
    let before = lines.take(error.line().saturating_sub(1));
    let start = before.map(str::len).sum::<usize>();
    start.saturating_add(error.column().saturating_sub(1))
}

/// What a parser says, without the place.
pub(super) fn said(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    error.to_string().replace(&place, "")
}

fn blank(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    text.len().saturating_sub(rest.trim_start().len())
}
