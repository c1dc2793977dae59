//! Hostile packages: refused after reading and keeping little, whatever they claim to hold.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use counterfoil_evidence::code::Code;
use counterfoil_evidence::verify::{Members, Package, Verdict, verify_members};

use crate::attacks::folders::files;
use crate::forge::outcome;
use crate::rules::base;
use crate::second::verify;

/// The base stream, one file of which never ends: it repeats some bytes.
#[derive(Debug)]
struct Endless {
    files: BTreeMap<String, Vec<u8>>,
    name: &'static str,
    repeated: &'static [u8],
    read: Rc<Cell<u64>>,
}

struct Repeated {
    bytes: &'static [u8],
    at: usize,
    read: Rc<Cell<u64>>,
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Repeated {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.bytes[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.read.set(self.read.get() + count as u64);
        self.at = (self.at + count) % self.bytes.len();
    }
}

impl Members for Endless {
    fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let files = self.files.iter();
        Ok(files
            .map(|(name, content)| (name.clone(), content.len() as u64))
            .collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>> {
        if name == self.name {
            return Ok(Box::new(Repeated {
                bytes: self.repeated,
                at: 0,
                read: Rc::clone(&self.read),
            }));
        }
        self.files.open(name)
    }
}

/// The verdict, and how many bytes of the endless file were read for it.
fn endless(name: &'static str, repeated: &'static [u8]) -> (Verdict, u64) {
    let read = Rc::new(Cell::new(0));
    let members = Endless {
        files: files(),
        name,
        repeated,
        read: Rc::clone(&read),
    };
    let verdict = verify_members(&members, &base().trust(), None).unwrap();
    (verdict, read.get())
}

#[test]
fn a_line_without_end_is_refused_after_a_megabyte() {
    for (name, most) in [
        ("headers.jsonl", 1 << 21),
        ("parts.jsonl", 1 << 21),
        ("seals.jsonl", 1 << 16),
    ] {
        for repeated in [
            b"aaaaaaaaaaaaaaaa",
            b"[[[[[[[[[[[[[[[[",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0",
        ] {
            let (verdict, read) = endless(name, repeated);
            assert_eq!(outcome(&verdict), "E_LIMIT", "{name}: {verdict}");
            assert!(read <= most, "{name}: {read} bytes were read");
        }
    }
}

#[test]
fn lines_without_end_are_refused_at_the_first_one_that_is_wrong() {
    for (name, repeated) in [
        (
            "parts.jsonl",
            b"{\"d\":{},\"part\":\"facts\",\"s\":\"\",\"seq\":0}\n".as_slice(),
        ),
        ("seals.jsonl", b"{}\n"),
        ("headers.jsonl", b"\n"),
    ] {
        let (verdict, read) = endless(name, repeated);
        assert_eq!(verdict.exit_status(), 3, "{name}: {verdict}");
        assert!(read <= 1 << 16, "{name}: {read} bytes were read");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_verdict() {
    #[derive(Debug)]
    struct Broken(BTreeMap<String, Vec<u8>>);
    impl Members for Broken {
        fn files(&self) -> io::Result<Vec<(String, u64)>> {
            self.0.files()
        }
        fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>> {
            match name {
                "parts.jsonl" => Err(io::ErrorKind::PermissionDenied.into()),
                name => self.0.open(name),
            }
        }
    }
    let error = verify_members(&Broken(files()), &base().trust(), None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn many_headers_at_one_position_share_one_look_at_its_part() {
    // Each copy of a header would make a reader hash the same long part again.
    let mut files = files();
    let headers = String::from_utf8(files["headers.jsonl"].clone()).unwrap();
    let mut lines: Vec<&str> = headers.lines().collect();
    let copy = lines[4];
    lines.extend(std::iter::repeat_n(copy, 20_000));
    files.insert(
        "headers.jsonl".to_owned(),
        (lines.join("\n") + "\n").into_bytes(),
    );
    let verdict = verify(Package::Folder(&files), &base().trust());
    assert_eq!(verdict.result.unwrap_err().code, Code::Seq);
}
