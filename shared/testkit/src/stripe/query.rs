//! The parameters of a request.

use serde_json::Value;

use super::answer::Refusal;

/// Decoded pairs in the order of the URL.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part behind `?`.
    pub(super) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The same request for the first page.
    pub(super) fn without_cursor(&self) -> Self {
        let rest = self.0.iter().filter(|(name, _)| name != "starting_after");
        Self(rest.cloned().collect())
    }

    /// Refuses parameters that the endpoint does not know, as Stripe does.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        const LISTS: [&str; 3] = ["limit", "starting_after", "expand[]"];
        let foreign = |name: &str| !known.contains(&name) && !LISTS.contains(&name);
        match self.0.iter().find(|(name, _)| foreign(name)) {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::parameter(
                "parameter_unknown",
                name,
                &format!("Received unknown parameter: {name}"),
            )),
        }
    }

    /// The page size: 10, or 1 to 100.
    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        let Some(text) = self.get("limit") else {
            return Ok(10);
        };
        text.parse()
            .ok()
            .filter(|limit| (1..=100).contains(limit))
            .ok_or_else(|| {
                Refusal::parameter(
                    "parameter_invalid_integer",
                    "limit",
                    "Invalid limit: 1 to 100",
                )
            })
    }

    /// Whether `created` of the object is in the range that was asked for.
    pub(super) fn created_fits(&self, object: &Value) -> bool {
        let created = object.get("created").and_then(Value::as_i64).unwrap_or(0);
        let bound = |name| {
            self.get(name)
                .and_then(|value: &str| value.parse::<i64>().ok())
        };
        bound("created[gte]").is_none_or(|bound| created >= bound)
            && bound("created[gt]").is_none_or(|bound| created > bound)
            && bound("created[lte]").is_none_or(|bound| created <= bound)
            && bound("created[lt]").is_none_or(|bound| created < bound)
    }
}

impl Query {
    /// The range of creation that was asked for, half open.
    pub(super) fn created_bounds(&self) -> (i64, i64) {
        let bound = |name| self.get(name).and_then(|value| value.parse::<i64>().ok());
        let from = bound("created[gte]").max(bound("created[gt]").map(|it| it.saturating_add(1)));
        let ends = [
            bound("created[lt]"),
            bound("created[lte]").map(|it| it.saturating_add(1)),
        ];
        let to = ends.into_iter().flatten().min();
        (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX))
    }
}

/// Names of the four bounds of `created`.
pub(super) const CREATED: [&str; 4] =
    ["created[gte]", "created[gt]", "created[lte]", "created[lt]"];

/// Percent-decodes; what is not well-formed stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|it| char::from(it).to_digit(16));
                let number = digit(rest.next()).zip(digit(rest.next()));
                let byte = number.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                bytes.push(byte.unwrap_or(b'%'));
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
