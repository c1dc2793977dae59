//! The calls that the documents show: each is run as it stands there, by a shell with curl, and its
//! answer has the status and the shape that stands below it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use counterfoil_core::tenancy::Role;
use serde_json::Value;

use super::matrix::{Records, records};
use super::stage::stage;

/// A call of a document, and what it shows of the answer.
struct Shown {
    page: PathBuf,
    script: String,
    answer: Option<String>,
}

impl Shown {
    /// The status in the last line: `# 202`.
    fn status(&self) -> &str {
        let comment = self.script.trim_end().rsplit("# ").next().unwrap();
        let status = comment.split_whitespace().next().unwrap();
        assert!(
            status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()),
            "{}: end the call with its status, as in `# 200`:\n{}",
            self.page.display(),
            self.script
        );
        status
    }
}

/// Every shell block of a page that calls with curl, with the JSON block that follows it.
fn shown() -> Vec<Shown> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut found = Vec::new();
    for file in std::fs::read_dir(docs).unwrap() {
        let page = file.unwrap().path();
        if page.extension().is_none_or(|end| end != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        let blocks = blocks(&text);
        for (index, (language, block)) in blocks.iter().enumerate() {
            if language != "sh" || !block.contains("curl ") {
                continue;
            }
            let next = blocks.get(index + 1);
            let answer = next.filter(|(language, _)| language == "json");
            found.push(Shown {
                page: page.clone(),
                script: block.clone(),
                answer: answer.map(|(_, block)| block.clone()),
            });
        }
    }
    found
}

/// Fenced blocks: language and text.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.trim().strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(block)) => found.push(block),
            (None, Some((language, block))) => open = Some((language, block + line + "\n")),
            (None, None) => {}
        }
    }
    found
}

#[test]
fn every_call_that_the_documents_show_answers_as_they_say() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let records = records(stage, &tenant).await;
        // The one of the records is being repaired.
        let (customer, _) = stage.drifted("wrong_plan");
        stage.found(&tenant, &customer).await;
        let owner = tenant.people[&Role::Owner].strip_prefix("person:").unwrap();
        let (owner, _) = owner.split_once('@').unwrap();
        let mut variables = variables(&records);
        variables.insert("API", stage.cloud.api_url.clone());
        variables.insert("COUNTERFOIL_KEY", tenant.repair_key.clone());
        variables.insert("TOKEN", stage.issuer.mint(owner, |_| {}));
        let shown = shown();
        assert!(shown.len() > 4, "{} calls", shown.len());
        for call in &shown {
            check(call, &variables);
        }
        // One of them has a key in its URL.
        let entries = stage.main.workspace_entries(&tenant).await;
        let leaked = entries
            .iter()
            .filter(|it| it.facts["topic"] == "key.leaked");
        assert_eq!(leaked.count(), 1);
        eprintln!("examples: {} calls", shown.len());
    });
}

fn variables(records: &Records) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("WORKSPACE", records.workspace.clone()),
        ("PROJECT", records.project.clone()),
        ("INCIDENT", records.ids["incidents"].clone()),
        ("CUSTOMER", records.ids["customers"].clone()),
    ])
}

fn check(call: &Shown, variables: &BTreeMap<&'static str, String>) {
    let home = tempfile::tempdir().unwrap();
    // Says the status of each call where it is not in the way.
    let settings = "silent\nshow-error\nwrite-out = \"%{stderr}%{http_code}\\n\"\n";
    std::fs::write(home.path().join(".curlrc"), settings).unwrap();
    let script = format!("set -euo pipefail\n{}", call.script);
    let Output { stdout, stderr, .. } = Command::new("bash")
        .args(["-c", &script])
        .env("CURL_HOME", home.path())
        .envs(variables)
        .output()
        .unwrap();
    let [body, told] = [stdout, stderr].map(|it| String::from_utf8(it).unwrap());
    let at = format!("{}:\n{}\n{told}\n{body}", call.page.display(), call.script);
    assert_eq!(told.lines().last(), Some(call.status()), "{at}");
    if let Some(answer) = &call.answer {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{at}"));
        fits("", &answer, &body, &at);
    }
}

/// Whether an answer has every field that is shown, of the same type; `null` stands for anything.
fn fits(pointer: &str, shown: &Value, got: &Value, at: &str) {
    match (shown, got) {
        (Value::Object(shown), Value::Object(got)) => {
            for (name, value) in shown {
                let pointer = format!("{pointer}/{name}");
                let field = got.get(name);
                let field = field.unwrap_or_else(|| panic!("no {pointer}\n{at}"));
                fits(&pointer, value, field, at);
            }
        }
        (Value::Array(shown), Value::Array(got)) => {
            assert!(got.len() >= shown.len().min(1), "{pointer} is empty\n{at}");
            if let Some(first) = shown.first() {
                for item in got {
                    fits(pointer, first, item, at);
                }
            }
        }
        (Value::Null, _) => {}
        (shown, got) => {
            let same = std::mem::discriminant(shown) == std::mem::discriminant(got);
            assert!(same, "{pointer}: {shown} is shown, {got} came\n{at}");
        }
    }
}
