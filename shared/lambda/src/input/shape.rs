//! What every JSON body must keep, whatever its route: depth, length of texts, one value per name.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::push;
use crate::Problem;

/// Objects and lists inside one another, at most.
pub const MAX_DEPTH: usize = 16;
/// Bytes of one text, at most, unless a route says otherwise.
pub const MAX_STRING: usize = 4_096;
/// Bytes of a name that an answer repeats.
const MAX_NAME: usize = 128;

/// What a document broke, and where.
struct Fault {
    pointer: String,
    rule: String,
}

/// The walk: where it is, and what it found.
struct Walk {
    path: Vec<String>,
    longest: usize,
    fault: Option<Fault>,
}

impl Walk {
    fn refuse<E: de::Error>(&mut self, rule: impl Into<String>) -> E {
        let mut pointer = String::new();
        for step in &self.path {
            push(&mut pointer, step);
        }
        self.fault = Some(Fault {
            pointer,
            rule: rule.into(),
        });
        E::custom("refused")
    }

    fn text<E: de::Error>(&mut self, text: &str) -> Result<(), E> {
        if text.len() <= self.longest {
            return Ok(());
        }
        let longest = self.longest;
        Err(self.refuse(format!(
            "is longer than {longest} bytes, the most that is taken: shorten it"
        )))
    }

    fn enter<E: de::Error>(&mut self) -> Result<(), E> {
        if self.path.len() < MAX_DEPTH {
            return Ok(());
        }
        Err(self.refuse(format!(
            "is nested deeper than {MAX_DEPTH}, the most that is taken: flatten it"
        )))
    }
}

/// Looks at one value.
struct Look<'a>(&'a mut Walk);

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.0.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.enter()?;
        let mut index: usize = 0;
        loop {
            self.0.path.push(index.to_string());
            let more = items.next_element_seed(Look(self.0))?.is_some();
            self.0.path.pop();
            if !more {
                return Ok(());
            }
            index = index.saturating_add(1);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        self.0.enter()?;
        let mut names = BTreeSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            if name.len() > MAX_NAME {
                let rule = format!("has a field whose name is longer than {MAX_NAME} bytes");
                return Err(self.0.refuse(rule));
            }
            self.0.path.push(name.clone());
            if names.contains(&name) {
                return Err(self.0.refuse("is there twice: send it once"));
            }
            names.insert(name);
            fields.next_value_seed(Look(self.0))?;
            self.0.path.pop();
        }
        Ok(())
    }
}

/// Refuses what no route takes.
pub(super) fn check(bytes: &[u8], longest: usize) -> Result<(), Problem> {
    let mut walk = Walk {
        path: Vec::new(),
        longest,
        fault: None,
    };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = Look(&mut walk)
        .deserialize(&mut json)
        .and_then(|()| json.end());
    match (read, walk.fault) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(fault)) => Err(Problem::invalid(fault.pointer, fault.rule)),
        (Err(error), None) => Err(Problem::invalid(
            "",
            format!(
                "is not JSON from line {}, column {} on: send one JSON object",
                error.line(),
                error.column()
            ),
        )),
    }
}
