//! The example that readers are sent to is what its page says.

use std::fs;
use std::path::PathBuf;

use counterfoil_core::evidence::seal::SealKey;
use counterfoil_core::evidence::verify::{Package, Trust, verify};

fn example(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/evidence");
    fs::read(folder.join(name)).unwrap()
}

fn trust() -> Trust {
    let text = |name: &str| String::from_utf8(example(name)).unwrap();
    let key = SealKey::from_pem(&text("key.pem")).unwrap();
    Trust::new(key, text("stream.txt").trim().parse().unwrap())
}

#[test]
fn the_example_is_accepted_and_none_of_its_bytes_can_be_changed() {
    let package = example("run.json");
    let accepted = verify(Package::Document(&package), &trust());
    let accepted = accepted.result.unwrap();
    assert_eq!((accepted.level, accepted.entries), (2, 8));
    assert!(accepted.governance.values().all(|it| it.name() == "clean"));
    for at in (0..package.len()).step_by(97) {
        let mut changed = package.clone();
        changed[at] ^= 1;
        let verdict = verify(Package::Document(&changed), &trust());
        assert!(!verdict.is_accepted(), "byte {at}");
    }
}

#[test]
fn the_report_of_the_example_is_a_pdf_that_names_its_parts() {
    let report = example("report.pdf");
    assert!(report.starts_with(b"%PDF-"));
    let contains = |text: &[u8]| report.windows(text.len()).any(|part| part == text);
    assert!(contains(b"run.json"), "the package is attached");
}
