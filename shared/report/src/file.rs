//! The file around the pages: standards, metadata, outline, attachment.

use krilla::configure::{Accessibility, Archival, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::{Document, SerializeSettings};

use crate::ReportError;
use crate::flow::Flow;
use crate::font::Face;
use crate::length::points;
use crate::page::SIDE;
use crate::{escape, paint, time};

const LANGUAGE: &str = "en";

/// What the file says about itself.
pub(crate) struct Cover<'a> {
    /// As drawn on the first page.
    pub(crate) title: String,
    /// One sentence.
    pub(crate) subject: String,
    /// Unique per report.
    pub(crate) id: String,
    /// Time of issue, ms.
    pub(crate) issued_at: u64,
    /// The attached file: its name, what it is, its bytes.
    pub(crate) attachment: (&'a str, &'a str, &'a [u8]),
}

/// Writes the pages as PDF/A-3a and PDF/UA-1.
pub(crate) fn write(flow: Flow<'_>, cover: &Cover<'_>) -> Result<Vec<u8>, ReportError> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A3_A)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|_| ReportError::Page)?;
    let mut document = Document::new_with(SerializeSettings {
        configuration,
        ..SerializeSettings::default()
    });
    let mut tree = flow.tree;
    paint::pages(&mut document, &flow.pages, flow.fonts, &mut tree)?;
    document.set_tag_tree(tree.finish(LANGUAGE));
    document.set_outline(outline(&flow.marks));
    let shown = |text: &str| escape::visible(flow.fonts.get(Face::Regular), text);
    let metadata = Metadata::new()
        .title(shown(&cover.title))
        .description(shown(&cover.subject))
        .creator("Counterfoil".to_owned())
        .language(LANGUAGE.to_owned())
        .document_id(cover.id.clone())
        .creation_date(time::metadata(cover.issued_at));
    document.set_metadata(metadata);
    attach(&mut document, cover)?;
    document.finish().map_err(ReportError::written)
}

fn outline(marks: &[crate::page::Mark]) -> Outline {
    let mut outline = Outline::new();
    for mark in marks {
        let place = Point::from_xy(points(SIDE), points(mark.y));
        let destination = XyzDestination::new(mark.page, place);
        outline.push_child(OutlineNode::new(mark.text.clone(), destination));
    }
    outline
}

fn attach(document: &mut Document, cover: &Cover<'_>) -> Result<(), ReportError> {
    let (name, what, bytes) = cover.attachment;
    let file = EmbeddedFile {
        path: name.to_owned(),
        mime_type: MimeType::new("application/json"),
        description: Some(what.to_owned()),
        association_kind: AssociationKind::Source,
        data: bytes.to_vec().into(),
        modification_date: Some(time::metadata(cover.issued_at)),
        compress: Some(true),
        location: None,
    };
    document.embed_file(file).ok_or(ReportError::Page)
}
