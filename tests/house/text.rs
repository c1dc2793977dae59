//! Promises about the source text itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of all tests in the tree.
pub(crate) fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["shared", "functions", "infra", "tests", "tools"] {
        for (_, text) in sources(folder) {
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                let line = line.strip_prefix("async ").unwrap_or(line);
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    marked = true;
                } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| marked) {
                    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
                    names.insert(rest.split_at(end.unwrap_or(rest.len())).0.to_owned());
                    marked = false;
                }
            }
        }
    }
    assert!(names.len() > 1_000, "found {} tests", names.len());
    names
}

pub(crate) fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut pending = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has no sources");
    files
}

/// "No write call to Stripe exists": the client's source names no method but GET.
#[test]
fn the_stripe_client_has_no_word_for_writing() {
    for (path, text) in sources("shared/stripe/src") {
        for word in [
            ".post(",
            ".put(",
            ".patch(",
            ".delete(",
            "Method::POST",
            "Method::DELETE",
            ".request(",
        ] {
            assert!(!text.contains(word), "{} contains {word}", path.display());
        }
    }
}

/// "The only UPDATE in the product": one file of the product writes the statement, and nothing else
/// writes to a customer's database.
#[test]
fn only_one_file_writes_to_a_customers_database() {
    for folder in [
        "shared/core/src",
        "shared/postgres/src",
        "shared/lambda/src",
        "functions",
    ] {
        for (path, text) in sources(folder) {
            // What is skipped here is in no build of the product.
            let own = ["mod tests;", "#[cfg(test)]\nmod tests;"].map(|it| text.matches(it).count());
            assert_eq!(own[0], own[1], "{}", path.display());
            let in_tests = |part: std::path::Component<'_>| part.as_os_str() == "tests";
            let inside = path.strip_prefix(root().join(folder)).unwrap();
            if path.ends_with("tests.rs") || inside.components().any(in_tests) {
                continue;
            }
            // Unit tests may quote statements.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let update = path.ends_with("shared/postgres/src/update.rs");
            assert_eq!(text.contains("\"UPDATE "), update, "{}", path.display());
            for word in ["\"INSERT INTO", "\"DELETE FROM", "\"TRUNCATE ", "\"DROP "] {
                assert!(!text.contains(word), "{} contains {word}", path.display());
            }
        }
    }
}

/// What an intermediary says about the caller can be said by the caller, too: nothing depends on it.
#[test]
fn no_function_believes_a_forwarded_header() {
    for folder in ["functions", "shared/lambda/src", "shared/core/src"] {
        for (path, text) in sources(folder) {
            let text = text.to_lowercase();
            for word in ["x-forwarded", "x-real-ip", "source_ip", "sourceip"] {
                assert!(!text.contains(word), "{} names {word}", path.display());
            }
        }
    }
}

/// docs/design/0005-governance.md: before the first decision under another baseline stands the entry that
/// says so. Only the port that announces it is wired where something is judged.
#[test]
fn what_records_decisions_announces_its_baseline() {
    let mut direct = BTreeSet::new();
    for (path, text) in sources("functions") {
        if text.contains(".evidence()") {
            let path = path.strip_prefix(root()).unwrap().to_owned();
            direct.insert(path.to_str().unwrap().to_owned());
        }
    }
    let judges_nothing = BTreeSet::from(["functions/archive/src/main.rs".to_owned()]);
    assert_eq!(direct, judges_nothing);
}

/// Every crate inherits the workspace's lints.
#[test]
fn every_crate_inherits_the_lints() {
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace.lines().filter_map(|line| {
        let line = line.trim();
        line.strip_prefix('"')
            .and_then(|rest| rest.strip_suffix("\","))
            .filter(|name| !name.contains(' '))
    });
    let mut count = 0;
    for member in members {
        let manifest = root().join(member).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{member} has lints of its own"
        );
        count += 1;
    }
    assert!(count >= 10, "found {count} members");
}

/// template.yaml sets exactly the variables that the product reads, and each is documented once.
#[test]
fn the_template_sets_the_variables_that_the_code_reads() {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let config = std::fs::read_to_string(root().join("shared/lambda/src/config.rs")).unwrap();
    let names: Vec<&str> = config
        .lines()
        .filter_map(|line| line.trim().split_once(" = \"")?.1.strip_suffix("\","))
        .filter(|name| {
            name.chars()
                .all(|letter| letter.is_ascii_uppercase() || letter == '_')
        })
        .collect();
    assert!(names.len() >= 14, "found {names:?}");
    for name in names {
        let local_only = name.starts_with("COUNTERFOIL_");
        let optional = matches!(name, "CHECK_DELAY_SECONDS" | "AWS_LAMBDA_RUNTIME_API");
        let set = template.contains(&format!("{name}:"));
        assert!(
            set != local_only || optional,
            "{name}: set by the template: {set}"
        );
    }
}

/// Fields that are named like a credential and are none, or that a library makes bare, with the reason.
const BARE: [(&str, &str, &str); 9] = [
    (
        "api/src/views/key.rs",
        "secret",
        "shown once, to whoever makes the key; the type has no Debug",
    ),
    (
        "shared/lambda/src/layers/rate.rs",
        "credential",
        "the id of a key or a person, not what they present",
    ),
    (
        "shared/core/src/sealed.rs",
        "secret",
        "borrowed from a Redacted, to be sealed",
    ),
    (
        "shared/core/src/usecases/vault.rs",
        "secret",
        "borrowed from a Redacted, to be sealed",
    ),
    (
        "login/issuer.rs",
        "access_token",
        "as the token endpoint writes it; kept as Redacted at once",
    ),
    (
        "login/issuer.rs",
        "id_token",
        "as the token endpoint writes it; looked at once",
    ),
    (
        "login/issuer.rs",
        "refresh_token",
        "as the token endpoint writes it; kept as Redacted at once",
    ),
    (
        "login/store.rs",
        "access_token",
        "as the user's own file of sign-ins holds it; the type has no Debug",
    ),
    (
        "login/store.rs",
        "refresh_token",
        "as the user's own file of sign-ins holds it; the type has no Debug",
    ),
];

/// A field whose name says that it is a credential.
fn is_credential(name: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let has = |word| words.contains(&word);
    let secret = [
        "secret",
        "password",
        "passphrase",
        "credential",
        "jwt",
        "bearer",
    ];
    let pairs = [
        ("api", "key"),
        ("stripe", "key"),
        ("data", "key"),
        ("plain", "key"),
        ("private", "key"),
        ("signing", "key"),
        ("read", "database"),
        ("repair", "database"),
        ("access", "token"),
        ("id", "token"),
        ("refresh", "token"),
        ("database", "url"),
        ("invitation", "token"),
    ];
    secret.into_iter().any(has) || pairs.iter().any(|(one, two)| has(one) && has(two))
}

/// Types in which a credential would be readable, printable and copied.
fn is_bare(of: &str) -> bool {
    let of = of.trim().trim_end_matches(',');
    let inner = of
        .strip_prefix("Option<")
        .or_else(|| of.strip_prefix("Vec<"))
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(of);
    matches!(
        inner,
        "String" | "Vec<u8>" | "Box<str>" | "Arc<str>" | "Bytes"
    ) || inner.starts_with("[u8;")
        || (inner.starts_with('&') && (inner.ends_with("str") || inner.ends_with("[u8]")))
}

/// Fields and parameters `name: Type` of a line.
fn declared(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ")?.1,
        None => line,
    };
    let (name, of) = line.split_once(": ")?;
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit();
    (name.chars().all(plain) && of.ends_with(',')).then_some((name, of))
}

/// A credential in clear is a `Redacted`, wherever the product declares a field or a parameter for it.
#[test]
fn no_field_that_is_named_like_a_credential_is_bare() {
    let mut found = Vec::new();
    let mut redacted = 0;
    for folder in [
        "shared/core/src",
        "shared/aws/src",
        "shared/stripe/src",
        "shared/postgres/src",
        "shared/lambda/src",
        "functions",
        "tools/cli/src",
    ] {
        for (path, text) in sources(folder) {
            let path = path.strip_prefix(root()).unwrap();
            let path = path.to_string_lossy().into_owned();
            if path.contains("/tests/") || path.starts_with("tests/") || path.ends_with("tests.rs")
            {
                continue;
            }
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (name, of) in text.lines().filter_map(declared) {
                let known = BARE
                    .iter()
                    .any(|(file, field, _)| path.ends_with(file) && *field == name);
                redacted += usize::from(of.contains("Redacted<"));
                if is_credential(name) && is_bare(of) && !known {
                    found.push(format!("{path}: {name}: {of}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(
        redacted > 15,
        "only {redacted} declarations of a Redacted were seen"
    );
}
