//! Compiles Markdown and HTML to blocks, and paragraphs to sentences. Not here: reading files, and the conversion of
//! LaTeX (`carrel_maths`).

pub(crate) mod html;
pub(crate) mod markdown;
pub(crate) mod sentence;
