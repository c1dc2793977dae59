//! A mapping in a file. What is wrong with it is told as compilers do: file, line, column, and the fix.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use counterfoil_core::mapping::{Artifact, MappingErrors, MappingFormat, read};

/// A mapping as somebody wrote it, and what it compiles to.
pub(crate) struct MappingFile {
    pub(crate) text: String,
    pub(crate) format: MappingFormat,
    pub(crate) artifact: Artifact,
}

impl MappingFile {
    /// Reads a file: JSON where its name says so, otherwise TOML.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            let instead = if path.exists() {
                ""
            } else {
                "; `counterfoil init` writes a first one"
            };
            format!("the mapping {} could not be read{instead}", path.display())
        })?;
        let is_json = path.extension().is_some_and(|it| it == "json");
        let format = if is_json {
            MappingFormat::Json
        } else {
            MappingFormat::Toml
        };
        let artifact = read(&text, format).map_err(|errors| anyhow!(told(path, &errors)))?;
        Ok(Self {
            text,
            format,
            artifact,
        })
    }
}

fn told(path: &Path, errors: &MappingErrors) -> String {
    let file = path.display();
    let lines = errors.iter().map(|error| match error.place {
        Some(place) => format!("{file}:{}:{}: {error}", place.line, place.column),
        None => format!("{file}: {error}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}
