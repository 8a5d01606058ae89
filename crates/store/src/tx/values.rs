//! Texts of the database for values of the model, equal on all engines.

use carrel_model::{
    content::Difficulty,
    lattice::{DecisionStatus, ItemKind},
    wire::{Role, SearchKind},
};
use carrel_roster::{MemberRole, State};

/// Length of the excerpt of a search result in characters.
pub const EXCERPT_CHARS: usize = 160;

pub fn role_text(role: Role) -> &'static str {
    match role {
        Role::Student => "student",
        Role::Instructor => "instructor",
        Role::Administrator => "administrator",
    }
}

/// Returns the role; an unknown text gives no rights.
pub fn role_of(text: &str) -> Role {
    match text {
        "administrator" => Role::Administrator,
        "instructor" => Role::Instructor,
        _ => Role::Student,
    }
}

/// Returns the state of a person. Someone with an unknown state, written by a newer release, cannot sign in.
pub fn state_of(text: &str) -> State {
    match text {
        "active" => State::Active,
        "left" => State::Left,
        _ => State::Suspended,
    }
}

pub fn member_role_text(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Student => "student",
        MemberRole::Instructor => "instructor",
    }
}

/// Returns the role in a class; an unknown text gives no rights.
pub fn member_role_of(text: &str) -> MemberRole {
    match text {
        "instructor" => MemberRole::Instructor,
        _ => MemberRole::Student,
    }
}

pub fn difficulty_text(difficulty: Option<Difficulty>) -> &'static str {
    match difficulty {
        Some(Difficulty::Beginner) => "BEGINNER",
        Some(Difficulty::Intermediate) => "INTERMEDIATE",
        Some(Difficulty::Advanced) => "ADVANCED",
        Some(Difficulty::Expert) => "EXPERT",
        None => "",
    }
}

pub fn passage_kind_text(kind: SearchKind) -> &'static str {
    match kind {
        SearchKind::Course => "course",
        SearchKind::Story => "story",
        SearchKind::Section => "section",
        SearchKind::StoryText => "story_text",
    }
}

pub fn passage_kind_of(text: &str) -> SearchKind {
    match text {
        "course" => SearchKind::Course,
        "story" => SearchKind::Story,
        "section" => SearchKind::Section,
        _ => SearchKind::StoryText,
    }
}

/// Returns the status; `None` if the text is unknown.
pub fn decision_status_of(text: &str) -> Option<DecisionStatus> {
    use DecisionStatus::{Active, Pending, Refused};
    [Pending, Active, Refused].into_iter().find(|status| status.as_str() == text)
}

/// Returns the texts of the kinds of progress rows: of all, or of one.
pub fn kinds_of(kind: Option<ItemKind>) -> Vec<&'static str> {
    let all = [ItemKind::Section, ItemKind::Story, ItemKind::Media];
    all.into_iter().filter(|k| kind.is_none_or(|kind| kind == *k)).map(ItemKind::as_str).collect()
}
