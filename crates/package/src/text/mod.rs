//! Compiles Markdown and HTML to blocks, formulas to MathML, and paragraphs to sentences. Not here: reading files.

pub(crate) mod html;
pub(crate) mod markdown;
pub(crate) mod maths;
pub(crate) mod sentence;
