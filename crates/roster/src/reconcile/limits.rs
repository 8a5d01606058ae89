//! What an import changes in numbers, and which removals wait for a person.
//!
//! Additions and changes apply. Removals above max(10, 10 %) are held; an approval is a ceiling for their number,
//! because the next run of the same file may find others.

use crate::{
    directory::Counts,
    entry::{Action, Entry, Guard},
    records::State,
};

/// Removals that are always applied.
const FREE_REMOVALS: u64 = 10;

/// People who may become other people without being held.
const FREE_REPLACEMENTS: u64 = 3;

/// Numbers of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// State before the import.
    pub counts: Counts,
    pub records: u64,
    pub created_people: u64,
    pub changed_people: u64,
    pub unchanged_people: u64,
    pub suspended_people: u64,
    pub left_people: u64,
    pub returned_people: u64,
    pub other_tenant: u64,
    pub created_classes: u64,
    pub changed_classes: u64,
    pub archived_classes: u64,
    pub added_memberships: u64,
    pub ended_memberships: u64,
    pub errors: u64,
    pub warnings: u64,
    /// Rows that are not applied because of an error.
    pub bad_rows: u64,
    /// Bad rows of which it is unknown whom they concern. Nobody is removed for being absent from such a file.
    pub unattributed_rows: u64,
    /// Stored people whom the file names.
    pub matched_people: u64,
    pub replaced_people: u64,
    pub absent_people: u64,
    pub absent_memberships: u64,
    pub gained_administrators: u64,
    pub lost_administrators: u64,
}

impl Summary {
    pub(super) fn add(&mut self, entry: &Entry) {
        match &entry.action {
            Action::CreateClass(_) => self.created_classes += 1,
            Action::ChangeClass { .. } | Action::ReopenClass { .. } => self.changed_classes += 1,
            Action::ArchiveClass { .. } => self.archived_classes += 1,
            Action::CreatePerson(_) => self.created_people += 1,
            Action::ChangePerson { .. } => self.changed_people += 1,
            Action::SetState { after, .. } => match after {
                State::Active => self.returned_people += 1,
                State::Suspended => self.suspended_people += 1,
                State::Left => self.left_people += 1,
            },
            Action::AddMembership { .. } => self.added_memberships += 1,
            Action::EndMembership { .. } => self.ended_memberships += 1,
            Action::Unchanged { .. } => self.unchanged_people += 1,
            Action::OtherTenant { .. } => self.other_tenant += 1,
        }
        match entry.guard {
            Guard::RemovesAbsent => self.absent_people += 1,
            Guard::EndsAbsent => self.absent_memberships += 1,
            Guard::ReplacesPerson => self.replaced_people += 1,
            Guard::None | Guard::RemovesPerson | Guard::EndsMembership | Guard::ArchivesClass => {}
        }
    }

    /// Returns true if nothing would be changed.
    pub fn is_unchanged(&self) -> bool {
        self.created_people
            + self.changed_people
            + self.suspended_people
            + self.left_people
            + self.returned_people
            + self.created_classes
            + self.changed_classes
            + self.archived_classes
            + self.added_memberships
            + self.ended_memberships
            == 0
    }

    pub(super) fn loses_last_administrator(&self) -> bool {
        self.lost_administrators > 0
            && self.counts.administrators + self.gained_administrators <= self.lost_administrators
    }

    /// Decides which entries are applied.
    pub fn verdict(&self, approval: &Approval) -> Verdict {
        let mut held = Vec::new();
        let mut hold = |guards: &[Guard], by: HeldBy| {
            held.extend(guards.iter().map(|guard| Held { guard: *guard, by: by.clone() }));
        };
        let mut check = |guards: &[Guard], count: u64, limit: u64, approved: Option<u64>| {
            if count > limit && approved.is_none_or(|ceiling| count > ceiling) {
                hold(guards, HeldBy::Limit { count, limit });
            }
        };
        let limit = |total: u64| FREE_REMOVALS.max(total / 10);
        let counts = &self.counts;
        check(
            &[Guard::RemovesPerson, Guard::RemovesAbsent],
            self.suspended_people + self.left_people,
            limit(counts.people),
            approval.people,
        );
        check(
            &[Guard::EndsMembership, Guard::EndsAbsent],
            self.ended_memberships,
            limit(counts.memberships),
            approval.memberships,
        );
        check(
            &[Guard::ArchivesClass],
            self.archived_classes,
            limit(counts.classes),
            approval.classes,
        );
        check(
            &[Guard::ReplacesPerson],
            self.replaced_people,
            FREE_REPLACEMENTS.max(self.matched_people / 10),
            approval.replacements,
        );
        let is_incomplete = self.unattributed_rows > 0
            || self.matched_people + self.created_people + self.unchanged_people == 0;
        if is_incomplete && self.absent_people + self.absent_memberships > 0 {
            let by = HeldBy::Incomplete { rows: self.unattributed_rows };
            hold(&[Guard::RemovesAbsent, Guard::EndsAbsent], by);
        }
        Verdict { held, keeps_administrators: self.loses_last_administrator() }
    }
}

/// Numbers of removals that a person has approved after a dry run. `None`: none above the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Approval {
    pub people: Option<u64>,
    pub memberships: Option<u64>,
    pub classes: Option<u64>,
    pub replacements: Option<u64>,
}

/// Entries that are not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub guard: Guard,
    pub by: HeldBy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldBy {
    /// More than the limit, and more than the approval.
    Limit { count: u64, limit: u64 },
    /// Rows that cannot be read may be about the absent people, or the file names nobody. No approval changes this.
    Incomplete { rows: u64 },
}

/// Which entries are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub held: Vec<Held>,
    /// No entry that takes away an administrator is applied, because none would be left.
    pub keeps_administrators: bool,
}

impl Verdict {
    pub fn applies(&self, entry: &Entry) -> bool {
        let is_held = self.held.iter().any(|held| held.guard == entry.guard);
        !(is_held || self.keeps_administrators && entry.removes_administrator)
    }

    /// Returns true if a person has to decide, so that the import does not count as successful.
    pub fn is_held(&self) -> bool {
        !self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(people: u64, suspended: u64) -> Summary {
        Summary {
            counts: Counts { people, administrators: 1, memberships: 0, classes: 0 },
            suspended_people: suspended,
            absent_people: suspended,
            matched_people: people - suspended,
            ..Summary::default()
        }
    }

    #[test]
    fn removals_are_held_above_ten_and_a_tenth() {
        for (people, suspended, is_held) in [
            (20, 10, false),
            (20, 11, true),
            (100, 11, true),
            (200, 20, false),
            (200, 21, true),
            (1200, 120, false),
            (1200, 1199, true),
        ] {
            let verdict = summary(people, suspended).verdict(&Approval::default());
            assert_eq!(verdict.is_held(), is_held, "{suspended} of {people}");
        }
    }

    #[test]
    fn an_approval_is_a_ceiling() {
        let summary = summary(100, 30);
        let with = |people| summary.verdict(&Approval { people, ..Approval::default() }).is_held();
        assert!(with(None));
        assert!(with(Some(29)));
        assert!(!with(Some(30)));
        assert!(!with(Some(1000)));
    }

    #[test]
    fn nobody_is_removed_for_being_absent_from_an_incomplete_file() {
        let approval = Approval { people: Some(1000), ..Approval::default() };
        let mut one = summary(100, 1);
        assert!(!one.verdict(&approval).is_held());
        one.unattributed_rows = 1;
        assert_eq!(one.verdict(&approval).held[0].by, HeldBy::Incomplete { rows: 1 });
        assert!(summary(5, 5).verdict(&approval).is_held());
    }
}
