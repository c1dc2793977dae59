//! Scenarios that are none, or get another answer: where they stand, and what to do.

use counterfoil_policy::check::Finding;

use super::{RULES, brought};

/// What is said of the tests alone, and what stands at each place.
fn of_tests(tests: &str) -> Vec<(Finding, String)> {
    let findings = brought(RULES, tests).check().map(drop).unwrap_err();
    let placed = findings.into_iter().map(|it| {
        assert_eq!(it.file, "tests/a.json", "{it:?}");
        assert!(!it.help.is_empty(), "{it:?}");
        assert_eq!(Some(it.excerpt.as_str()), tests.lines().nth(it.line - 1));
        let end = tests.len().min(it.offset + it.length);
        let marked = tests.get(it.offset..end).unwrap().to_owned();
        (it, marked)
    });
    placed.collect()
}

fn scenario(name: &str, more: &str) -> String {
    format!(
        "{{\"name\": {name}, \"principal\": \"User/viewer\",\n \"action\": \"repair.execute\", \"resource\": \"Incident/inc\",\n {more}}}"
    )
}

#[test]
fn a_scenario_with_another_answer_is_shown_with_what_came_and_what_to_do() {
    let tests = format!(
        "[\n{},\n{},\n{},\n{},\n{}\n]\n",
        scenario("\"good\"", "\"want\": \"DENY\""),
        scenario("\"\\u0061 \\\"b\\\"\"", "\"want\": \"REQUIRE(1)\""),
        scenario("\"c\"", "\"want\": \"denied\""),
        scenario("\"d\"", "\"want\": \"DENY\", \"why\": \"ws.permit.al\""),
        scenario("\"e\"", "\"want\": \"DENY\", \"why\": \"engine-error\""),
    );
    let found = of_tests(&tests);
    let lines: Vec<usize> = found.iter().map(|(it, _)| it.line).collect();
    assert_eq!(lines, [5, 10, 13, 16], "{found:#?}");
    for ((found, marked), (at, said, help)) in found.iter().zip([
        (
            "\"\\u0061 \\\"b\\\"\"",
            "a \"b\": wanted REQUIRE(1), got DENY by default-deny",
            "write \"want\": \"DENY\"",
        ),
        (
            "\"denied\"",
            "c: wanted denied, got DENY",
            "`want` is ALLOW, DENY",
        ),
        (
            "\"ws.permit.al\"",
            "by ws.permit.al, got",
            "\"why\": \"ws.permit.all\"",
        ),
        (
            "\"engine-error\"",
            "by engine-error, got",
            "\"why\": \"default-deny\"",
        ),
    ]) {
        assert_eq!(marked, at);
        assert!(found.detail.contains(said), "{found:?}");
        assert!(found.help.contains(help), "{found:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, a row per fault")]
fn what_is_no_scenario_is_shown_where_it_stands() {
    let good = "\"want\": \"DENY\"";
    let listed = |one: &str| format!("[\n{},\n{one}]\n", scenario("\"good\"", good));
    for (tests, line, at, said, help) in [
        (
            "{".to_owned(),
            1,
            "{",
            "not a list of scenarios",
            "a list, [...]",
        ),
        (
            "{}".to_owned(),
            1,
            "{}",
            "not a list of scenarios",
            "a list, [...]",
        ),
        (
            "[\n{\"name\": }]".to_owned(),
            2,
            "}",
            "expected value",
            "is JSON",
        ),
        (listed("7"), 5, "7", "invalid type", "a scenario has name"),
        (
            listed(&scenario("\"x\"", "\"want\": \"DENY\", \"whyy\": \"\"")),
            7,
            "\"whyy\"",
            "there is no field `whyy`",
            "write `why`, or take it away",
        ),
        (
            listed(&scenario("\"x\"", "\"real\": true")),
            5,
            "{\"name\"",
            "`want` is missing",
            "for example \"want\": \"DENY\"",
        ),
        (
            listed(&scenario("[5]", good)),
            5,
            "[5]",
            "`name`: invalid type",
            "for example",
        ),
        (
            listed(&scenario("\"x\"", &format!("{good}, {good}"))),
            7,
            "\"DENY\"",
            "duplicate field `want`",
            "keep one of them",
        ),
        (
            listed(&scenario("\"x\"", good).replace("execute", "exekute")),
            6,
            "\"repair.exekute\"",
            "`action` names repair.exekute",
            "write \"repair.execute\"",
        ),
        (
            listed(&scenario(
                "\"x\"",
                &format!("{good}, \"entities\": {{\"inz\": {{}}}}"),
            )),
            7,
            "{}",
            "`entities` names inz",
            "write \"inc\"",
        ),
        (
            listed(&scenario(
                "\"x\"",
                &format!("{good}, \"context\":\n{{\"base\": {{\"origin\": \"mcpp\"}}}}"),
            )),
            8,
            "\"mcpp\"",
            "`origin` is never mcpp",
            "write \"mcp\"",
        ),
        (
            listed(&scenario("\"x\"", good).replace("User/viewer", "viewer")),
            5,
            "\"viewer\"",
            "`principal` names viewer",
            "write \"User/viewer\"",
        ),
        // It would be denied, and show nothing.
        (
            listed(&scenario("\"x\"", good).replace("User/viewer", "User/veiwer")),
            5,
            "\"User/veiwer\"",
            "`principal` names User/veiwer",
            "write \"User/viewer\"",
        ),
    ] {
        let found = of_tests(&tests);
        let [(found, marked)] = found.as_slice() else {
            panic!("{tests}: {found:#?}");
        };
        assert_eq!(found.line, line, "{tests}: {found:?}");
        assert!(marked.starts_with(at), "{tests}: {marked}");
        assert!(found.detail.contains(said), "{found:?}");
        assert!(found.help.contains(help), "{found:?}");
    }
}

#[test]
fn every_mistake_of_every_scenario_is_said_at_once() {
    let tests = format!(
        "[{},{},{}]",
        scenario("5", "\"whant\": \"DENY\", \"rael\": 1, \"zzz\": []"),
        scenario("\"x\"", "\"want\": \"ALLOW\""),
        scenario(
            "\"y\"",
            "\"want\": \"DENY\", \"context\": {\"base\": {\"origin\": \"x\", \"scope\": {\"environment\": \"y\"}}}, \"entities\": {\"q\": {}}"
        ),
    );
    let found = of_tests(&tests);
    let said: Vec<&str> = found.iter().map(|(it, _)| it.detail.as_str()).collect();
    for words in [
        "`name`: invalid type",
        "there is no field `whant`",
        "there is no field `rael`",
        "`real`: invalid type",
        "there is no field `zzz`",
        "x: wanted ALLOW, got DENY",
        "`origin` is never x",
        "`environment` is never y",
        "`entities` names q",
    ] {
        assert!(
            said.iter().any(|it| it.contains(words)),
            "{words}: {said:#?}"
        );
    }
    assert_eq!(said.len(), 9, "{said:#?}");
}
