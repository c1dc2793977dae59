//! Texts to policies, as deep as the engine can follow.
//!
//! Parsing calls itself once for every bracket: with about 130 within one another a thread of 2 MiB is at
//! its end, and the process with it. Types are looked at in the same manner, and from about 1,000 operators
//! within one another the engine's validator (4.14) finds nothing wrong, whatever there is. So texts are
//! counted before anybody parses them.

use std::ops::Range;

use cedar_policy::{ParseErrors, PolicySet};
use thiserror::Error;

/// Brackets and `if`s that may be within one another.
const MOST_BRACKETS: usize = 30;
/// Operators that may be within one another: `a || b || c` has two.
const MOST_OPERATORS: usize = 200;

/// Why a text is not a set of policies.
#[derive(Debug, Error)]
pub enum Unread {
    /// It is deeper than the engine can follow, from these bytes on.
    #[error(
        "more than {MOST_BRACKETS} brackets and ifs, or {MOST_OPERATORS} operators, are within one another here"
    )]
    Deep(Range<usize>),
    /// It is not Cedar.
    #[error(transparent)]
    Syntax(Box<ParseErrors>),
}

/// The policies of a text.
///
/// # Errors
/// When it is not Cedar, or deeper than the engine can follow.
pub fn policies(text: &str) -> Result<PolicySet, Unread> {
    match too_deep(text) {
        Some(place) => Err(Unread::Deep(place)),
        None => text
            .parse()
            .map_err(|errors| Unread::Syntax(Box::new(errors))),
    }
}

/// What is within one pair of brackets.
#[derive(Default)]
struct Level {
    /// What closes it.
    close: &'static str,
    /// `if`s and operators since the last comma.
    ifs: usize,
    operators: usize,
}

/// The first bytes that are too deep. A text that is not Cedar may be taken for deeper than it is, and
/// for no less.
fn too_deep(text: &str) -> Option<Range<usize>> {
    let mut levels = vec![Level::default()];
    let mut at = 0;
    while let Some(token) = token(text, at) {
        let word = text.get(token.clone()).unwrap_or_default();
        let outermost = levels.len() == 1;
        let level = levels.last_mut()?;
        match word {
            "(" | "[" | "{" => {
                // Calls and indices follow one another as operators do, and so do clauses of a policy;
                // annotations are not within one another.
                let follows = !outermost || word == "{";
                level.operators = level.operators.saturating_add(usize::from(follows));
                levels.push(Level {
                    close: closing(word),
                    ..Level::default()
                });
            }
            "if" => level.ifs = level.ifs.saturating_add(1),
            "||" | "&&" | "+" | "-" | "*" | "." | "!" => {
                level.operators = level.operators.saturating_add(1);
            }
            close if close == level.close => drop(levels.pop()),
            "," | ";" if outermost == (word == ";") => (level.ifs, level.operators) = (0, 0),
            _ => {}
        }
        let brackets: usize = levels
            .iter()
            .skip(1)
            .map(|it| it.ifs.saturating_add(1))
            .sum();
        let operators: usize = levels.iter().map(|it| it.operators).sum();
        if brackets > MOST_BRACKETS || operators > MOST_OPERATORS {
            return Some(token);
        }
        at = token.end;
    }
    None
}

fn closing(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

/// The next word, string or sign that begins at `from` or behind it.
fn token(text: &str, from: usize) -> Option<Range<usize>> {
    let start = blank(text, from);
    let rest = text.get(start..)?;
    let first = rest.chars().next()?;
    let in_word = |it: char| it.is_alphanumeric() || it == '_';
    let length = if first == '"' {
        string(rest).unwrap_or(rest.len())
    } else if in_word(first) {
        rest.find(|it| !in_word(it)).unwrap_or(rest.len())
    } else if rest.starts_with("||") || rest.starts_with("&&") {
        2
    } else {
        first.len_utf8()
    };
    Some(start..start.saturating_add(length))
}

/// Where white space and comments end.
pub(crate) fn blank(text: &str, from: usize) -> usize {
    let mut rest = text.get(from..).unwrap_or_default().trim_start();
    while rest.starts_with("//") {
        rest = rest
            .split_once(['\n', '\r'])
            .map_or("", |(_, rest)| rest)
            .trim_start();
    }
    text.len().saturating_sub(rest.len())
}

/// The bytes of the string that a text begins with.
pub(crate) fn string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('"')?;
    let mut escaped = false;
    let close = rest.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some(close.saturating_add(2))
}
