//! Files and links that the system asked the app to open.

use carrel_model::Slug;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OpenRequestList {
    /// Oldest first. The UI asks the user about each before it does anything, except about a sign-in.
    pub requests: Vec<OpenRequestView>,
}

/// A request to open something.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum OpenRequestView {
    /// A file, for `inspect_file`.
    File { path: String, name: String },
    /// The user wants to choose a file.
    ChooseFile,
    /// A link with the address of a server.
    Server { server: String },
    /// A link to a course; `server` is the address of its server, if the link states it.
    Course { course: Slug, server: Option<String> },
    /// A link with an enrolment code of a server.
    Enrol { server: String, token: String },
    /// The end of a sign-in in the browser, for `finish_browser_sign_in`.
    SignIn { server: String, code: String },
    /// A link that is not followed: its beginning, and a code for which the UI has a message.
    Refused { shown: String, reason: String },
}

impl std::fmt::Debug for OpenRequestView {
    /// Without paths and codes, which must not get into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File { .. } => "File",
            Self::ChooseFile => "ChooseFile",
            Self::Server { .. } => "Server",
            Self::Course { .. } => "Course",
            Self::Enrol { .. } => "Enrol",
            Self::SignIn { .. } => "SignIn",
            Self::Refused { .. } => "Refused",
        })
    }
}
