//! Mutants of rosters: who is removed, what is held, and what a spreadsheet evaluates.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a suspended person signs in",
        file: "crates/store/src/sqlite/people.rs",
        good: "WHERE a.id = ?1 AND coalesce(p.state, 'active') = 'active' AND coalesce(p.disabled, 0) = 0\";",
        bad: "WHERE a.id = ?1 AND coalesce(p.disabled, 0) = 0\";",
        tests: api!("suspended_people_cannot_sign_in_until_they_return"),
    },
    Mutant {
        name: "a row with an error suspends the person of a full roster",
        file: "crates/roster/src/reconcile/people.rs",
        good: "                || self.seen.bad_people.contains(&key);",
        bad: ";",
        tests: &["-p", "carrel-roster", "--test", "corpus", "-E", "test(roles_states_and_classes)"],
    },
    Mutant {
        name: "an approval of removals has no ceiling",
        file: "crates/roster/src/reconcile/limits.rs",
        good: "approved.is_none_or(|ceiling| count > ceiling)",
        bad: "approved.is_none()",
        tests: unit!("carrel-roster", "an_approval_is_a_ceiling"),
    },
    Mutant {
        name: "a spreadsheet evaluates exported cells",
        file: "crates/roster/src/cells.rs",
        good: "    if is_marked { format!(\"'{value}\") } else { value.to_owned() }",
        bad: "    if is_marked && false { format!(\"'{value}\") } else { value.to_owned() }",
        tests: unit!("carrel-roster", "no_exported_cell_is_a_formula_and_all_are_read_back"),
    },
];
