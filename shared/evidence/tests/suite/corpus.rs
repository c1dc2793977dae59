//! The committed fuzz corpus, replayed through the fuzz bodies.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/bodies.rs"]
mod bodies;

type Body = fn(&[u8]);

#[test]
fn every_file_of_the_fuzz_corpus_passes_its_body() {
    let targets: [(&str, Body); 6] = [
        ("archive", bodies::archive),
        ("document", bodies::document),
        ("folder", bodies::folder),
        ("header", bodies::header),
        ("json", bodies::json),
        ("note", bodies::note),
    ];
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (target, body) in targets {
        let folder = fuzz.join("corpus").join(target);
        let files: Vec<_> = fs::read_dir(folder).unwrap().collect();
        assert!(files.len() >= 5, "{target} has {} files", files.len());
        for file in files {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            body(&bytes);
            // Damage near the seed, as a fuzzer would begin.
            for at in (0..bytes.len()).step_by(1 + bytes.len() / 40) {
                let mut changed = bytes.clone();
                changed[at] ^= 0x11;
                body(&changed);
                body(&bytes[..at]);
            }
        }
        assert!(fuzz.join(format!("fuzz_targets/{target}.rs")).is_file());
    }
}
