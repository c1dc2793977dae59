//! Tables and lists of fields: fixed columns, rows as tall as their tallest cell, headers repeated
//! on every page.

use crate::colour::{self, Colour};
use crate::flow::Flow;
use crate::length::{Length, pt};
use crate::page::{BOTTOM, MEASURE, SIDE, Shape};
use crate::style::Style;
use crate::tree::{NodeId, Role};
use crate::wrap::{Line, Span, wrap};

/// Space between two columns.
const GUTTER: Length = pt(12);
/// Above and below the text of a row.
const PAD: Length = 3_500;
/// Height of a line in a row.
const LEADING: Length = 13_500;

/// A column: its header and its width. The widths of a table add up to the measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) width: Length,
    /// Numbers stand at the right edge.
    pub(crate) number: bool,
}

/// A column of text.
pub(crate) const fn column(title: &'static str, width: i32) -> Column {
    Column {
        title,
        width: pt(width),
        number: false,
    }
}

/// A column of numbers.
pub(crate) const fn number(title: &'static str, width: i32) -> Column {
    Column {
        title,
        width: pt(width),
        number: true,
    }
}

impl Column {
    /// Width of its text: the last column needs no gutter.
    fn text(self, last: bool) -> Length {
        if last {
            self.width
        } else {
            self.width - GUTTER
        }
    }
}

/// A name and what it is.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// Empty: the field goes on with the one before.
    pub(crate) name: Vec<Span>,
    pub(crate) value: Vec<Span>,
}

impl Field {
    pub(crate) fn new(name: impl Into<String>, value: Vec<Span>) -> Self {
        let name: String = name.into();
        let name = if name.is_empty() {
            Vec::new()
        } else {
            vec![Style::Field.span(name)]
        };
        Self { name, value }
    }

    /// A field whose value is text.
    pub(crate) fn text(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(name, vec![Style::Small.span(value)])
    }

    /// A field whose value is an id or a digest.
    pub(crate) fn id(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(name, vec![Style::Mono.span(value)])
    }
}

/// Lines of one cell and where they go.
struct Strip {
    x: Length,
    width: Length,
    lines: Vec<Line>,
    node: NodeId,
    number: bool,
}

impl Flow<'_> {
    /// A table. A row with fewer cells than columns leaves the last ones empty.
    pub(crate) fn table(
        &mut self,
        columns: &[Column],
        rows: impl IntoIterator<Item = Vec<Vec<Span>>>,
    ) {
        self.need(pt(60));
        let table = self.tree.add(self.section(), Role::Table);
        let head = self.tree.add(Some(table), Role::TableHead);
        let row = self.tree.add(Some(head), Role::TableRow);
        let titles: Vec<NodeId> = columns
            .iter()
            .map(|_| self.tree.add(Some(row), Role::ColumnHeader))
            .collect();
        self.header(columns, Some(&titles));
        let body = self.tree.add(Some(table), Role::TableBody);
        for cells in rows {
            let row = self.tree.add(Some(body), Role::TableRow);
            let mut x = SIDE;
            let mut strips = Vec::with_capacity(columns.len());
            for (index, (column, spans)) in columns.iter().zip(cells).enumerate() {
                let width = column.text(index + 1 == columns.len());
                strips.push(Strip {
                    x,
                    width,
                    lines: wrap(self.fonts, &spans, width),
                    node: self.tree.add(Some(row), Role::Cell),
                    number: column.number,
                });
                x += column.width;
            }
            self.row(strips, Some(columns));
            self.rule(SIDE, MEASURE, colour::LINE);
        }
        self.y += pt(10);
    }

    /// The header row: the first time as content, on later pages as decoration.
    fn header(&mut self, columns: &[Column], nodes: Option<&[NodeId]>) {
        let wrapped: Vec<Vec<Line>> = columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let span = Span {
                    colour: colour::ACCENT,
                    size: 8_400,
                    ..Style::Small.strong(column.title)
                };
                let width = column.text(index + 1 == columns.len());
                wrap(self.fonts, &[span], width)
            })
            .collect();
        let tallest = wrapped.iter().map(Vec::len).max().unwrap_or(1);
        let leading = pt(11);
        let height = lengths(tallest, leading) + 2 * PAD;
        let top = self.y;
        self.shape(Shape {
            x: SIDE - pt(5),
            y: top,
            width: MEASURE + pt(10),
            height,
            radius: pt(2),
            colour: colour::TINT,
        });
        let mut x = SIDE;
        for (index, (column, lines)) in columns.iter().zip(wrapped).enumerate() {
            let node = nodes.and_then(|nodes| nodes.get(index).copied());
            let mut y = top + PAD;
            for line in lines {
                let width = column.text(index + 1 == columns.len());
                let left = edge(x, width, &line, column.number);
                self.place(line, left, y, leading, node);
                y += leading;
            }
            x += column.width;
        }
        self.y = top + height + pt(1);
    }

    /// A list of fields, names at the left.
    pub(crate) fn fields(&mut self, fields: impl IntoIterator<Item = Field>) {
        self.fields_at(SIDE, fields, Some(colour::LINE));
    }

    /// A list of fields that begins at `x`, with a rule between two fields.
    pub(crate) fn fields_at(
        &mut self,
        x: Length,
        fields: impl IntoIterator<Item = Field>,
        rule: Option<Colour>,
    ) {
        let names = pt(112);
        let measure = MEASURE - (x - SIDE);
        let list = self.tree.add(self.section(), Role::List);
        for (index, field) in fields.into_iter().enumerate() {
            if let Some(colour) = rule.filter(|_| index > 0 && !field.name.is_empty()) {
                self.rule(x, measure, colour);
            }
            let item = self.tree.add(Some(list), Role::Item);
            let value = if field.value.is_empty() {
                vec![Style::Small.span("–")]
            } else {
                field.value
            };
            let strips = vec![
                Strip {
                    x,
                    width: names - GUTTER,
                    lines: wrap(self.fonts, &field.name, names - GUTTER),
                    node: self.tree.add(Some(item), Role::ItemLabel),
                    number: false,
                },
                Strip {
                    x: x + names,
                    width: measure - names,
                    lines: wrap(self.fonts, &value, measure - names),
                    node: self.tree.add(Some(item), Role::ItemBody),
                    number: false,
                },
            ];
            self.row(strips, None);
        }
        if let Some(colour) = rule {
            self.rule(x, measure, colour);
        }
        self.y += pt(8);
    }

    /// Cells side by side. A row goes to the next page as a whole where that helps, else its lines
    /// are spread over pages.
    fn row(&mut self, strips: Vec<Strip>, repeat: Option<&[Column]>) {
        let pad = if repeat.is_some() { PAD } else { 2_400 };
        let mut tallest = strips.iter().map(|s| s.lines.len()).max().unwrap_or(0);
        let mut rest: Vec<_> = strips
            .into_iter()
            .map(|strip| {
                (
                    strip.x,
                    strip.width,
                    strip.node,
                    strip.number,
                    strip.lines.into_iter(),
                )
            })
            .collect();
        while tallest > 0 {
            let room = (BOTTOM - self.y - 2 * pad) / LEADING;
            let room = usize::try_from(room).unwrap_or(0);
            if room < tallest.min(6) {
                self.new_page();
                if let Some(columns) = repeat {
                    self.header(columns, None);
                }
                continue;
            }
            let count = tallest.min(room);
            let top = self.y + pad;
            for (x, width, node, number, lines) in &mut rest {
                let mut y = top;
                for line in lines.by_ref().take(count) {
                    let left = edge(*x, *width, &line, *number);
                    self.place(line, left, y, LEADING, Some(*node));
                    y += LEADING;
                }
            }
            self.y = top + lengths(count, LEADING) + pad;
            tallest -= count;
        }
    }
}

/// Left edge of a line in its cell.
fn edge(x: Length, width: Length, line: &Line, number: bool) -> Length {
    if number { x + width - line.width } else { x }
}

fn lengths(count: usize, each: Length) -> Length {
    i32::try_from(count)
        .unwrap_or(i32::MAX)
        .saturating_mul(each)
}
