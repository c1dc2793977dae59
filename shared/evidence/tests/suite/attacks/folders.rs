//! The folder form and its archive.

use std::collections::BTreeMap;

use counterfoil_evidence::package::tar;
use counterfoil_evidence::verify::{Package, Verdict};

use super::{Row, judge};
use crate::forge::{Forge, outcome};
use crate::rules::base;
use crate::second::verify;

type Files = BTreeMap<String, Vec<u8>>;

pub(super) const ROWS: &[Row] = &[
    (
        "65f",
        "gzip bomb",
        || {
            let mut trust = base().trust();
            trust.limits.max_bytes = 1_000_000;
            let bomb = crate::accepted::gzip(&vec![0; 4_000_000]);
            verify(Package::of_file(&bomb), &trust)
        },
        "E_LIMIT",
    ),
    (
        "72",
        "space in a header line",
        || replaced("headers.jsonl", "\"alg\":", "\"alg\": "),
        "E_CANON",
    ),
    (
        "72b",
        "keys out of order",
        || {
            replaced(
                "headers.jsonl",
                "\"alg\":\"sha256\",\"at\":1795392000037",
                "\"at\":1795392000037,\"alg\":\"sha256\"",
            )
        },
        "E_CANON",
    ),
    (
        "72c",
        "escaped letter",
        || replaced("headers.jsonl", "sha256", "sh\\u0061256"),
        "E_CANON",
    ),
    (
        "72d",
        "no final line feed",
        || cut("headers.jsonl"),
        "E_CANON",
    ),
    (
        "72e",
        "CRLF lines",
        || changed("headers.jsonl", |t| t.replace('\n', "\r\n")),
        "E_CANON",
    ),
    (
        "72f",
        "newline after the descriptor",
        || changed("descriptor.json", |t| format!("{t}\n")),
        "E_CANON",
    ),
    (
        "72g",
        "space in a seal line",
        || replaced("seals.jsonl", "\"at\":", "\"at\": "),
        "E_CANON",
    ),
    (
        "72h",
        "seal line: at differs",
        || replaced("seals.jsonl", "{\"at\":1", "{\"at\":2"),
        "E_CANON",
    ),
    (
        "72i",
        "seal line: size differs",
        || replaced("seals.jsonl", "\"size\":6}", "\"size\":7}"),
        "E_CANON",
    ),
    (
        "72j",
        "seal line: field added",
        || replaced("seals.jsonl", "\"size\":6}", "\"size\":6,\"x\":1}"),
        "E_CANON",
    ),
    (
        "72k",
        "seal line: field missing",
        || replaced("seals.jsonl", ",\"size\":6}", "}"),
        "E_CANON",
    ),
    (
        "72l",
        "seal lines without final line feed",
        || cut("seals.jsonl"),
        "E_CANON",
    ),
    (
        "72m",
        "seal lines swapped",
        || lines("seals.jsonl", |l| l.swap(0, 1)),
        "E_SEAL_CHAIN",
    ),
    (
        "72n",
        "middle seal line dropped",
        || {
            lines("seals.jsonl", |l| {
                l.remove(1);
            })
        },
        "E_SEAL_CHAIN",
    ),
    (
        "72o",
        "seal line without a note in it",
        || {
            lines("seals.jsonl", |l| {
                l[0] = "{\"at\":1,\"note\":\"\",\"size\":1}".to_owned();
            })
        },
        "E_NOTE_SYNTAX",
    ),
    (
        "72p",
        "name of the signature line altered",
        || {
            changed("seals.jsonl", |t| {
                t.replace("\u{2014} evidence.", "\u{2014} evidences.")
            })
        },
        "E_NO_TRUSTED_SIG",
    ),
    (
        "72q",
        "empty seals.jsonl",
        || changed("seals.jsonl", |_| String::new()),
        "E_NO_SEAL",
    ),
    (
        "72r",
        "seals.jsonl missing",
        || {
            folder(|f| {
                f.remove("seals.jsonl");
            })
        },
        "E_FORMAT",
    ),
    (
        "72s",
        "seal as a file of its own",
        || {
            folder(|f| {
                f.insert("6.note".to_owned(), vec![]);
            })
        },
        "E_LIMIT",
    ),
    (
        "72t",
        "seal line over 33024 bytes",
        || {
            replaced(
                "seals.jsonl",
                "{\"at\":",
                &format!("{}{{\"at\":", " ".repeat(33_024)),
            )
        },
        "E_LIMIT",
    ),
    (
        "73",
        "parts line of an entry that is not there",
        || changed("parts.jsonl", |t| t.replace("\"seq\":16}", "\"seq\":99}")),
        "E_PART_SET",
    ),
    (
        "73b",
        "parts lines out of order",
        || lines("parts.jsonl", |l| l.swap(0, 1)),
        "E_PART_SET",
    ),
    (
        "73c",
        "parts line dropped",
        || {
            lines("parts.jsonl", |l| {
                l.remove(3);
            })
        },
        "E_PART_SET",
    ),
    (
        "73d",
        "parts line altered",
        || replaced("parts.jsonl", "caf\u{e9}", "cafe"),
        "E_PART_HASH",
    ),
    (
        "65b",
        "path traversal",
        || {
            archive(|f| {
                f.insert("../x".to_owned(), vec![]);
            })
        },
        "E_LIMIT",
    ),
    (
        "65c",
        "absolute path",
        || {
            archive(|f| {
                f.insert("/x".to_owned(), vec![]);
            })
        },
        "E_LIMIT",
    ),
    (
        "65d",
        "duplicate member",
        || {
            bytes(|tar| {
                let member = tar[..1024].to_vec();
                tar.splice(0..0, member);
            })
        },
        "E_LIMIT",
    ),
    (
        "65e",
        "symbolic link",
        || bytes(|tar| retype(tar, b'2')),
        "E_LIMIT",
    ),
    (
        "107",
        "pax extension headers",
        || bytes(|tar| retype(tar, b'x')),
        "E_LIMIT",
    ),
    (
        "107b",
        "second archive after the end of the first",
        || {
            bytes(|tar| {
                let copy = tar.clone();
                tar.extend(copy);
            })
        },
        "E_LIMIT",
    ),
    ("107c", "too many files", too_many, "E_LIMIT"),
];

#[test]
fn folders_and_archives_are_refused() {
    judge(ROWS);
}

#[test]
fn the_untouched_folder_and_archive_are_accepted() {
    assert!(outcome(&folder(|_| {})).starts_with("OK L2"));
    assert!(outcome(&archive(|_| {})).starts_with("OK L2"));
}

/// The base stream in folder form.
pub fn files() -> Files {
    files_of(&base())
}

/// A stream in folder form, written by hand from its export.
pub fn files_of(forge: &Forge) -> Files {
    use counterfoil_evidence::json::{Json, object};
    let mut files = Files::new();
    let mut add = |name: &str, content: Vec<u8>| {
        files.entry(name.to_owned()).or_default().extend(content);
    };
    add(
        "package.json",
        b"{\"format\":\"counterfoil.export/1\"}".to_vec(),
    );
    add("descriptor.json", forge.descriptor.to_json().canonical());
    for (seq, entry) in forge.entries.iter().enumerate() {
        add(
            "headers.jsonl",
            [entry.header.canonical(), vec![b'\n']].concat(),
        );
        let json = entry.json();
        for (name, part) in json.get("p").unwrap().as_object().unwrap() {
            let mut line = part.as_object().unwrap().clone();
            line.insert("part".to_owned(), name.as_str().into());
            line.insert("seq".to_owned(), Json::uint(seq as u64));
            add(
                "parts.jsonl",
                [Json::Object(line).canonical(), vec![b'\n']].concat(),
            );
        }
    }
    for note in &forge.seals {
        let body = counterfoil_evidence::seal::Seal::parse(note).unwrap().body;
        let line = object([
            ("at", Json::uint(body.at)),
            ("note", note.as_str().into()),
            ("size", Json::uint(body.size)),
        ]);
        add("seals.jsonl", [line.canonical(), vec![b'\n']].concat());
    }
    files
}

fn folder(change: impl Fn(&mut Files)) -> Verdict {
    let mut files = files();
    change(&mut files);
    verify(Package::Folder(&files), &base().trust())
}

fn archive(change: fn(&mut Files)) -> Verdict {
    let mut files = files();
    change(&mut files);
    verify(Package::of_file(&tar::write(&files)), &base().trust())
}

fn bytes(change: fn(&mut Vec<u8>)) -> Verdict {
    let mut archive = tar::write(&files());
    change(&mut archive);
    verify(Package::of_file(&archive), &base().trust())
}

fn changed(name: &str, change: impl Fn(String) -> String) -> Verdict {
    folder(|files| {
        let content = files.get_mut(name).unwrap();
        *content = change(String::from_utf8(content.clone()).unwrap()).into_bytes();
    })
}

fn replaced(name: &str, from: &str, to: &str) -> Verdict {
    changed(name, |text| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

fn cut(name: &str) -> Verdict {
    changed(name, |text| text.trim_end().to_owned())
}

fn lines(name: &str, change: fn(&mut Vec<String>)) -> Verdict {
    changed(name, |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        lines.join("\n") + "\n"
    })
}

/// Gives the first member another type, with a matching checksum.
fn retype(tar: &mut [u8], kind: u8) {
    tar[156] = kind;
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn too_many() -> Verdict {
    let mut trust = base().trust();
    trust.limits.max_files = 4;
    verify(Package::Folder(&files()), &trust)
}
