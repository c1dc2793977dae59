//! The API document: docs/openapi.json is what the routes of all functions say of themselves, put
//! together, and nothing else.

#[cfg(test)]
mod headers;
#[cfg(test)]
mod made;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod template;
