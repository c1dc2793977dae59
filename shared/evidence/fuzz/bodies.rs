//! What is fuzzed, one function for each parser. The fuzz targets call them, and so does a test that
//! replays the committed corpus, so that a body that no longer compiles is noticed.
//!
//! Each body states what must hold for any bytes: nothing panics, and what is accepted is canonical.

use std::collections::BTreeMap;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::header::Header;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::package::gzip;
use counterfoil_evidence::package::tar::{self, TarLimits};
use counterfoil_evidence::seal::{Seal, SealKey, Witness};
use counterfoil_evidence::verify::{Package, Trust, verify};

const KEY: &str = include_str!("../tests/vectors/example-run/sealer.pem");
const STREAM: &str = include_str!("../tests/vectors/example-run/stream.txt");
const LIMITS: TarLimits = TarLimits {
    max_bytes: 1 << 20,
    max_files: 16,
};

fn stream() -> Hash {
    STREAM.trim().parse().unwrap()
}

fn trust() -> Trust {
    let mut trust = Trust::new(SealKey::from_pem(KEY).unwrap(), stream());
    trust.limits = LIMITS;
    trust
}

/// JSON: what is read is written back as the same value, and canonical bytes as the same bytes.
pub fn json(bytes: &[u8]) {
    if let Ok(value) = Json::parse_document(bytes) {
        let canonical = value.canonical();
        assert_eq!(Json::parse_document(&canonical).as_ref(), Ok(&value));
    }
    if let Ok(value) = Json::parse_canonical(bytes) {
        assert_eq!(value.canonical(), bytes);
    }
    let _ = Trust::from_json(bytes);
}

/// A note, and a witness key.
pub fn note(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(seal) = Seal::parse(text) {
        assert!(text.starts_with(&String::from_utf8(seal.body.bytes()).unwrap()));
        assert!(Seal::parse(&seal.reduced()).is_ok() || seal.reduced().ends_with("\n\n"));
        let _ = seal.verified_by(&[SealKey::from_pem(KEY).unwrap()]);
    }
    let _ = Witness::parse(text);
}

/// A header: what is accepted has exactly these bytes.
pub fn header(bytes: &[u8]) {
    if let Ok(header) = Header::parse(bytes, stream()) {
        assert_eq!(header.bytes(), bytes);
    }
}

/// A package that is one file.
pub fn document(bytes: &[u8]) {
    judge(Package::of_file(bytes), bytes);
}

/// The files of the folder form, one after the other, each begun by a line with its name.
pub fn folder(bytes: &[u8]) {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut current = None;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"#") {
            current = Some(String::from_utf8_lossy(name).trim_end().to_owned());
        } else {
            let name = current.clone().unwrap_or_default();
            files.entry(name).or_default().extend_from_slice(line);
        }
    }
    for name in ["descriptor.json", "package.json"] {
        if let Some(content) = files.get_mut(name) {
            let _ = content.pop_if(|byte| *byte == b'\n');
        }
    }
    judge(Package::Folder(&files), bytes);
}

/// Archives: both readers agree, and what they read is written back as the same files.
pub fn archive(bytes: &[u8]) {
    if let Ok(unpacked) = gzip::unpack(bytes, LIMITS.max_bytes) {
        archive(&unpacked);
    }
    let read = tar::read(bytes, LIMITS);
    let places = tar::index(bytes, LIMITS);
    assert_eq!(read.is_ok(), places.is_ok());
    if let (Ok(files), Ok(places)) = (read, places) {
        assert_eq!(files.len(), places.len());
        assert_eq!(tar::read(&tar::write(&files), LIMITS).as_ref(), Ok(&files));
    }
}

/// A verdict always comes, and says one thing in one line. Only the committed good ones are accepted:
/// everything else would be a forgery.
fn judge(package: Package<'_>, bytes: &[u8]) {
    let verdict = verify(package, &trust());
    assert_eq!(verdict.first_line().lines().count(), 1);
    if let Ok(accepted) = &verdict.result {
        assert_eq!(accepted.stream, stream());
        assert!(bytes.len() > 1000);
    }
}
