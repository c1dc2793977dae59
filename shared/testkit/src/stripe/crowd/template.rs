//! JSON with holes: an object of the sample is made once, and then only what differs is put in.

use std::fmt::Write as _;

use serde_json::Value;

/// What stands in a hole.
#[derive(Debug, Clone, Copy)]
pub(super) enum Filling<'a> {
    Text(&'a str),
    Number(i64),
}

/// An object's text with holes.
#[derive(Debug)]
pub(super) struct Template {
    /// Text, and the hole behind it; the last one has none.
    parts: Vec<(String, Option<usize>)>,
}

impl Template {
    /// Cuts `object` wherever one of the marks occurs; each mark is a hole of its place.
    pub(super) fn new(object: &Value, marks: &[&str]) -> Self {
        let mut parts = Vec::new();
        let mut text = object.to_string();
        loop {
            let found = marks.iter().enumerate().filter_map(|(hole, mark)| {
                let at = text.find(mark)?;
                Some((at, hole, mark.len()))
            });
            let Some((at, hole, length)) = found.min() else {
                parts.push((text, None));
                return Self { parts };
            };
            let mut rest = text.split_off(at);
            parts.push((text, Some(hole)));
            text = rest.split_off(length);
        }
    }

    /// Writes the object.
    pub(super) fn fill(&self, fillings: &[Filling<'_>], to: &mut String) {
        for (text, hole) in &self.parts {
            to.push_str(text);
            match hole.and_then(|hole| fillings.get(hole)) {
                Some(Filling::Text(filling)) => to.push_str(filling),
                // Writing to a String cannot fail.
                Some(Filling::Number(number)) => {
                    let _ = write!(to, "{number}");
                }
                None => {}
            }
        }
    }
}
