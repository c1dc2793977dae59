//! The structure of the document: what is a heading, a table, a cell. Readers that do not see the
//! page follow it.

use std::num::NonZeroU16;

use krilla::tagging::{
    Identifier, ListNumbering, TableHeaderScope, Tag, TagGroup, TagKind, TagTree,
};

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Role {
    Section,
    /// Level and text.
    Heading(u16, String),
    Paragraph,
    Note,
    List,
    Item,
    ItemLabel,
    ItemBody,
    Table,
    TableHead,
    TableBody,
    TableRow,
    /// A header cell of a column.
    ColumnHeader,
    Cell,
    /// A picture and what it shows.
    Figure(String),
}

impl Role {
    fn kind(self) -> TagKind {
        match self {
            Self::Section => Tag::Section.into(),
            Self::Heading(level, text) => {
                let level = NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN);
                Tag::Hn(level, Some(text)).into()
            }
            Self::Paragraph => Tag::P.into(),
            Self::Note => Tag::Div.into(),
            Self::List => Tag::L(ListNumbering::None).into(),
            Self::Item => Tag::LI.into(),
            Self::ItemLabel => Tag::Lbl.into(),
            Self::ItemBody => Tag::LBody.into(),
            Self::Table => Tag::Table.into(),
            Self::TableHead => Tag::THead.into(),
            Self::TableBody => Tag::TBody.into(),
            Self::TableRow => Tag::TR.into(),
            Self::ColumnHeader => Tag::TH(TableHeaderScope::Column).into(),
            Self::Cell => Tag::TD.into(),
            Self::Figure(text) => Tag::Figure(Some(text)).into(),
        }
    }
}

/// A node of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(usize);

enum Child {
    Node(NodeId),
    Content(Identifier),
}

struct Node {
    role: Role,
    children: Vec<Child>,
}

/// The tree while it is built; the root is the document.
#[derive(Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    top: Vec<NodeId>,
}

impl Tree {
    /// A new node under `parent`, or under the document.
    pub(crate) fn add(&mut self, parent: Option<NodeId>, role: Role) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node {
            role,
            children: Vec::new(),
        });
        match parent.and_then(|NodeId(parent)| self.nodes.get_mut(parent)) {
            Some(parent) => parent.children.push(Child::Node(id)),
            None => self.top.push(id),
        }
        id
    }

    /// Says that `content` on a page belongs to `node`.
    pub(crate) fn mark(&mut self, node: NodeId, content: Identifier) {
        if let Some(node) = self.nodes.get_mut(node.0) {
            node.children.push(Child::Content(content));
        }
    }

    /// The tree as the PDF writer takes it. A cell without content stays: it keeps its column.
    pub(crate) fn finish(self, language: &str) -> TagTree {
        let mut nodes: Vec<Option<Node>> = self.nodes.into_iter().map(Some).collect();
        let mut tree = TagTree::new().with_lang(Some(language.to_owned()));
        for id in self.top {
            if let Some(group) = group(&mut nodes, id) {
                tree.push(group);
            }
        }
        tree
    }
}

/// The depth is that of the document's own structure, at most seven.
fn group(nodes: &mut [Option<Node>], id: NodeId) -> Option<TagGroup> {
    let node = nodes.get_mut(id.0)?.take()?;
    let mut group = TagGroup::new(node.role.kind());
    for child in node.children {
        match child {
            Child::Content(content) => group.push(content),
            Child::Node(id) => {
                if let Some(child) = self::group(nodes, id) {
                    group.push(child);
                }
            }
        }
    }
    Some(group)
}
