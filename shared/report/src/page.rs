//! What lies on a page, before it is painted.

use crate::colour::Colour;
use crate::length::{Length, pt};
use crate::tree::NodeId;
use crate::wrap::Run;

/// A4.
pub(crate) const WIDTH: Length = 595_276;
/// A4.
pub(crate) const HEIGHT: Length = 841_890;
/// Left and right margin.
pub(crate) const SIDE: Length = pt(64);
/// Top margin.
pub(crate) const TOP: Length = pt(68);
/// Where the text ends.
pub(crate) const BOTTOM: Length = HEIGHT - pt(84);
/// Width of the text.
pub(crate) const MEASURE: Length = WIDTH - 2 * SIDE;

/// A filled box, with or without rounded corners.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) x: Length,
    pub(crate) y: Length,
    pub(crate) width: Length,
    pub(crate) height: Length,
    pub(crate) radius: Length,
    pub(crate) colour: Colour,
}

/// Text at a place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) run: Run,
    /// Left edge.
    pub(crate) x: Length,
    /// Base line, from the top of the page.
    pub(crate) y: Length,
    /// The node it belongs to; decoration belongs to none.
    pub(crate) node: Option<NodeId>,
}

/// A square code at a place.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) modules: crate::qr::Modules,
    pub(crate) x: Length,
    pub(crate) y: Length,
    pub(crate) side: Length,
    pub(crate) node: NodeId,
}

/// One page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) codes: Vec<Code>,
    pub(crate) text: Vec<Placed>,
}

/// An entry of the outline.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) text: String,
    pub(crate) page: usize,
    pub(crate) y: Length,
}
