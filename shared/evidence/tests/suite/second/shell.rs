//! The check with openssl and jq in `tools/verify-shell` against the verifiers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use counterfoil_evidence::verify::{Package, Trust};

use super::{tools, verify};
use crate::vectors::{folder, key, path, read, stream};

/// Runs `tools/verify-shell/verify.sh` on the example's folder with this `headers.jsonl`, or on a
/// run package; answers its exit status.
fn shell(package: &Path, files: Option<&BTreeMap<String, Vec<u8>>>) -> i32 {
    if let Some(files) = files {
        let _ = fs::remove_dir_all(package);
        fs::create_dir_all(package).unwrap();
        for (name, content) in files {
            fs::write(package.join(name), content).unwrap();
        }
    }
    let done = Command::new("sh")
        .arg(tools("verify-shell/verify.sh"))
        .arg(package)
        .arg(stream("example-run/stream.txt").to_string())
        .arg(path("example-run/sealer.pem"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(!said.starts_with("install "), "{said}");
    done.status.code().unwrap()
}

#[test]
fn the_shell_check_agrees_on_the_example_and_on_edited_and_cut_headers() {
    let trust = Trust::new(
        key("example-run/sealer.pem"),
        stream("example-run/stream.txt"),
    );
    let run = path("example-run/run.json");
    assert_eq!(shell(&run, None), 0);
    let good = folder("example");
    let headers = String::from_utf8(good["headers.jsonl"].clone()).unwrap();
    let without = |skip: usize| {
        let mut lines: Vec<_> = headers.lines().collect();
        lines.remove(skip);
        lines.join("\n") + "\n"
    };
    let edited = [
        headers.clone(),
        headers.replace("run_1", "run_2"),
        headers.replace("1795392000148", "1795392000149"),
        headers.trim_end().to_owned(),
        without(1),
        without(3),
        format!("{headers}{}\n", headers.lines().last().unwrap()),
    ];
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shell-check");
    for text in edited {
        let mut files = good.clone();
        files.insert("headers.jsonl".to_owned(), text.clone().into_bytes());
        let verdict = verify(Package::Folder(&files), &trust);
        assert_eq!(
            shell(&place, Some(&files)),
            i32::from(verdict.exit_status()),
            "{text}"
        );
    }
}

#[test]
fn the_shell_check_refuses_an_edited_run_package() {
    let document = String::from_utf8(read("example-run/run.json")).unwrap();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shell-check.json");
    for (from, to) in [
        ("caf\u{e9}", "cafe"),
        ("\"pro\"", "\"max\""),
        ("nBVI", "nBVJ"),
    ] {
        fs::write(&place, document.replacen(from, to, 1)).unwrap();
        assert_eq!(shell(&place, None), 3, "{from}");
    }
}
