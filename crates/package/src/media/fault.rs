//! Why a media file is refused, or what its author should know about it.

/// A refusal or a warning without its place; the caller adds the file and the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub code: &'static str,
    pub message: String,
    pub hint: String,
}

pub(crate) fn fault(
    code: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Fault {
    Fault { code, message: message.into(), hint: hint.into() }
}
