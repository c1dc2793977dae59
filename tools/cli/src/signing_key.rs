//! Keys that sign rules, as people compare them and ask for them.

use counterfoil_policy::bundle::PublicKey;

use crate::plain::shown;

/// The fingerprint of a public key, with that of the key that stops to sign; empty where none does.
pub(crate) fn named(public_key: &str, replaces: &str) -> String {
    let key = PublicKey::parse(public_key);
    let key = key.map_or_else(|_| shown(public_key), |key| key.fingerprint());
    match replaces {
        "" => key,
        old => format!("{key} in place of {}", shown(old)),
    }
}

/// The command with which another owner asks for the same. Without the key that it replaces it would ask
/// for something else, and take the place of what waits.
pub(crate) fn command(replaces: &str) -> String {
    match replaces {
        "" => "counterfoil policy key FILE".to_owned(),
        old => format!("counterfoil policy key FILE --replaces {}", shown(old)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_fingerprint_and_a_replacement_by_both() {
        // RFC 8032, section 7.1, test 1.
        let key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let fingerprint = PublicKey::parse(key).unwrap().fingerprint();
        assert!(fingerprint.starts_with("sha256:"));
        assert_eq!(named(key, ""), fingerprint);
        assert_eq!(
            named(key, "sha256:ab"),
            format!("{fingerprint} in place of sha256:ab")
        );
        assert_eq!(named("\u{1b}[2J", ""), "\\u{1b}[2J");
        assert_eq!(command(""), "counterfoil policy key FILE");
        assert!(command("sha256:ab").ends_with(" FILE --replaces sha256:ab"));
    }
}
