//! Everything in a text of JSON that has another form than it must have. A parser stops at the first;
//! here what it stopped at is put right in a copy, and it goes on.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::found::MOST;
use super::{Finding, spans};
use crate::closest::closest;

/// Bytes that are read, again and again, to find the faults of one value.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// What the parser says then, before the name; likewise below.
const MISSING: &str = "missing field";
const UNKNOWN: &str = "unknown field";
const DUPLICATE: &str = "duplicate field";

/// Something that has another form.
pub(super) struct Fault {
    /// What leads to it.
    pub(super) path: Vec<String>,
    place: Range<usize>,
    detail: String,
    help: Option<String>,
}

impl Fault {
    /// In a file; `help` where nothing better is known.
    pub(super) fn finding(self, file: &str, text: &str, help: &str) -> Finding {
        let path = self.path.join("/");
        let detail = match self.detail.as_str() {
            detail if detail.starts_with(MISSING) => format!("`{path}` is missing"),
            detail if detail.starts_with(UNKNOWN) => format!("there is no field `{path}`"),
            detail if path.is_empty() => detail.to_owned(),
            detail => format!("`{path}`: {detail}"),
        };
        let help = self.help.unwrap_or_else(|| help.to_owned());
        Finding::at(file, text, self.place, detail, help)
    }
}

/// That a text is not JSON at all, and where.
pub(super) fn broken(file: &str, text: &str, what: &str, help: &str) -> Option<Finding> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let at = spans::stopped(text, &error);
    let detail = format!("{what}: {}", spans::said(&error));
    Some(Finding::at(
        file,
        text,
        at..at.saturating_add(1),
        detail,
        help,
    ))
}

/// Reads the value at `within`, and says everything that has another form than `model`, a good one.
/// Where something has, what is read holds what the model has. At some number, or sooner in a long
/// value, it stops and says that there is more.
pub(super) fn read<T: DeserializeOwned>(
    text: &str,
    within: &Range<usize>,
    model: &Value,
) -> (Option<T>, Vec<Fault>, bool) {
    let most = MOST_BYTES
        .checked_div(within.len())
        .unwrap_or(MOST)
        .clamp(1, MOST);
    let mut said = text.get(within.clone()).unwrap_or_default().to_owned();
    let mut faults = Vec::new();
    loop {
        let error = match serde_json::from_str(&said) {
            Ok(read) => return (Some(read), faults, false),
            Err(_) if faults.len() >= most => return (None, faults, true),
            Err(error) => error,
        };
        let detail = spans::said(&error);
        let mut path = spans::path(&said, spans::stopped(&said, &error));
        if detail.starts_with(MISSING) {
            path.extend(detail.split('`').nth(1).map(str::to_owned));
        }
        let again = |fault: &Fault| fault.path == path && fault.detail == detail;
        if faults.last().is_some_and(again) {
            return (None, faults, false);
        }
        let value = serde_json::from_str::<Value>(&said);
        let mut value = value.unwrap_or_default();
        let help = mend(&mut value, model, &path, &detail);
        let place = place(text, within, &path, detail.starts_with(UNKNOWN));
        faults.push(Fault {
            path,
            place,
            detail,
            help,
        });
        said = value.to_string();
    }
}

fn place(text: &str, within: &Range<usize>, path: &[String], key: bool) -> Range<usize> {
    let Some((name, above)) = path.split_last() else {
        return within.clone();
    };
    let above = spans::at(text, within.clone(), above);
    // What counts of two is the last.
    let named = spans::children(text, &above).filter(|it| it.name == *name);
    match named.last() {
        Some(child) if key => child.key,
        Some(child) => child.value,
        None => above,
    }
}

/// Makes it good; what would have been, where that is not the same for everything of this kind.
fn mend(value: &mut Value, model: &Value, path: &[String], detail: &str) -> Option<String> {
    if detail.starts_with(DUPLICATE) {
        // The copy holds it once already.
        return Some("keep one of them".to_owned());
    }
    let good = like(model, path).clone();
    let (Some((name, above)), true) = (
        path.split_last(),
        detail.starts_with(MISSING) || detail.starts_with(UNKNOWN),
    ) else {
        let help = (!path.is_empty()).then(|| format!("for example {good}"));
        *inside(value, path)? = good;
        return help;
    };
    let object = inside(value, above)?.as_object_mut()?;
    if detail.starts_with(MISSING) {
        let help = format!("add it, for example \"{name}\": {good}");
        object.insert(name.clone(), good);
        return Some(help);
    }
    let said = object.remove(name).unwrap_or_default();
    let known = like(model, above).as_object()?;
    let missing = known.keys().filter(|known| !object.contains_key(*known));
    let Some(meant) = closest(name, missing.map(String::as_str)) else {
        return Some("take it away".to_owned());
    };
    object.insert(meant.to_owned(), said);
    Some(format!("write `{meant}`, or take it away"))
}

fn inside<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Array(elements) => elements.get_mut(name.parse::<usize>().ok()?),
        value => value.get_mut(name),
    })
}

/// What the model has there; its lists have one element, like all.
fn like<'a>(model: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(model, |model, name| {
        match model {
            Value::Array(elements) => elements.first(),
            model => model.get(name),
        }
        .unwrap_or(&Value::Null)
    })
}
