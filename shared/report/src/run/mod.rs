//! The report of one run.

mod cause;
mod entries;
mod facts;
mod layers;
mod lead;
mod story;

use counterfoil_evidence::hash::{Hash, sha256};
use counterfoil_evidence::json::Json;
use counterfoil_evidence::package::RUN_FORMAT;
use counterfoil_evidence::verify::{Accepted, Governance, Package as Input, Trust, verify};

use crate::file::{self, Cover};
use crate::flow::Flow;
use crate::font::Fonts;
use crate::parts::{self, Package};
use crate::record::Record;
use crate::style::Style;
use crate::table::Field;
use crate::{About, ReportError};

/// Most entries of a run that a report prints; the attachment has them all.
pub const MAX_ENTRIES: usize = 2_000;

/// Verifies a run package and renders it as a PDF, with the package attached as `run.json`.
///
/// The same package, trust and names give the same bytes.
///
/// # Errors
/// [`ReportError::Refused`] or [`ReportError::Level`] when the package does not pass, and
/// [`ReportError::NotARun`] when it is another kind of package; the other variants are failures of
/// rendering.
pub fn run_report(package: &[u8], trust: &Trust, about: &About) -> Result<Vec<u8>, ReportError> {
    let verdict = verify(Input::Document(package), trust);
    let first_line = verdict.first_line();
    let (accepted, required) = (
        verdict.result.map_err(ReportError::Refused)?,
        verdict.required,
    );
    if accepted.level < required {
        return Err(ReportError::Level {
            reached: accepted.level,
            required,
        });
    }
    if accepted.format != RUN_FORMAT {
        return Err(ReportError::NotARun(accepted.format));
    }
    let document = Json::parse_document(package).map_err(ReportError::Refused)?;
    let record = Record::read(&document)?;
    let keys: Vec<Hash> = trust.keys.iter().map(|pinned| pinned.key.hash()).collect();
    render(package, &record, &accepted, &first_line, &keys, about)
}

fn render(
    bytes: &[u8],
    record: &Record<'_>,
    accepted: &Accepted,
    first_line: &str,
    keys: &[Hash],
    about: &About,
) -> Result<Vec<u8>, ReportError> {
    let package = Package {
        accepted,
        digest: sha256(bytes),
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        entries: Some((record.open.seq, record.close.seq)),
        file: "run.json",
    };
    let result = accepted.governance.get(record.id).copied();
    let result = result.unwrap_or(Governance::Unknown);
    let fonts = Fonts::load()?;
    let mut flow = Flow::new(&fonts);
    let title = story::title(record);
    parts::title(&mut flow, about, title, &package)?;
    story::tell(&mut flow, record, result, about);
    layers::what_ran(&mut flow, record);
    entries::what_happened(&mut flow, record);
    layers::what_was_produced(&mut flow, record, result);
    entries::outside(&mut flow, record);
    parts::fingerprints(&mut flow, &package);
    parts::checked(&mut flow, &package);
    how_to_verify(&mut flow, &package, first_line, keys);
    parts::glossary(&mut flow);
    parts::feet(&mut flow, &package);
    let attachment = (
        "run.json",
        "The verified run package that this report was made from",
        bytes,
    );
    let cover = Cover {
        title: format!("{title}: {}, {}", record.id, about.project),
        subject: format!(
            "Evidence of run {} in stream {}",
            record.id, accepted.stream
        ),
        id: format!("counterfoil-report-{}-{}", about.report, package.digest),
        issued_at: about.issued_at,
        attachment,
    };
    file::write(flow, &cover)
}

fn how_to_verify(flow: &mut Flow<'_>, package: &Package<'_>, first_line: &str, keys: &[Hash]) {
    flow.heading(2, "Verify it yourself");
    flow.text(
        Style::Body,
        "You do not need an account, a network or our word. Take the JSON out of this PDF, compare its SHA-256 with the one above, and give it to the verifier together with the public key and the stream id. Get those two from somebody you trust, not from this file.",
    );
    parts::commands(
        flow,
        &[
            "pdfdetach -save 1 -o run.json report.pdf".to_owned(),
            "sha256sum run.json".to_owned(),
            format!(
                "counterfoil verify run.json --key key.pem \\\n  --stream {}",
                package.accepted.stream
            ),
        ],
    );
    flow.text(
        Style::Body,
        "When this report was written, the verifier answered:",
    );
    parts::commands(flow, &[first_line.to_owned()]);
    flow.fields(
        keys.iter()
            .map(|key| Field::id("SHA-256 of a pinned key", key.to_string())),
    );
    flow.text(
        Style::Small,
        "The SHA-256 of a key is that of its DER form: openssl pkey -pubin -in key.pem -outform DER | sha256sum. The format is public: hashes, tree and seal can be checked with openssl, jq and sha256sum, without our program.",
    );
    flow.text(Style::Small, parts::CLAIM);
}
