//! Setting text onto pages, from top to bottom.

use crate::ReportError;
use crate::colour::{self, Colour, Tone};
use crate::font::{Face, Fonts};
use crate::length::{Length, pt};
use crate::page::{BOTTOM, Code, MEASURE, Mark, Page, Placed, SIDE, Shape, TOP};
use crate::qr;
use crate::shape::Shaped;
use crate::style::{LABEL_HEIGHT, Style};
use crate::tree::{NodeId, Role, Tree};
use crate::wrap::{Line, Run, Span, wrap};

/// The pages so far, and the place where the next line goes.
pub(crate) struct Flow<'f> {
    pub(crate) fonts: &'f Fonts,
    pub(crate) pages: Vec<Page>,
    pub(crate) tree: Tree,
    pub(crate) marks: Vec<Mark>,
    /// From the top of the page.
    pub(crate) y: Length,
    section: Option<NodeId>,
}

impl<'f> Flow<'f> {
    pub(crate) fn new(fonts: &'f Fonts) -> Self {
        Self {
            fonts,
            pages: vec![Page::default()],
            tree: Tree::default(),
            marks: Vec::new(),
            y: TOP,
            section: None,
        }
    }

    /// The section that new content belongs to.
    pub(crate) const fn section(&self) -> Option<NodeId> {
        self.section
    }

    /// Leaves `height` free, unless a page ends or begins here.
    pub(crate) fn gap(&mut self, height: Length) {
        if self.y > TOP {
            self.y += height;
        }
    }

    /// Begins a page if less than `height` is left.
    pub(crate) fn need(&mut self, height: Length) {
        if self.y + height > BOTTOM && self.y > TOP {
            self.new_page();
        }
    }

    pub(crate) fn new_page(&mut self) {
        self.pages.push(Page::default());
        self.y = TOP;
    }

    pub(crate) fn page(&mut self) -> Option<&mut Page> {
        self.pages.last_mut()
    }

    /// A coloured box.
    pub(crate) fn shape(&mut self, shape: Shape) {
        if let Some(page) = self.page() {
            page.shapes.push(shape);
        }
    }

    /// A thin rule across `width` at the current place.
    pub(crate) fn rule(&mut self, x: Length, width: Length, colour: Colour) {
        let y = self.y;
        self.shape(Shape {
            x,
            y,
            width,
            height: 500,
            radius: 0,
            colour,
        });
    }

    /// A heading of the second or third level; the second opens a section and is in the outline.
    pub(crate) fn heading(&mut self, level: u16, text: &str) {
        let style = if level <= 2 {
            Style::Section
        } else {
            Style::Heading
        };
        self.gap(if level <= 2 { pt(26) } else { pt(14) });
        self.need(pt(if level <= 2 { 110 } else { 80 }));
        let shown = Shaped::new(self.fonts, style.face(), style.size(), text).text;
        if level <= 2 {
            self.section = Some(self.tree.add(None, Role::Section));
            let page = self.pages.len().saturating_sub(1);
            self.marks.push(Mark {
                text: shown.clone(),
                page,
                y: self.y,
            });
        }
        let node = self.tree.add(self.section, Role::Heading(level, shown));
        let spans = [style.span(text)];
        self.lines(node, &spans, SIDE, MEASURE, style.leading());
        if level <= 2 {
            self.y += pt(4);
            self.rule(SIDE, MEASURE, colour::LINE);
            self.y += pt(9);
        } else {
            self.y += pt(4);
        }
    }

    /// The heading of an entry: `spans` at the left, `right` at the right edge.
    /// `below` is the height of what should stay with it.
    pub(crate) fn entry(&mut self, title: &str, spans: &[Span], right: &str, below: Length) {
        self.gap(pt(8));
        self.need(pt(30) + below.clamp(pt(44), pt(190)));
        self.rule(SIDE, MEASURE, colour::LINE);
        self.y += pt(8);
        let style = Style::Heading;
        let shown = Shaped::new(self.fonts, style.face(), style.size(), title).text;
        let node = self.tree.add(self.section, Role::Heading(3, shown));
        let side = Span {
            colour: colour::MUTED,
            size: 8_600,
            ..Style::Small.span(right)
        };
        let wide = self.width_of(side.face, side.size, right);
        let top = self.y;
        self.lines(node, spans, SIDE, MEASURE - wide - pt(12), style.leading());
        let end = self.y;
        let note = self.tree.add(self.section, Role::Paragraph);
        for line in wrap(self.fonts, &[side], MEASURE) {
            self.place(
                line,
                SIDE + MEASURE - wide,
                top,
                style.leading(),
                Some(note),
            );
        }
        self.y = end + pt(2);
    }

    /// A paragraph across the measure.
    pub(crate) fn paragraph(&mut self, spans: &[Span], leading: Length) {
        let node = self.tree.add(self.section, Role::Paragraph);
        self.lines(node, spans, SIDE, MEASURE, leading);
        self.y += pt(6);
    }

    /// Plain text in one style.
    pub(crate) fn text(&mut self, style: Style, text: &str) {
        self.paragraph(&[style.span(text)], style.leading());
    }

    /// A note: tinted, with a bar at its left.
    pub(crate) fn note(&mut self, tone: Tone, paragraphs: &[Vec<Span>]) {
        let style = Style::Body;
        let parent = self.tree.add(self.section, Role::Note);
        self.need(style.leading() * 2 + pt(20));
        self.back(pt(9), tone);
        for (index, spans) in paragraphs.iter().enumerate() {
            if index > 0 {
                self.back(pt(4), tone);
            }
            let node = self.tree.add(Some(parent), Role::Paragraph);
            for line in wrap(self.fonts, spans, MEASURE - pt(32)) {
                self.need(style.leading());
                let y = self.y;
                self.back(style.leading(), tone);
                self.place(line, SIDE + pt(17), y, style.leading(), Some(node));
            }
        }
        self.back(pt(9), tone);
        self.y += pt(10);
    }

    /// A strip of a note's ground.
    fn back(&mut self, height: Length, tone: Tone) {
        let (y, ground) = (self.y, tone.wash());
        let bar = match tone {
            Tone::Plain => colour::ACCENT,
            _ => tone.ink(),
        };
        for (x, width, colour) in [(SIDE, MEASURE, ground), (SIDE, pt(3), bar)] {
            self.shape(Shape {
                x,
                y,
                width,
                // Strips overlap by a hair, so that no seam shows.
                height: height + 150,
                radius: 0,
                colour,
            });
        }
        self.y += height;
    }

    /// Lines at `x`, breaking pages between them.
    pub(crate) fn lines(
        &mut self,
        node: NodeId,
        spans: &[Span],
        x: Length,
        width: Length,
        leading: Length,
    ) {
        for line in wrap(self.fonts, spans, width) {
            self.need(leading);
            let y = self.y;
            self.place(line, x, y, leading, Some(node));
            self.y += leading;
        }
    }

    /// One line in a strip of height `leading` that begins at `y`.
    pub(crate) fn place(
        &mut self,
        line: Line,
        x: Length,
        y: Length,
        leading: Length,
        node: Option<NodeId>,
    ) {
        let size = line.runs.iter().map(|run| run.shaped.size).max();
        let base = y + i32::midpoint(leading, size.unwrap_or_default() * 2 / 3);
        for run in line.runs {
            self.put(run, x, base, node);
        }
    }

    /// One run on a base line; a label brings its box.
    pub(crate) fn put(&mut self, run: Run, x: Length, base: Length, node: Option<NodeId>) {
        let mut left = x + run.x;
        if let Some(tone) = run.label {
            let above = i32::midpoint(LABEL_HEIGHT, run.shaped.size * 7 / 10);
            self.shape(Shape {
                x: left,
                y: base - above,
                width: run.width,
                height: LABEL_HEIGHT,
                radius: pt(3),
                colour: tone.ground(),
            });
            left += crate::wrap::LABEL_PAD;
        }
        if let Some(page) = self.page() {
            page.text.push(Placed {
                run,
                x: left,
                y: base,
                node,
            });
        }
    }

    /// The square code of `text` at a place of the current page.
    pub(crate) fn code(
        &mut self,
        text: &str,
        says: String,
        (x, y): (Length, Length),
        side: Length,
    ) -> Result<(), ReportError> {
        let modules = qr::modules(text)?;
        let node = self.tree.add(self.section, Role::Figure(says));
        if let Some(page) = self.page() {
            page.codes.push(Code {
                modules,
                x,
                y,
                side,
                node,
            });
        }
        Ok(())
    }

    /// Width of a text that stays on one line.
    pub(crate) fn width_of(&self, face: Face, size: Length, text: &str) -> Length {
        let shaped = Shaped::new(self.fonts, face, size, text);
        shaped.width(0, shaped.glyphs.len())
    }
}
