//! What each table has about a person: one list for the export of a person's data and the receipt of a deletion. A test of
//! each engine compares it with the database, so that a new table without a decision is an error.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Rows of a table about a person, in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Name of the section in an export.
    pub name: &'static str,
    pub table: &'static str,
    /// Condition on the rows; `$1` is the person's id.
    pub condition: &'static str,
    /// The exported columns.
    pub columns: &'static [&'static str],
}

/// What an export contains of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personal {
    Sections(&'static [Section]),
    /// Rows that devices pull: they are exported as devices get them.
    Synced,
    /// Nothing, and why.
    Nothing(&'static str),
}

/// Counts of rows by section.
pub type SectionCounts = BTreeMap<String, u64>;
/// A row of a section. Ids are texts, other bytes hexadecimal.
pub type SectionRow = Map<String, Value>;

/// Columns with the values 0 and 1 in SQLite, and boolean ones in PostgreSQL.
pub const FLAGS: &[&str] = &["disabled", "given", "operator", "registered"];

const OWN: &str = "user_id = $1";
const OF_SIGN_INS: &str = "sign_in IN (SELECT id FROM sign_in WHERE user_id = $1)";
const NO_PERSON: Personal = Personal::Nothing("is not about persons");
const COMPUTED: Personal = Personal::Nothing("is computed from rows that are exported");
const SECRET: Personal = Personal::Nothing("consists of secrets and times");

const fn section(
    name: &'static str,
    table: &'static str,
    condition: &'static str,
    columns: &'static [&'static str],
) -> Section {
    Section { name, table, condition, columns }
}

/// All tables of both engines. Those of the search index of SQLite (`publication_terms`, `passage_*`) are left out.
pub const TABLES: &[(&str, Personal)] = {
    use Personal::{Nothing, Sections, Synced};
    &[
        (
            "account",
            Sections(&[section(
                "account",
                "account",
                "id = $1",
                &["id", "login", "name", "role", "created_ms"],
            )]),
        ),
        (
            "person",
            Sections(&[section(
                "person",
                "person",
                OWN,
                &["source_id", "given", "family", "lang", "state", "disabled", "operator", "email"],
            )]),
        ),
        ("membership", Sections(&[section("membership", "membership", OWN, &["class", "role"])])),
        (
            "class",
            Sections(&[section(
                "class",
                "class",
                "id IN (SELECT class FROM membership WHERE user_id = $1)",
                &["id", "name"],
            )]),
        ),
        (
            "sign_in",
            Sections(&[section(
                "signIns",
                "sign_in",
                OWN,
                &["id", "device", "device_name", "created_ms", "expires_ms", "ended_ms"],
            )]),
        ),
        (
            "sign_in_branch",
            Sections(&[section(
                "signInRenewals",
                "sign_in_branch",
                OF_SIGN_INS,
                &["sign_in", "redeemed_ms"],
            )]),
        ),
        (
            "device_report",
            Sections(&[section(
                "deviceReports",
                "device_report",
                OF_SIGN_INS,
                &["sign_in", "reported_ms", "report"],
            )]),
        ),
        (
            "external_identity",
            Sections(&[section(
                "externalIdentities",
                "external_identity",
                OWN,
                &["issuer", "subject", "linked_ms"],
            )]),
        ),
        (
            "adopted_account",
            Sections(&[section("adoptedAccounts", "adopted_account", OWN, &["id", "adopted_ms"])]),
        ),
        (
            "consent",
            Sections(&[section(
                "consents",
                "consent",
                OWN,
                &["kind", "version", "given", "given_by", "recorded_by", "at_ms"],
            )]),
        ),
        (
            "enrolment_token_use",
            Sections(&[section(
                "enrolmentCodes",
                "enrolment_token_use",
                OWN,
                &["token", "used_ms", "registered"],
            )]),
        ),
        (
            "enrolment_request",
            Sections(&[section(
                "enrolmentRequests",
                "enrolment_request",
                OWN,
                &["course", "requested_ms", "status", "decided_ms"],
            )]),
        ),
        (
            "open_grade",
            Sections(&[section(
                "openGrades",
                "open_grade",
                OWN,
                &["attempt", "first_ms", "points"],
            )]),
        ),
        (
            "graded_attempt",
            Sections(&[section("gradedAttempts", "graded_attempt", OWN, &["quiz", "attempt"])]),
        ),
        (
            "one_time_code",
            Sections(&[section("oneTimeCodes", "one_time_code", OWN, &["expires_ms"])]),
        ),
        (
            "password_code",
            Sections(&[section("passwordCodes", "password_code", OWN, &["expires_ms"])]),
        ),
        (
            "mail",
            Sections(&[section(
                "messages",
                "mail",
                OWN,
                &["kind", "address", "lang", "created_ms", "state"],
            )]),
        ),
        (
            "course",
            Sections(&[section(
                "courses",
                "course",
                "owner = $1",
                &["id", "title", "state", "changed_ms"],
            )]),
        ),
        (
            "course_version",
            Sections(&[section(
                "courseVersions",
                "course_version",
                "author = $1",
                &["course", "version", "created_ms", "notes"],
            )]),
        ),
        (
            "course_upload",
            Sections(&[section(
                "uploads",
                "course_upload",
                OWN,
                &["id", "name", "notes", "created_ms", "state"],
            )]),
        ),
        (
            "report_export",
            Sections(&[section(
                "exports",
                "report_export",
                OWN,
                &["id", "spec", "created_ms", "state"],
            )]),
        ),
        (
            "roster_import",
            Sections(&[section(
                "imports",
                "roster_import",
                "actor = $1",
                &["id", "name", "created_ms"],
            )]),
        ),
        (
            "audit",
            Sections(&[
                section("auditAbout", "audit", "subject = $1", &["at_ms", "action", "detail"]),
                // Without the details, which are about other persons.
                section("auditBy", "audit", "actor = $1", &["at_ms", "action"]),
            ]),
        ),
        ("progress", Synced),
        ("study_session", Synced),
        ("attempt", Synced),
        ("answer", Synced),
        ("grade", Synced),
        ("review", Synced),
        ("review_void", Synced),
        ("kv", Synced),
        ("decision", Synced),
        ("note_revision", Synced),
        ("note_life", Synced),
        ("learner", COMPUTED),
        ("learner_usage", COMPUTED),
        ("analytics_dirty", COMPUTED),
        ("analytics_course", COMPUTED),
        ("analytics_day", COMPUTED),
        ("report_export_piece", COMPUTED),
        ("token", SECRET),
        ("external_flow", SECRET),
        ("external_code", SECRET),
        ("roster_change", Nothing("is about all persons of a list; deleted after 30 days")),
        ("roster_report", Nothing("is about all persons of a list; deleted after 30 days")),
        ("rate_limit", Nothing("is about addresses, for minutes")),
        ("message", Nothing("passes events between processes, for minutes")),
        ("deleted_account", Nothing("has ids of persons without an account")),
        ("blob", NO_PERSON),
        ("cluster", NO_PERSON),
        ("course_version_blob", NO_PERSON),
        ("enrolment_token", NO_PERSON),
        ("job", NO_PERSON),
        ("passage", NO_PERSON),
        ("publication", NO_PERSON),
        ("publication_blob", NO_PERSON),
        ("quiz", NO_PERSON),
        ("schema_migration", NO_PERSON),
        ("server_fact", NO_PERSON),
        ("tenant", NO_PERSON),
    ]
};

/// Returns all sections.
pub fn sections() -> impl Iterator<Item = &'static Section> {
    let of = |(_, personal): &'static (&str, Personal)| match personal {
        Personal::Sections(sections) => *sections,
        _ => &[],
    };
    TABLES.iter().flat_map(of)
}

/// Returns what the receipt of a deletion counts: name, table and condition of the tables of synced rows and of all
/// sections.
pub fn counted() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let synced = carrel_sqlite::rows::SPECS.iter().map(|spec| (spec.table, spec.table, OWN));
    synced.chain(sections().map(|section| (section.name, section.table, section.condition)))
}

/// Returns the tables of a database about which `TABLES` says nothing.
pub fn undecided<'t>(tables: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let is_index = |table: &str| {
        table.starts_with("publication_terms")
            || table.starts_with("passage_")
            || table.starts_with("sqlite_")
    };
    tables
        .filter(|table| !is_index(table) && !TABLES.iter().any(|(known, _)| known == table))
        .collect()
}

/// Returns bytes as text: an id with hyphens, everything else hexadecimal.
pub fn bytes_text(bytes: &[u8]) -> String {
    match uuid::Uuid::from_slice(bytes) {
        Ok(id) => id.to_string(),
        Err(_) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
