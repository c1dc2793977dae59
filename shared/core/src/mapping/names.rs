//! Names of tables and columns: what may be written, what may never be read.

pub use counterfoil_policy::closest;

use super::error::MappingError;

/// Longest identifier of Postgres in bytes (`NAMEDATALEN` - 1); longer ones are cut silently.
const MAX_BYTES: usize = 63;

/// Parts of names behind which secrets lie. The product has no business with such a column.
const DENIED_PARTS: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "hash",
    "salt",
    "api_key",
    "apikey",
    "private_key",
    "privatekey",
    "credential",
    "social_security",
    "card_number",
    "cardnumber",
];

/// The same, too short to be looked for inside of other words (`discard`, `shipping`).
const DENIED_WORDS: [&str; 14] = [
    "pwd", "pw", "ssn", "cvv", "cvc", "card", "pan", "pin", "otp", "totp", "mfa", "iban",
    "passport", "session",
];

/// Everything that is denied.
#[cfg(test)]
pub(super) fn denied_names() -> impl Iterator<Item = &'static str> {
    DENIED_PARTS.into_iter().chain(DENIED_WORDS)
}

/// The part of `name` for which a column is never read or written.
pub fn denied(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let part = DENIED_PARTS.iter().find(|part| lower.contains(**part));
    part.or_else(|| {
        let words = words(name);
        DENIED_WORDS
            .iter()
            .find(|denied| words.iter().any(|word| word == *denied))
    })
    .copied()
}

/// The words of `snake_case` and `camelCase`, in lower case.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_lower = false;
    for letter in name.chars() {
        let separates = !letter.is_alphanumeric();
        if (separates || (before_lower && letter.is_uppercase()))
            && words.last().is_some_and(|word| !word.is_empty())
        {
            words.push(String::new());
        }
        if !separates && let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
        before_lower = letter.is_lowercase() || letter.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Checks one identifier.
pub(super) fn check(field: &str, name: &str) -> Option<MappingError> {
    if name.is_empty() || name.len() > MAX_BYTES {
        return Some(MappingError::new(
            field,
            format!("a name has 1 to {MAX_BYTES} bytes"),
            "use the name that the database shows",
        ));
    }
    let start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let inner = |byte: u8| start(byte) || byte.is_ascii_digit() || byte == b'$';
    let mut bytes = name.bytes();
    if !bytes.next().is_some_and(start) || !bytes.all(inner) {
        return Some(MappingError::new(
            field,
            "a name has letters, digits, `_` and `$`, and does not begin with a digit",
            "use a column with such a name, or rename it",
        ));
    }
    None
}

/// Checks a column: an identifier that does not look like a secret.
pub(super) fn check_column(field: &str, name: &str) -> Option<MappingError> {
    check(field, name).or_else(|| {
        let denied = denied(name)?;
        Some(MappingError::new(
            field,
            format!("columns whose name contains `{denied}` are never read"),
            "use another column",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_need_no_quotes() {
        for good in ["id", "_x", "Plan$2", "a_very_long_but_allowed_name"] {
            assert_eq!(check("f", good), None, "{good}");
        }
        let long = "x".repeat(64);
        for bad in [
            "",
            "2x",
            "a b",
            "a\"b",
            "a;drop",
            "a\0b",
            "a.b",
            "größe",
            long.as_str(),
        ] {
            assert!(check("f", bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn columns_with_secrets_are_refused() {
        for bad in [
            "password",
            "Password_Digest",
            "api_token",
            "pw_hash",
            "apiKey",
            "card_last4",
            "cardLast4",
            "ssn",
            "user_pin",
            "client_secret",
            "social_security_no",
        ] {
            assert!(check_column("f", bad).is_some(), "{bad}");
        }
        for good in [
            "plan",
            "discarded",
            "shipping",
            "company",
            "wildcard_ok",
            "key_account",
        ] {
            assert_eq!(check_column("f", good), None, "{good}");
        }
    }

    #[test]
    fn the_closest_name_is_suggested() {
        let known = ["plan", "premium", "stripe_customer_id"];
        assert_eq!(closest("premum", known.into_iter()), Some("premium"));
        assert_eq!(
            closest("stripe_customer", known.into_iter()),
            Some("stripe_customer_id")
        );
        assert_eq!(closest("zebra", known.into_iter()), None);
    }
}
