//! The title block.

use super::Package;
use crate::colour;
use crate::flow::Flow;
use crate::font::Face;
use crate::length::{Length, pt};
use crate::page::{MEASURE, SIDE, Shape, TOP};
use crate::shape::Shaped;
use crate::style::Style;
use crate::tree::Role;
use crate::values::cut;
use crate::wrap::Span;
use crate::{About, ReportError, time};

/// Side of the square code.
const CODE: Length = pt(92);

/// Longest name on the first page, in characters, so that the block stays on it.
const MAX_NAME: usize = 300;

/// The title block: what the report is, about whom, its fingerprints and the square code.
pub(crate) fn title(
    flow: &mut Flow<'_>,
    about: &About,
    title: &str,
    package: &Package<'_>,
) -> Result<(), ReportError> {
    flow.shape(Shape {
        x: SIDE,
        y: TOP - pt(12),
        width: pt(44),
        height: pt(3),
        radius: 0,
        colour: colour::ACCENT,
    });
    let top = flow.y;
    let width = MEASURE - CODE - pt(24);
    let place = |flow: &mut Flow<'_>, role: Role, style: Style, spans: Vec<Span>| {
        let node = flow.tree.add(None, role);
        flow.lines(node, &spans, SIDE, width, style.leading());
    };
    place(
        flow,
        Role::Paragraph,
        Style::Eyebrow,
        vec![Style::Eyebrow.span("Counterfoil evidence report")],
    );
    flow.y += pt(4);
    let shown = Shaped::new(flow.fonts, Face::Bold, Style::Title.size(), title).text;
    place(
        flow,
        Role::Heading(1, shown),
        Style::Title,
        vec![Style::Title.span(title)],
    );
    flow.y += pt(4);
    let names = format!(
        "{} · {}",
        cut(&about.project, MAX_NAME),
        cut(&about.workspace, MAX_NAME)
    );
    place(
        flow,
        Role::Paragraph,
        Style::Subtitle,
        vec![Style::Subtitle.span(names)],
    );
    let issued = format!("Issued {}", time::utc(about.issued_at));
    place(
        flow,
        Role::Paragraph,
        Style::Subtitle,
        vec![Style::Subtitle.span(issued)],
    );
    place(
        flow,
        Role::Paragraph,
        Style::Subtitle,
        vec![
            Style::Subtitle.span("Report "),
            Style::Subtitle.id(cut(&about.report, MAX_NAME)),
        ],
    );
    let text_end = flow.y;
    let seal = package.accepted.seal_hash.to_string();
    let at = (SIDE + MEASURE - CODE, top);
    let says = format!("Square code of the seal digest {seal}");
    flow.code(&seal, says, at, CODE)?;
    flow.y = top + CODE + pt(2);
    let node = flow.tree.add(None, Role::Paragraph);
    let caption = Span {
        colour: colour::MUTED,
        size: 8_000,
        ..Style::Small.span("Seal digest")
    };
    flow.lines(node, &[caption], at.0, CODE, pt(11));
    flow.y = flow.y.max(text_end) + pt(8);
    Ok(())
}
