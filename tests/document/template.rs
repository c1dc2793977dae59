//! template.yaml sends each route of the document to the function that has it, and no other route.

use std::collections::BTreeSet;
use std::path::Path;

use super::made::{functions, operations};

/// `METHOD path` of every event of the HTTP API, with its function.
fn events() -> BTreeSet<(String, String)> {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    let (mut found, mut of) = (BTreeSet::new(), String::new());
    for line in template.lines() {
        if line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':') {
            line.trim().trim_end_matches(':').clone_into(&mut of);
        }
        let Some((_, event)) = line.split_once("ApiId: !Ref Api, Method: ") else {
            continue;
        };
        let (method, rest) = event.split_once(", Path: ").unwrap();
        let (path, _) = rest.split_once(',').unwrap();
        let path = path.trim_matches('"');
        found.insert((of.clone(), format!("{method} {path}")));
    }
    found
}

#[test]
fn the_template_has_the_routes_of_the_document() {
    let mut said = BTreeSet::new();
    for (function, part) in functions() {
        for (path, method, _) in operations(&part) {
            said.insert((
                function.to_owned(),
                format!("{} {path}", method.to_uppercase()),
            ));
        }
    }
    // Webhooks and MCP are other parties' protocols.
    let of_the_api =
        |(function, route): &(String, String)| function != "Mcp" && !route.contains(" /webhooks/");
    let events: BTreeSet<_> = events().into_iter().filter(of_the_api).collect();
    let missing: Vec<_> = said.difference(&events).collect();
    let unknown: Vec<_> = events.difference(&said).collect();
    assert!(missing.is_empty(), "not in template.yaml: {missing:#?}");
    assert!(unknown.is_empty(), "in template.yaml only: {unknown:#?}");
}

/// A function's routes and what they say of themselves come from one table; `.route(` would make one that
/// the document does not know.
#[test]
fn no_route_is_made_without_its_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for function in ["api", "export", "repair-approve"] {
        let mut made = 0;
        for file in std::fs::read_dir(root.join("functions").join(function).join("src")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|end| end != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for other in [".route(", ".route_service(", ".nest_service("] {
                assert!(!text.contains(other), "{}: {other}", path.display());
            }
            made += text.matches("counterfoil_lambda::routes! {").count();
        }
        assert_eq!(made, 1, "{function}");
    }
}

#[test]
fn the_routes_that_read_a_query_string_are_those_whose_document_has_parameters() {
    let lists = [
        ("ApiFunction", counterfoil_api::QUERIES),
        ("Export", counterfoil_export::QUERIES),
        ("RepairApprove", counterfoil_repair_approve::QUERIES),
    ];
    for (name, part) in functions() {
        let (_, list) = lists.iter().find(|(of, _)| *of == name).unwrap();
        let read: BTreeSet<String> = list.iter().map(|path| (*path).to_owned()).collect();
        let documented: BTreeSet<String> = operations(&part)
            .into_iter()
            .filter(|(_, _, operation)| {
                let parameters = operation["parameters"].as_array();
                parameters
                    .into_iter()
                    .flatten()
                    .any(|it| it["in"] == "query")
            })
            .map(|(path, _, _)| path)
            .collect();
        assert_eq!(read, documented, "{name}");
    }
}
