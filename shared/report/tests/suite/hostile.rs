//! Names and values that try to break the page, the file or the reader.

use counterfoil_evidence::json::{Json, object};
use counterfoil_report::{About, run_report};

use crate::forge::{Stream, about};
use crate::tools::{Pdf, dense};

const OPERATORS: &str = r") Tj ET Q BT /Evil 99 Tf (owned) Tj \) \( endstream endobj";

#[test]
fn emoji_cjk_bidi_and_operators_are_shown_as_text() {
    let mut stream = Stream::new();
    let actor = "user:日本🚀";
    stream.open(actor);
    let rule = "ws.evil\u{202e}fdp.exe";
    let decision = stream.decide('2', "REQUIRE", rule, OPERATORS);
    stream.answer(
        decision,
        "Zoë Ünal Ωμέγα Иван",
        "",
        "line\nbreak\u{200b}\u{feff}\u{5d0}",
    );
    stream.repair(
        decision,
        '2',
        "=cmd|' /C calc'!A0",
        "<script>alert(1)</script>",
    );
    stream.close(0, 0);
    let names = About {
        workspace: "a\0b".to_owned(),
        report: "exp\0\u{202e}\"<&>".to_owned(),
        project: "日本🚀 GmbH \u{202e}live".to_owned(),
        ..about()
    };
    let package = stream.run();
    let pdf = Pdf::new(run_report(&package, &stream.trust(), &names).unwrap());
    pdf.assert_sound();
    pdf.assert_fonts_embedded();
    pdf.assert_inside_margins();
    assert!(pdf.attachment() == package);
    let text = pdf.dense();
    for said in [
        "user:U+65E5U+672CU+1F680",
        "ws.evilU+202Efdp.exe",
        OPERATORS,
        "Zoë Ünal Ωμέγα Иван",
        "lineU+000AbreakU+200BU+FEFFU+05D0",
        "=cmd|' /C calc'!A0",
        "<script>alert(1)</script>",
        "aU+0000b",
        "U+65E5U+672CU+1F680 GmbH U+202Elive",
    ] {
        assert!(text.contains(&dense(said)), "{said} is not in the report");
    }
    let info = pdf.info();
    assert!(
        info.contains("U+65E5U+672CU+1F680 GmbH U+202Elive"),
        "{info}"
    );
}

#[test]
fn an_actor_of_85_characters_without_a_space_stays_in_its_column() {
    let actor = format!("agent:{}", "x".repeat(79));
    assert_eq!(actor.len(), 85);
    let mut stream = Stream::new();
    stream.open(&actor);
    let decision = stream.decide('2', "REQUIRE", &"r".repeat(256), &"W".repeat(2_000));
    stream.answer(decision, &"ﬃ".repeat(100), "", &"m".repeat(1_900));
    stream.close(0, 0);
    let long = About {
        workspace: "w".repeat(300),
        project: "M".repeat(300),
        report: "e".repeat(300),
        ..about()
    };
    let pdf = Pdf::new(run_report(&stream.run(), &stream.trust(), &long).unwrap());
    pdf.assert_sound();
    pdf.assert_inside_margins();
    let text = pdf.dense();
    assert!(text.contains(&actor));
    assert!(text.contains(&"W".repeat(500)));
}

#[test]
fn a_long_value_is_cut_and_says_so() {
    let mut stream = Stream::new();
    stream.open("usr_1");
    let facts =
        r#"{"actor":{"id":"usr_1","type":"user"},"target":{"id":"inc_1","type":"incident"}}"#;
    let columns = (0..900).map(|n| object([("column", Json::from(format!("c{n}")))]));
    let subject = object([
        ("comment", Json::from("lorem ".repeat(20_000))),
        ("rows", Json::Array(columns.collect())),
    ]);
    stream.record("incident.changed", facts, Some(subject));
    stream.close(0, 0);
    let pdf = Pdf::new(run_report(&stream.run(), &stream.trust(), &about()).unwrap());
    pdf.assert_sound();
    pdf.assert_inside_margins();
    assert!(pdf.pages() < 20);
    let text = pdf.dense();
    assert!(text.contains("118000morecharactersareintheattachedJSON"));
    assert!(text.contains("701morevaluesareintheattachedJSON"));
    assert!(pdf.attachment() == stream.run());
}
