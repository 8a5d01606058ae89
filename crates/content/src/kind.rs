//! The two kinds of content: courses and stories.

/// A course or a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A course: lessons, stories and quizzes.
    Course,
    /// A story that is not part of a course.
    Story,
}

impl Kind {
    /// Returns the name used in databases and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Course => "course",
            Self::Story => "story",
        }
    }
    /// Parses the output of `as_str`; other values count as a course.
    pub fn of_str(text: &str) -> Self {
        if text == "story" { Self::Story } else { Self::Course }
    }
    /// Returns the plural, as in URL paths of the server.
    pub fn path(self) -> &'static str {
        match self {
            Self::Course => "courses",
            Self::Story => "stories",
        }
    }
}
