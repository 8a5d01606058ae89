//! Text: Markdown and HTML to blocks, formulas to MathML, paragraphs to sentences. Nothing here reads files.

pub(crate) mod html;
pub(crate) mod markdown;
pub(crate) mod maths;
pub(crate) mod sentence;
