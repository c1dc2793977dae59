//! docs/security.txt is valid (RFC 9116) and does not end unnoticed, and SECURITY.md keeps its word.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use counterfoil_core::time::Timestamp;

const DAY: Duration = Duration::from_hours(24);

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// Fields by lower-case name, as they stand; or what is wrong (RFC 9116 section 2 and 4).
fn fields(text: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once(": ").ok_or(format!("no field: {line}"))?;
        let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        if name.is_empty() || !name.chars().all(letters) {
            return Err(format!("no field name: {line}"));
        }
        if value.is_empty() || value.trim() != value || !value.is_ascii() {
            return Err(format!("no value: {line}"));
        }
        let values = fields.entry(name.to_ascii_lowercase()).or_default();
        values.push(value.to_owned());
    }
    Ok(fields)
}

fn check(text: &str, now: Duration) -> Result<(), String> {
    let fields = fields(text)?;
    let known = [
        "contact",
        "expires",
        "preferred-languages",
        "canonical",
        "policy",
    ];
    if let Some(other) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("{other} is not known here"));
    }
    let all = |name: &str| fields.get(name).ok_or(format!("{name} is missing"));
    let once = |name: &str| match all(name)?.as_slice() {
        [one] => Ok(one),
        _ => Err(format!("{name} stands there more than once")),
    };
    let web = |uri: &String| uri.starts_with("https://");
    let contacts = all("contact")?;
    if !contacts
        .iter()
        .all(|uri| web(uri) || uri.starts_with("mailto:") || uri.starts_with("tel:"))
    {
        return Err("contact is no address".to_owned());
    }
    let policy = all("policy")?.iter().all(web);
    let own = all("canonical")?
        .iter()
        .all(|uri| web(uri) && uri.ends_with("/.well-known/security.txt"));
    if !policy || !own {
        return Err("policy or canonical is no address of ours".to_owned());
    }
    if !once("preferred-languages")?
        .split(", ")
        .all(|tag| tag.len() >= 2)
    {
        return Err("preferred-languages is no list".to_owned());
    }
    let expires: Timestamp = once("expires")?
        .parse()
        .map_err(|_| "expires is no time".to_owned())?;
    let left = Duration::from_millis(expires.as_millis())
        .checked_sub(now)
        .ok_or("it has expired")?;
    match left {
        left if left < DAY * 60 => {
            Err("it expires within 60 days: look at it, then set a new date".to_owned())
        }
        left if left > DAY * 365 => Err("it expires in more than a year".to_owned()),
        _ => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "it must fail as time goes by")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[test]
fn security_txt_is_valid_for_sixty_days_and_for_a_year_at_most() {
    assert_eq!(check(&read("docs/security.txt"), now()), Ok(()));
}

#[test]
fn what_is_wrong_with_a_security_txt_is_noticed() {
    let good = read("docs/security.txt");
    let expires = good
        .lines()
        .find(|line| line.starts_with("Expires"))
        .unwrap();
    let at: Timestamp = expires.strip_prefix("Expires: ").unwrap().parse().unwrap();
    let at = Duration::from_millis(at.as_millis());
    for (days, says) in [
        (59, Err("within 60 days")),
        (61, Ok(())),
        (364, Ok(())),
        (366, Err("more than a year")),
    ] {
        let answer = check(&good, at.saturating_sub(DAY * days));
        let same = match (&answer, says) {
            (Err(found), Err(part)) => found.contains(part),
            (found, says) => found.is_ok() == says.is_ok(),
        };
        assert!(same, "{days} days before: {answer:?}");
    }
    assert!(check(&good, at + DAY).is_err());
    let today = at.saturating_sub(DAY * 100);
    for field in [
        "Contact",
        "Expires",
        "Preferred-Languages",
        "Canonical",
        "Policy",
    ] {
        let line = good.lines().find(|line| line.starts_with(field)).unwrap();
        assert!(
            check(&good.replace(line, ""), today).is_err(),
            "without {field}"
        );
        let nonsense = good.replace(line, &format!("{field}: nonsense"));
        let checked = field != "Preferred-Languages";
        assert_eq!(
            check(&nonsense, today).is_err(),
            checked,
            "{field}: nonsense"
        );
    }
    assert!(
        check(
            &good.replace(expires, &format!("{expires}\n{expires}")),
            today
        )
        .is_err()
    );
    assert!(check(&good.replace(expires, "Expires 2027"), today).is_err());
}

/// What customers are promised about reports, and that the example address is called one.
#[test]
fn security_md_names_its_times_and_says_what_is_a_placeholder() {
    let text = read("SECURITY.md");
    for promise in [
        "within 2 business days",
        "within 10 business days",
        "placeholder",
        "Safe harbour",
        "## Scope",
    ] {
        assert!(text.contains(promise), "{promise}");
    }
    let contact = fields(&read("docs/security.txt")).unwrap();
    let contact = contact["contact"][0]
        .strip_prefix("mailto:")
        .unwrap()
        .to_owned();
    assert!(text.contains(&contact), "{contact}");
}

/// Nothing here says that somebody certified what nobody did.
#[test]
fn no_page_claims_a_certificate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pending = vec![root.join("docs"), root.join("examples"), root.join("infra")];
    let mut pages = vec![root.join("README.md"), root.join("SECURITY.md")];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|it| it.to_str()) {
                None if path.is_dir() => pending.push(path),
                Some("md" | "txt" | "csv") => pages.push(path),
                _ => {}
            }
        }
    }
    assert!(pages.len() > 20, "found {}", pages.len());
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap().to_lowercase();
        for claim in [
            "soc 2 certified",
            "soc 2 compliant",
            "soc2 compliant",
            "soc2 certified",
            "iso 27001 certified",
        ] {
            assert!(!text.contains(claim), "{}: {claim}", page.display());
        }
    }
}

/// Every mitigation names the test that holds it, or says that the row is accepted.
#[test]
fn every_row_of_the_threat_model_names_a_test_that_exists() {
    let tests = super::text::tests();
    let text = read("docs/threat-model.md");
    let words = text.split('`').skip(1).step_by(2);
    for word in words.filter(|word| word.matches('_').count() >= 3 && *word == word.to_lowercase())
    {
        assert!(tests.contains(word), "there is no {word}");
    }
    let mut kinds = BTreeMap::new();
    let mut boundary = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("### ") {
            boundary = name;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [kind @ ("S" | "T" | "R" | "I" | "D" | "E"), .., held] = cells.as_slice() else {
            continue;
        };
        let named = held.split('`').any(|word| tests.contains(word));
        assert!(named || held.starts_with("accepted"), "{boundary}: {line}");
        kinds
            .entry(boundary)
            .or_insert_with(String::new)
            .push_str(kind);
    }
    let of: Vec<&str> = kinds
        .keys()
        .filter(|name| name.starts_with(char::is_numeric))
        .copied()
        .collect();
    assert_eq!(of.len(), 9, "{of:?}");
    for (boundary, found) in kinds {
        let all = "STRIDE".chars().all(|kind| found.contains(kind));
        let exempt = boundary.starts_with("Inside");
        assert!(all || exempt, "{boundary} has {found}");
    }
}
