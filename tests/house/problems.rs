//! Every problem has a page, and every page a problem.

use std::collections::BTreeSet;

use super::text::{root, sources};

/// Folders whose code answers with problems.
const FOLDERS: [&str; 5] = [
    "shared/lambda/src",
    "functions/api/src",
    "functions/repair-approve/src",
    "functions/export/src",
    "functions/stripe-webhook/src",
];

fn is_code(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_');
    text.len() > 3 && text.bytes().all(word) && !text.starts_with('-') && !text.ends_with('-')
}

/// The arguments of a call, from its parenthesis to the one that closes it.
fn arguments(text: &str) -> &str {
    let mut depth = 0_i32;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(..at).unwrap();
        }
    }
    text
}

/// The codes that the source names where it makes a problem.
fn made() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for (_, text) in FOLDERS.into_iter().flat_map(sources) {
        for call in ["Problem::new(", "Self::new(", "conflict("] {
            for (at, found) in text.match_indices(call) {
                let arguments = arguments(text.get(at + found.len() - 1..).unwrap());
                let quoted = arguments.split('"').skip(1).step_by(2);
                codes.extend(quoted.filter(|text| is_code(text)).map(str::to_owned));
            }
        }
    }
    assert!(codes.len() > 20, "found {codes:?}");
    codes
}

#[test]
fn every_problem_has_a_heading_and_every_heading_a_problem() {
    let page = std::fs::read_to_string(root().join("docs/problems.md")).unwrap();
    let headings: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### ").map(str::to_owned))
        .collect();
    for code in made() {
        assert!(
            headings.contains(&code),
            "docs/problems.md says nothing of `{code}`"
        );
    }
    let texts: Vec<String> = FOLDERS
        .into_iter()
        .flat_map(sources)
        .map(|(_, text)| text)
        .collect();
    for heading in headings {
        let quoted = format!("\"{heading}\"");
        let named = texts.iter().any(|text| text.contains(&quoted));
        assert!(named, "nothing answers with `{heading}`");
    }
}
