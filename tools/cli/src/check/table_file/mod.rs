//! The app's side from a CSV export: a first audit without access to the database.
//!
//! The columns are those that the mapping names, found by the header; what a value means follows from
//! the column's role. The file is read whenever rows are asked for and never kept. It proves nothing
//! about the table's types, keys or rights, so nothing that it leads to can be repaired.

mod header;
mod quotes;
mod value;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use counterfoil_core::cell::{AppRow, Cell, TableShape};
use counterfoil_core::mapping::{Artifact, TableColumns};
use counterfoil_core::ports::{AppInspector, Completeness, PortError, PortErrorKind, TakeRows};
use csv::{ByteRecord, Reader, ReaderBuilder};
use thiserror::Error;

use header::Header;
use quotes::Quotes;

/// Why a file is not the table that the mapping means. Never shows a value.
#[derive(Debug, Error)]
pub(super) enum TableFileError {
    #[error("{path} could not be read")]
    Unreadable {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not UTF-8 (it begins like UTF-16): save it as \"CSV UTF-8\"")]
    Utf16 { path: String },
    #[error("{path} is empty: the first line must name the columns")]
    Empty { path: String },
    #[error("{path}: {problem}")]
    Header { path: String, problem: String },
    #[error("line {line} of {path}: {problem}")]
    Line {
        path: String,
        line: u64,
        problem: String,
    },
    #[error("line {line} of {path}, column `{column}`: {rule}")]
    Value {
        path: String,
        line: u64,
        column: String,
        rule: &'static str,
    },
    #[error(
        "{path} has an odd number of quotation marks: one is not closed, or one inside a value is not \
         doubled, so lines may have been swallowed"
    )]
    Quotes { path: String },
}

/// A CSV file with one row per subject.
#[derive(Debug)]
pub(super) struct TableFile {
    path: PathBuf,
    delimiter: u8,
    header: Header,
}

impl TableFile {
    /// Finds the delimiter and the columns.
    pub(super) fn open(
        path: &Path,
        delimiter: Option<u8>,
        artifact: &Artifact,
    ) -> Result<Self, TableFileError> {
        let shown = path.display().to_string();
        let first = header::first_line(path)?;
        let delimiter = delimiter.unwrap_or_else(|| header::delimiter(&first));
        let mut reader = reader(path, delimiter)?;
        let names = reader
            .headers()
            .map_err(|error| unreadable(&shown, &error))?
            .clone();
        let header = Header::find(&names, delimiter, artifact).map_err(|problem| {
            TableFileError::Header {
                path: shown,
                problem,
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            delimiter,
            header,
        })
    }

    fn each(&self, each: &mut dyn FnMut(AppRow)) -> Result<(), TableFileError> {
        let path = || self.path.display().to_string();
        let mut reader = reader(&self.path, self.delimiter)?;
        let mut record = ByteRecord::new();
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        while reader
            .read_byte_record(&mut record)
            .map_err(|error| unreadable(&path(), &error))?
        {
            let line = record.position().map_or(0, csv::Position::line);
            let row = self.row(&record, line)?;
            if let Some(earlier) = lines.insert(row.key.text(), line) {
                return Err(TableFileError::Line {
                    path: path(),
                    line,
                    problem: format!(
                        "the value of the primary key `{}` stands in line {earlier} as well: one line \
                         per row is needed",
                        self.header.key.name
                    ),
                });
            }
            each(row);
        }
        if reader.get_ref().get_ref().is_odd() {
            return Err(TableFileError::Quotes { path: path() });
        }
        Ok(())
    }

    fn row(&self, record: &ByteRecord, line: u64) -> Result<AppRow, TableFileError> {
        let cell = |column: &header::Column| {
            let bytes = record.get(column.place).unwrap_or_default();
            let text = std::str::from_utf8(bytes)
                .map_err(|_| "it is not UTF-8: save the file as \"CSV UTF-8\"");
            text.and_then(|text| value::cell(text, column.role))
                .map_err(|rule| TableFileError::Value {
                    path: self.path.display().to_string(),
                    line,
                    column: column.name.clone(),
                    rule,
                })
        };
        let key = cell(&self.header.key)?;
        if key == Cell::Null {
            return Err(TableFileError::Value {
                path: self.path.display().to_string(),
                line,
                column: self.header.key.name.clone(),
                rule: "the primary key is empty",
            });
        }
        let cells = self.header.columns.iter().map(cell);
        Ok(AppRow {
            key,
            cells: cells.collect::<Result<_, _>>()?,
        })
    }
}

fn reader(path: &Path, delimiter: u8) -> Result<Reader<BufReader<Quotes>>, TableFileError> {
    let failed = |source| TableFileError::Unreadable {
        path: path.display().to_string(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    let skipped = header::mark(&mut file).map_err(failed)?;
    file.seek(SeekFrom::Start(skipped)).map_err(failed)?;
    Ok(ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(BufReader::new(Quotes::new(file))))
}

/// The library's message could quote the line; its kind and place say enough.
fn unreadable(path: &str, error: &csv::Error) -> TableFileError {
    let line = error.position().map_or(0, csv::Position::line);
    let path = path.to_owned();
    let problem = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("it has {len} values, the header names {expected_len} columns"),
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8: save the file as \"CSV UTF-8\"".to_owned(),
        csv::ErrorKind::Io(error) => format!("it could not be read ({})", error.kind()),
        _ => "it is not CSV".to_owned(),
    };
    TableFileError::Line {
        path,
        line,
        problem,
    }
}

fn failed(error: TableFileError) -> PortError {
    PortError::caused(PortErrorKind::Refused, "reading the CSV file", error)
}

#[async_trait]
impl AppInspector for TableFile {
    /// Nothing can be written through a file.
    async fn writable(&self) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }

    /// A file says nothing about types and keys.
    async fn columns(&self, _: &str, _: &str) -> Result<Option<TableColumns>, PortError> {
        Ok(None)
    }

    async fn rows(
        &self,
        _: &TableShape,
        each: &mut TakeRows<'_>,
    ) -> Result<Completeness, PortError> {
        self.each(&mut |row| each(std::slice::from_ref(&row)))
            .map_err(failed)?;
        Ok(Completeness::Complete)
    }

    async fn rows_where(
        &self,
        table: &TableShape,
        column: &str,
        values: &[String],
        ignore_case: bool,
    ) -> Result<Vec<AppRow>, PortError> {
        let place = table.columns.iter().position(|name| name == column);
        let same = |text: &str| {
            values.iter().any(|value| {
                value == text || (ignore_case && value.to_lowercase() == text.to_lowercase())
            })
        };
        let mut found = Vec::new();
        self.each(&mut |row| {
            let cell = place.map_or(Some(&row.key), |place| row.cells.get(place));
            if cell.is_some_and(|cell| *cell != Cell::Null && same(&cell.text())) {
                found.push(row);
            }
        })
        .map_err(failed)?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
