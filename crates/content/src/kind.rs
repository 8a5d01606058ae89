//! What content is: a course or a story.

/// Courses or stories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Course,
    Story,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Course => "course",
            Self::Story => "story",
        }
    }
    /// What `as_str` wrote.
    pub fn of_str(text: &str) -> Self {
        if text == "story" { Self::Story } else { Self::Course }
    }
    /// The plural that the server's paths use.
    pub fn path(self) -> &'static str {
        match self {
            Self::Course => "courses",
            Self::Story => "stories",
        }
    }
}
