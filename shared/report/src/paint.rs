//! Painting laid-out pages with the PDF writer.

use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, SpanTag};
use krilla::text::{GlyphId, KrillaGlyph};

use crate::ReportError;
use crate::colour::{Colour, INK};
use crate::font::Fonts;
use crate::length::{points, ratio};
use crate::page::{Code, HEIGHT, Page, Placed, Shape, WIDTH};
use crate::tree::Tree;

/// Paints every page, and notes in the tree which content belongs to which node.
pub(crate) fn pages(
    document: &mut Document,
    pages: &[Page],
    fonts: &Fonts,
    tree: &mut Tree,
) -> Result<(), ReportError> {
    for page in pages {
        let size = PageSettings::from_wh(points(WIDTH), points(HEIGHT)).ok_or(ReportError::Page)?;
        let mut open = document.start_page_with(size);
        let mut surface = open.surface();
        shapes(&mut surface, &page.shapes);
        for code in &page.codes {
            let content = surface.start_tagged(ContentTag::Other);
            square(&mut surface, code);
            surface.end_tagged();
            tree.mark(code.node, content);
        }
        text(&mut surface, &page.text, fonts, tree);
        surface.finish();
        open.finish();
    }
    Ok(())
}

fn shapes(surface: &mut Surface<'_>, shapes: &[Shape]) {
    if shapes.is_empty() {
        return;
    }
    let layout = Artifact::with_kind(ArtifactType::Layout);
    surface.start_tagged(ContentTag::Artifact(layout));
    for shape in shapes {
        if let Some(path) = outline(shape) {
            fill(surface, shape.colour);
            surface.draw_path(&path);
        }
    }
    surface.end_tagged();
}

fn outline(shape: &Shape) -> Option<Path> {
    let (left, top) = (shape.x, shape.y);
    let (right, bottom) = (left + shape.width, top + shape.height);
    let mut path = PathBuilder::new();
    let radius = shape.radius.min(shape.height / 2).min(shape.width / 2);
    if radius <= 0 {
        path.push_rect(rect(left, top, right, bottom)?);
        return path.finish();
    }
    let p = points;
    path.move_to(p(left + radius), p(top));
    path.line_to(p(right - radius), p(top));
    path.quad_to(p(right), p(top), p(right), p(top + radius));
    path.line_to(p(right), p(bottom - radius));
    path.quad_to(p(right), p(bottom), p(right - radius), p(bottom));
    path.line_to(p(left + radius), p(bottom));
    path.quad_to(p(left), p(bottom), p(left), p(bottom - radius));
    path.line_to(p(left), p(top + radius));
    path.quad_to(p(left), p(top), p(left + radius), p(top));
    path.close();
    path.finish()
}

fn rect(left: i32, top: i32, right: i32, bottom: i32) -> Option<Rect> {
    Rect::from_ltrb(points(left), points(top), points(right), points(bottom))
}

fn square(surface: &mut Surface<'_>, code: &Code) {
    let mut path = PathBuilder::new();
    let each = code.side / code.modules.side.max(1);
    for (column, row) in &code.modules.dark {
        let (x, y) = (code.x + column * each, code.y + row * each);
        // A hair wider, so that no seam shows between two modules.
        if let Some(module) = rect(x, y, x + each + 20, y + each + 20) {
            path.push_rect(module);
        }
    }
    if let Some(path) = path.finish() {
        fill(surface, INK);
        surface.draw_path(&path);
    }
}

/// Neighbours that belong to one node are one piece of tagged content.
fn text(surface: &mut Surface<'_>, text: &[Placed], fonts: &Fonts, tree: &mut Tree) {
    for same in text.chunk_by(|a, b| a.node == b.node) {
        let node = same.first().and_then(|placed| placed.node);
        let tag = match node {
            Some(_) => ContentTag::Span(SpanTag::empty()),
            None => ContentTag::Artifact(Artifact::with_kind(ArtifactType::PaginationOther)),
        };
        let content = surface.start_tagged(tag);
        for placed in same {
            draw(surface, placed, fonts);
        }
        surface.end_tagged();
        if let Some(node) = node {
            tree.mark(node, content);
        }
    }
}

fn draw(surface: &mut Surface<'_>, placed: &Placed, fonts: &Fonts) {
    let shaped = &placed.run.shaped;
    let font = fonts.get(shaped.face);
    let em = |units: i32| ratio(units, font.per_em);
    let glyphs: Vec<KrillaGlyph> = shaped
        .glyphs
        .iter()
        .enumerate()
        .map(|(index, glyph)| {
            KrillaGlyph::new(
                GlyphId::new(u32::from(glyph.id)),
                em(glyph.advance),
                em(glyph.dx),
                em(glyph.dy),
                0.0,
                glyph.at..shaped.end_of(index),
                None,
            )
        })
        .collect();
    fill(surface, placed.run.colour);
    surface.draw_glyphs(
        Point::from_xy(points(placed.x), points(placed.y)),
        &glyphs,
        font.pdf.clone(),
        &shaped.text,
        points(shaped.size),
        false,
    );
}

fn fill(surface: &mut Surface<'_>, Colour(red, green, blue): Colour) {
    surface.set_fill(Some(Fill {
        paint: rgb::Color::new(red, green, blue).into(),
        ..Fill::default()
    }));
}
