//! From the text that people write to the artifact that runs, with the line of everything that is
//! wrong.

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::artifact::Artifact;
use super::compile::compile;
use super::document::Mapping;
use super::error::{MappingErrors, TextPlace};

/// How a mapping is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingFormat {
    /// As in `counterfoil.toml`.
    Toml,
    /// The same document as JSON.
    Json,
}

impl MappingFormat {
    /// The name, as requests write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Json => "json",
        }
    }
}

/// Reads and compiles a mapping.
///
/// # Errors
/// Everything that is wrong with it. In TOML each error says where; of JSON the parser tells no places
/// but that of what is no JSON at all.
pub fn read(text: &str, format: MappingFormat) -> Result<Artifact, MappingErrors> {
    let document = match format {
        MappingFormat::Toml => Mapping::from_toml(text),
        MappingFormat::Json => Mapping::from_json(text.as_bytes()),
    };
    let compiled = document.and_then(|document| compile(&document));
    compiled.map_err(|errors| match format {
        MappingFormat::Toml => located(errors, text),
        MappingFormat::Json => errors,
    })
}

fn located(errors: MappingErrors, text: &str) -> MappingErrors {
    let Ok(table) = DeTable::parse(text) else {
        return errors;
    };
    errors.placed(|field| {
        let at = offset(table.get_ref(), field)?;
        TextPlace::of(text, at)
    })
}

/// Where `plans[1].match.price` begins: the key itself or, where it is missing, the innermost thing
/// around it that is there.
fn offset(table: &DeTable<'_>, field: &str) -> Option<usize> {
    let mut here = Here::Table(table);
    let mut found = None;
    for step in field.split(['.', '[']) {
        let step = step.trim_end_matches(']');
        let next = match here {
            Here::Table(table) => {
                let mut entries = table.iter();
                let entry = entries.find(|(key, _)| key.get_ref() == step);
                entry.map(|(key, value)| (key.span().start, value.get_ref()))
            }
            Here::Value(DeValue::Table(table)) => {
                let mut entries = table.iter();
                let entry = entries.find(|(key, _)| key.get_ref() == step);
                entry.map(|(key, value)| (key.span().start, value.get_ref()))
            }
            Here::Value(DeValue::Array(items)) => {
                let index = step.parse().ok();
                let item = index.and_then(|index: usize| items.get(index));
                item.map(|item| (item.span().start, item.get_ref()))
            }
            Here::Value(_) => None,
        };
        let Some((start, value)) = next else {
            break;
        };
        found = Some(start);
        here = Here::Value(value);
    }
    found
}

enum Here<'a> {
    Table(&'a DeTable<'a>),
    Value(&'a DeValue<'a>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, format: MappingFormat) -> Vec<(String, Option<(usize, usize)>)> {
        let errors = read(text, format).unwrap_err();
        let errors = errors.iter();
        errors
            .map(|error| {
                let place = error.place.map(|place| (place.line, place.column));
                (error.field.clone(), place)
            })
            .collect()
    }

    const WRONG: &str = r#"[match]
table = "app_users"
primary_key = "id"
keys = [{ stripe = "customer.id", column = "stripe_customer_id" }]

[access]
plan = { column = "plan", none = "free" }

[[plans]]
name = "pro"
rank = 1
match = { price = ["price_pro"] }

[[plans]]
name = "team"
rnak = 2
match = { price = ["price_team"] }
"#;

    #[test]
    fn each_error_of_a_toml_document_says_its_line() {
        let misspelt = places(WRONG, MappingFormat::Toml);
        assert_eq!(
            misspelt,
            [
                ("plans[1].rank".to_owned(), Some((14, 1))),
                ("plans[1].rnak".to_owned(), Some((16, 1))),
            ]
        );
        let unqualified = places(&WRONG.replace("rnak", "rank"), MappingFormat::Toml);
        assert_eq!(unqualified, [("match.table".to_owned(), Some((2, 1)))]);
        let inline = places(
            &WRONG
                .replace("rnak", "rank")
                .replace("\"app_users\"", "\"public.app_users\"")
                .replace("column = \"plan\"", "column = \"password\""),
            MappingFormat::Toml,
        );
        assert_eq!(inline, [("access.plan.column".to_owned(), Some((7, 10)))]);
    }

    #[test]
    fn what_is_no_document_says_where_it_breaks() {
        let toml = places("[match]\ntable = \n", MappingFormat::Toml);
        assert_eq!(toml, [("line 2".to_owned(), Some((2, 9)))]);
        let json = places("{\n  \"match\": }", MappingFormat::Json);
        assert_eq!(json, [("line 2".to_owned(), Some((2, 12)))]);
        let nothing = places("", MappingFormat::Json);
        assert_eq!(nothing, [("line 1".to_owned(), Some((1, 1)))]);
    }
}
