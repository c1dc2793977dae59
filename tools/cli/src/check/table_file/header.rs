//! The first line: which delimiter, which columns, and where.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use counterfoil_core::mapping::{Artifact, closest};
use csv::StringRecord;

use super::TableFileError;
use super::value::Role;

/// What may separate values, the most usual first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
/// A header that is longer is none.
const MAX_LINE: u64 = 1 << 20;

/// A column that the mapping reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its place in a line.
    pub(super) place: usize,
    pub(super) role: Role,
}

/// The columns that the mapping reads, in its order.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) key: Column,
    pub(super) columns: Vec<Column>,
}

impl Header {
    /// Finds every column of the mapping. The error names all that are missing.
    pub(super) fn find(
        names: &StringRecord,
        delimiter: u8,
        artifact: &Artifact,
    ) -> Result<Self, String> {
        let names: Vec<&str> = names.iter().map(str::trim).collect();
        let table = artifact.table();
        let mut problems = Vec::new();
        let mut find = |name: &str, role: Role| {
            let mut places = (0..).zip(&names).filter(|(_, it)| **it == name);
            let place = places.next().map(|(place, _)| place);
            if place.is_none() {
                problems.push(missing(name, &names));
            } else if places.next().is_some() {
                problems.push(format!(
                    "the header names `{name}` twice: remove one of them"
                ));
            }
            Column {
                name: name.to_owned(),
                place: place.unwrap_or_default(),
                role,
            }
        };
        let key = find(&table.key, Role::Text);
        let roles = Role::of(artifact);
        let columns = (0..)
            .zip(&table.columns)
            .map(|(place, name)| find(name, roles.get(&place).copied().unwrap_or(Role::Text)))
            .collect();
        if problems.is_empty() {
            return Ok(Self { key, columns });
        }
        if names.len() == 1 {
            problems.push(format!(
                "only one column was found, separated by {}: name another with --delimiter",
                shown(delimiter)
            ));
        } else {
            problems.push(format!("the header names {}", names.join(", ")));
        }
        Err(problems.join("; "))
    }
}

fn missing(name: &str, names: &[&str]) -> String {
    let near = closest(name, names.iter().copied());
    let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    format!("the mapping reads the column `{name}`, which is not in the header{near}")
}

fn shown(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tabs".to_owned(),
        other => format!("`{}`", char::from(other)),
    }
}

/// The first line without a byte order mark.
pub(super) fn first_line(path: &Path) -> Result<Vec<u8>, TableFileError> {
    let shown = || path.display().to_string();
    let failed = |source| TableFileError::Unreadable {
        path: shown(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(failed)?).take(MAX_LINE);
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line).map_err(failed)?;
    if line.starts_with(&[0xff, 0xfe]) || line.starts_with(&[0xfe, 0xff]) {
        return Err(TableFileError::Utf16 { path: shown() });
    }
    let line = line.strip_prefix(&UTF8_MARK[..]).unwrap_or(&line);
    if line.iter().all(u8::is_ascii_whitespace) {
        return Err(TableFileError::Empty { path: shown() });
    }
    Ok(line.to_vec())
}

/// How many bytes of a byte order mark come first.
pub(super) fn mark(file: &mut File) -> io::Result<u64> {
    let mut start = Vec::new();
    file.take(3).read_to_end(&mut start)?;
    Ok(if start == UTF8_MARK { 3 } else { 0 })
}

/// The delimiter that stands most often in the header, outside of quotation marks.
pub(super) fn delimiter(line: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quoted = false;
    for byte in line {
        quoted ^= *byte == b'"';
        for (count, delimiter) in counts.iter_mut().zip(DELIMITERS) {
            *count = count.saturating_add(usize::from(!quoted && *byte == delimiter));
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    let found = counts
        .iter()
        .zip(DELIMITERS)
        .find(|(count, _)| **count == most);
    found.map_or(b',', |(_, delimiter)| delimiter)
}
