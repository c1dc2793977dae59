//! Standard PDF programs: found, or installed where that is ours to do.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

/// Program and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 5] = [
    ("qpdf", "qpdf"),
    ("pdfdetach", "poppler-utils"),
    ("pdffonts", "poppler-utils"),
    ("pdfinfo", "poppler-utils"),
    ("pdftotext", "poppler-utils"),
];

fn missing() -> Vec<&'static str> {
    let absent = |program: &str| Command::new(program).arg("--version").output().is_err();
    let mut packages: Vec<_> = PROGRAMS
        .iter()
        .filter(|(program, _)| absent(program))
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    packages
}

/// Makes sure that every program is there.
///
/// # Panics
/// When one is neither found nor can be installed.
fn ready() {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        let packages = missing();
        if packages.is_empty() {
            return;
        }
        let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        if root && Path::new("/usr/bin/apt-get").exists() {
            println!("installing the Debian packages {}", packages.join(" "));
            if !apt_get("install", &packages) {
                // The lists are missing on a fresh machine and go stale on an old one.
                apt_get("update", &[]);
                apt_get("install", &packages);
            }
        }
        let packages = missing();
        assert!(
            packages.is_empty(),
            "these tests read the reports with qpdf and poppler-utils: install {} (Debian: apt-get install {}) and start again",
            packages.join(" and "),
            packages.join(" "),
        );
    });
}

fn apt_get(verb: &str, packages: &[&str]) -> bool {
    Command::new("/usr/bin/apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300", verb])
        .args(packages)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A PDF in a file of its own.
pub struct Pdf {
    folder: TempDir,
    pub bytes: Vec<u8>,
}

impl Pdf {
    pub fn new(bytes: Vec<u8>) -> Self {
        ready();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("report.pdf"), &bytes).unwrap();
        Self { folder, bytes }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("report.pdf")
    }

    fn run(&self, program: &str, before: &[&str], after: &[&str]) -> Output {
        Command::new(program)
            .current_dir(self.folder.path())
            .args(before)
            .arg(self.path())
            .args(after)
            .output()
            .unwrap()
    }

    fn print(&self, program: &str, before: &[&str], after: &[&str]) -> String {
        let output = self.run(program, before, after);
        let (out, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program}: {err}");
        String::from_utf8_lossy(out).into_owned()
    }

    /// `qpdf --check` finds neither error nor warning.
    pub fn assert_sound(&self) {
        let said = self.print("qpdf", &["--check"], &[]);
        assert!(!said.contains("WARNING"), "{said}");
    }

    /// The one attached file.
    pub fn attachment(&self) -> Vec<u8> {
        let list = self.print("pdfdetach", &["-list"], &[]);
        assert!(list.starts_with("1 embedded"), "{list}");
        self.print("pdfdetach", &["-save", "1", "-o", "attached"], &[]);
        fs::read(self.folder.path().join("attached")).unwrap()
    }

    /// Every font is embedded, is a subset, and maps to Unicode.
    pub fn assert_fonts_embedded(&self) {
        let fonts = self.print("pdffonts", &[], &[]);
        let lines: Vec<_> = fonts.lines().skip(2).collect();
        assert_eq!(lines.len(), 3, "{fonts}");
        for line in lines {
            let flags: Vec<_> = line.split_whitespace().rev().skip(2).take(3).collect();
            assert_eq!(flags, ["yes", "yes", "yes"], "{line}");
        }
    }

    /// Number of pages.
    pub fn pages(&self) -> usize {
        let info = self.print("pdfinfo", &[], &[]);
        let line = info.lines().find(|line| line.starts_with("Pages:"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    }

    pub fn info(&self) -> String {
        self.print("pdfinfo", &[], &[])
    }

    /// The text in the order it was written.
    pub fn text(&self) -> String {
        self.print("pdftotext", &["-raw"], &["-"])
    }

    /// The text without white space, so that line breaks do not matter.
    pub fn dense(&self) -> String {
        dense(&self.text())
    }

    /// The file with its objects as plain text.
    pub fn plain(&self) -> Vec<u8> {
        let options = ["--qdf", "--object-streams=disable"];
        self.run("qpdf", &options, &["-"]).stdout
    }

    /// No word leaves the margins. A4, margins of 64 pt at the sides; tables may stand out by 5.
    pub fn assert_inside_margins(&self) {
        let boxes = self.print("pdftotext", &["-bbox"], &["-"]);
        let words = boxes.lines().filter(|line| line.contains("<word "));
        let mut count = 0;
        for word in words {
            let edge = |name: &str| -> f64 {
                let value = word.split_once(&format!("{name}=\"")).unwrap().1;
                value.split('"').next().unwrap().parse().unwrap()
            };
            assert!(edge("xMin") > 63.0 && edge("xMax") < 532.0, "{word}");
            assert!(edge("yMin") > 50.0 && edge("yMax") < 810.0, "{word}");
            count += 1;
        }
        assert!(count > 100);
    }
}

pub fn dense(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
