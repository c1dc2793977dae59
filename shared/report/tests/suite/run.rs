//! The report of a run.

use counterfoil_evidence::code::Code;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::seal::SealKey;
use counterfoil_evidence::verify::Trust;
use counterfoil_report::{ReportError, run_report};

use crate::forge::{RUN, Stream, about, digest};
use crate::tools::{Pdf, dense};

/// One run with every effect, an approval and a repair.
fn stream() -> Stream {
    let mut stream = Stream::new();
    stream.open("usr_01M8A2H2GKJ5N5GP9H71CKVB8T");
    stream.decide('2', "ALLOW", "base.permit.single-row", "One row only.");
    let held = stream.decide(
        '3',
        "REQUIRE",
        "ws.four-eyes",
        "Live data needs one more person.",
    );
    stream.decide(
        '4',
        "DENY",
        "base.forbid.blast-rows",
        "More than one row would change.",
    );
    stream.answer(held, "usr_2", "", "Paid in Stripe, webhook was lost");
    stream.repair(held, '3', "free", "pro");
    stream.close(0, 0);
    stream
}

fn report(stream: &Stream) -> Pdf {
    Pdf::new(run_report(&stream.run(), &stream.trust(), &about()).unwrap())
}

fn vector(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../evidence/tests/vectors/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn vector_trust(keys: &[&str], stream: &str) -> Trust {
    let keys = keys.iter().map(|name| {
        let pem = String::from_utf8(vector(name)).unwrap();
        SealKey::from_pem(&pem).unwrap().into()
    });
    let stream = String::from_utf8(vector(stream)).unwrap();
    Trust::of(keys.collect(), stream.trim().parse().unwrap())
}

#[test]
fn the_same_package_gives_the_same_bytes() {
    let stream = stream();
    assert!(report(&stream).bytes == report(&stream).bytes);
    let mut later = about();
    later.issued_at += 1_000;
    let other = run_report(&stream.run(), &stream.trust(), &later).unwrap();
    assert!(report(&stream).bytes != other);
}

#[test]
fn the_file_is_sound_archival_and_tagged() {
    let pdf = report(&stream());
    pdf.assert_sound();
    pdf.assert_fonts_embedded();
    pdf.assert_inside_margins();
    let info = pdf.info();
    assert!(info.contains("Tagged:          yes"), "{info}");
    assert!(info.contains("A4"), "{info}");
    let plain = pdf.plain();
    let plain = String::from_utf8_lossy(&plain);
    for said in [
        "<pdfaid:part>3</pdfaid:part>",
        "<pdfaid:conformance>A</pdfaid:conformance>",
        "<pdfuaid:part>1</pdfuaid:part>",
        "/AFRelationship /Source",
        "/OutputIntents",
        "/Lang (en)",
        "/S /H1",
        "/S /H2",
        "/S /Table",
        "/S /TH",
        "/S /LBody",
        "/S /Figure",
        "/Alt (Square code of the seal digest ",
    ] {
        assert!(plain.contains(said), "{said} is missing");
    }
}

#[test]
fn the_attachment_is_the_package() {
    let stream = stream();
    assert!(report(&stream).attachment() == stream.run());
}

#[test]
fn every_page_names_stream_seal_range_and_its_number() {
    let stream = stream();
    let pdf = report(&stream);
    let (pages, text) = (pdf.pages(), pdf.text());
    assert!(pages > 2);
    let feet: Vec<_> = text
        .split('\x0c')
        .filter(|page| !page.trim().is_empty())
        .collect();
    assert_eq!(feet.len(), pages);
    let trust = stream.trust();
    for (index, page) in feet.iter().enumerate() {
        for said in [
            format!("stream {}", trust.stream),
            "seal   ".to_owned(),
            "entries 1 to 9".to_owned(),
            format!("page {} of {pages}", index + 1),
        ] {
            assert!(
                dense(page).contains(&dense(&said)),
                "{said} is not on page {}",
                index + 1
            );
        }
    }
}

/// Every text of the facts and of the contents, and every count that policy or the verifier names.
fn facts(package: &[u8]) -> Vec<String> {
    let package = Json::parse_document(package).unwrap();
    let mut texts = Vec::new();
    for entry in package.get("entries").unwrap().as_array().unwrap() {
        let header = entry.get("h").unwrap();
        texts.push(counterfoil_evidence::hash::leaf(&header.canonical()).to_string());
        for part in entry.get("p").unwrap().as_object().unwrap().values() {
            if let Some(data) = part.get("d") {
                collect(data, &mut texts);
            }
        }
    }
    texts
}

fn collect(value: &Json, texts: &mut Vec<String>) {
    match value {
        Json::Str(text) => texts.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Json::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

fn assert_tells_the_same(pdf: &Pdf, package: &[u8]) {
    // A type such as `api_key` is printed with a space.
    let same = |text: &str| dense(text).replace('_', "");
    let shown = same(&pdf.text());
    let facts = facts(package);
    assert!(facts.len() > 10);
    for fact in facts {
        assert!(shown.contains(&same(&fact)), "{fact} is not in the report");
    }
}

/// Why somebody wanted it: of a proposal, and of the review of a broken glass. What was erased is not told.
#[test]
fn the_words_of_whoever_asked_stand_with_the_decision() {
    for erased in [false, true] {
        let mut stream = Stream::new();
        stream.open("usr_1");
        let words = Some("Jane wrote that she cannot get in");
        let asked = ('2', "ALLOW");
        stream.decide_asked(asked, "base.permit.single-row", "One row only.", words);
        stream.close(0, 0);
        if erased {
            stream.erase("run.decision");
        }
        let told = "It was asked for with the words “Jane wrote that she cannot get in”.";
        let text = report(&stream).dense();
        assert_eq!(text.contains(&dense(told)), !erased);
        assert!(text.contains(&dense("“One row only.”")));
    }
}

#[test]
fn the_report_tells_the_same_as_the_json() {
    let stream = stream();
    let pdf = report(&stream);
    assert_tells_the_same(&pdf, &stream.run());
    let text = pdf.dense();
    for said in [
        "Policy judged 3 actions: 1 allowed, 1 held until somebody approves, 1 denied.",
        "plan from free to pro",
        "“Paid in Stripe, webhook was lost”",
        "Both sides were read again. They match.",
        "CLEAN",
        "25 Nov 2026, 19:22:17 UTC",
        RUN,
        &counterfoil_evidence::hash::sha256(&stream.run()).to_string(),
        &stream.key().to_string(),
        "no independent validator has been run",
    ] {
        assert!(text.contains(&dense(said)), "{said} is not in the report");
    }
}

#[test]
fn the_vectors_of_the_format_render() {
    let cases = [
        (
            "packages/rich.run.json",
            vec!["packages/sealer-1.pem", "packages/sealer-2.pem"],
            "packages/rich.stream.txt",
        ),
        (
            "example-run/run.json",
            vec!["example-run/sealer.pem"],
            "example-run/stream.txt",
        ),
    ];
    for (package, keys, stream) in cases {
        let (package, trust) = (vector(package), vector_trust(&keys, stream));
        let pdf = Pdf::new(run_report(&package, &trust, &about()).unwrap());
        pdf.assert_sound();
        assert!(pdf.attachment() == package);
        assert_tells_the_same(&pdf, &package);
    }
}

#[test]
fn what_was_not_checked_is_said() {
    let text = report(&stream()).dense();
    for said in [
        "Anchored: no. Intact is not anchored.",
        "legal holds: a run package does not replay them",
        "actions that were never recorded, and facts that were recorded falsely",
    ] {
        assert!(text.contains(&dense(said)), "{said} is not in the report");
    }
}

#[test]
fn an_anchor_is_said_to_be_one() {
    let stream = stream();
    let mut trust = stream.trust();
    trust.anchors.push(stream.seal());
    let pdf = Pdf::new(run_report(&stream.run(), &trust, &about()).unwrap());
    let text = pdf.dense();
    for said in ["Anchored: yes.", "3, anchored (of 4)", "linked at size 10"] {
        assert!(text.contains(&dense(said)), "{said} is not in the report");
    }
    assert!(!text.contains("Anchored:no."));
}

#[test]
fn an_override_and_a_waiting_decision_are_shown() {
    let mut stream = Stream::new();
    stream.open("usr_1");
    let held = stream.decide('3', "REQUIRE", "ws.four-eyes", "One more person.");
    stream.answer(
        held,
        "usr_1",
        r#","override":true"#,
        "Customers are locked out, INC-7",
    );
    stream.close(0, 1);
    let text = report(&stream).text();
    assert!(
        text.contains("OVERRIDDEN") && text.contains("OVERRIDE"),
        "{text}"
    );
    let mut stream = Stream::new();
    stream.open("usr_1");
    stream.decide('3', "REQUIRE", "ws.four-eyes", "One more person.");
    stream.close(1, 0);
    assert!(report(&stream).text().contains("UNRESOLVED"));
}

#[test]
fn erased_contents_are_named_and_gone() {
    let mut stream = stream();
    let (seq, by) = stream.erase("repair.executed");
    let pdf = report(&stream);
    let text = pdf.dense();
    for said in [
        format!("erased by entry {by}"),
        format!("Contents about people were erased from entry {seq} (by entry {by})"),
        "erasure_request".to_owned(),
    ] {
        assert!(text.contains(&dense(&said)), "{said} is not in the report");
    }
    assert!(!text.contains("planfromfree"));
    assert_tells_the_same(&pdf, &stream.run());
}

#[test]
fn a_change_of_another_shape_is_told_as_it_is() {
    let mut stream = Stream::new();
    stream.open("usr_1");
    let subject = object([
        ("before", object([("limit", Json::from("ten"))])),
        ("after", object([("limit", Json::from("twenty"))])),
    ]);
    let facts =
        r#"{"actor":{"id":"usr_1","type":"user"},"target":{"id":"inc_1","type":"incident"}}"#;
    stream.record("incident.changed", facts, Some(subject));
    stream.close(0, 0);
    let text = report(&stream).dense();
    assert!(text.contains("After/limittwentyBefore/limitten"), "{text}");
}

#[test]
fn a_repair_tells_whom_where_why_and_how_much_on_its_first_page() {
    let mut stream = Stream::new();
    stream.open("usr_1");
    stream.decide_repair("act_1", 123_450);
    stream.decide_repair("act_1", 123_450);
    stream.close(0, 0);
    let pdf = report(&stream);
    let text = pdf.text();
    let first = dense(text.split('\x0c').next().unwrap());
    for said in [
        "Why Billing promised pro, the app granted free. The finding: paid no access.",
        "Where Table public.app_users, row user-4711, of customer cus_TestJane",
        "Money at risk 1,234.50 USD a month",
    ] {
        assert!(first.contains(&dense(said)), "{said} is not in {first}");
    }
    let told = first.matches("1,234.50USD").count();
    assert_eq!(told, 1, "proposal and execution are one action: {first}");
}

#[test]
fn erased_contents_of_a_decision_leave_no_customer_and_no_money() {
    let mut stream = Stream::new();
    stream.open("usr_1");
    stream.decide_repair("act_1", 123_450);
    stream.close(0, 0);
    let (seq, _) = stream.erase("run.decision");
    let text = report(&stream).text();
    for gone in ["cus_TestJane", "user-4711", "1,234.50", "Money at risk"] {
        assert!(!text.contains(gone), "{gone}");
    }
    assert!(text.contains(&format!("erased from entry {seq}")), "{text}");
}

/// A run of the product itself, of which the project carries a copy.
#[test]
fn the_example_run_tells_whom_where_why_and_how_much() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/evidence/");
    let read = |name: &str| std::fs::read(format!("{folder}{name}")).unwrap();
    let text = |name: &str| String::from_utf8(read(name)).unwrap();
    let key = SealKey::from_pem(&text("key.pem")).unwrap();
    let trust = Trust::new(key, text("stream.txt").trim().parse().unwrap());
    let package = read("run.json");
    let document = Json::parse_document(&package).unwrap();
    let entries = document.get("entries").unwrap().as_array().unwrap();
    let contents = entries.iter().find_map(|entry| {
        let contents = entry.get("p")?.get("subject")?.get("d")?;
        contents.get("difference").map(|_| contents)
    });
    let contents = contents.unwrap();
    let said = |name: &str| contents.get(name).unwrap().as_str().unwrap();
    let difference = |name: &str| contents.get("difference").unwrap().get(name).unwrap();
    let minor = difference("at_risk").get("minor").unwrap();
    let minor = minor.as_int().unwrap();
    let pdf = Pdf::new(run_report(&package, &trust, &about()).unwrap());
    let text = pdf.text();
    let first = dense(text.split('\x0c').next().unwrap());
    for said in [
        said("customer"),
        said("table"),
        difference("promised").as_str().unwrap(),
        difference("granted").as_str().unwrap(),
        &format!("{}.{:02}", minor / 100, minor % 100),
        "a month",
        "which is in another run",
    ] {
        assert!(first.contains(&dense(said)), "{said} is not in {first}");
    }
}

#[test]
fn bytes_that_do_not_verify_give_no_report() {
    let stream = stream();
    let mut package = stream.run();
    let at = package
        .windows(5)
        .position(|bytes| bytes == b"usr_2")
        .unwrap();
    package[at + 4] = b'3';
    match run_report(&package, &stream.trust(), &about()) {
        Err(ReportError::Refused(fault)) => assert_eq!(fault.code, Code::PartHash),
        other => panic!("{other:?}"),
    }
    let mut trust = stream.trust();
    trust.level = 3;
    let refused = run_report(&stream.run(), &trust, &about());
    let level = matches!(
        refused,
        Err(ReportError::Level {
            reached: 2,
            required: 3
        })
    );
    assert!(level, "{refused:?}");
    let refused = run_report(&stream.export(), &stream.trust(), &about());
    assert!(
        matches!(refused, Err(ReportError::NotARun(_))),
        "{refused:?}"
    );
    let refused = run_report(b"", &stream.trust(), &about());
    assert!(
        matches!(refused, Err(ReportError::Refused(_))),
        "{refused:?}"
    );
}

#[test]
fn digests_of_layer_one_and_three_are_whole() {
    let text = report(&stream()).dense();
    for digit in ['1', 'a', 'b', 'c', 'd', 'e'] {
        assert!(text.contains(&digest(digit)), "{digit}");
    }
}
