//! What is wrong with a file or with one of its lines, and what to do about it.

use std::fmt;

use carrel_precis::PrecisError;
use serde::{Deserialize, Serialize};

/// Longest part of a value that is repeated in a problem, in characters.
const MAX_SHOWN: usize = 60;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// File of a bundle, such as `users.csv`; `None` if the import is one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line at which the row starts, as editors count; the first is 1. 0: the file as a whole.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), 0) => write!(f, "{file}"),
            (Some(file), line) => write!(f, "{file}, line {line}"),
            (None, 0) => write!(f, "the file"),
            (None, line) => write!(f, "line {line}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The row was read; part of it was ignored or guessed.
    Warning,
    /// The row is not applied.
    Error,
}

/// A problem of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// Heading of the column as the file has it.
    pub column: Option<String>,
    /// Value of the cell, shortened; empty if the problem is none of one value.
    pub value: String,
    pub reason: Reason,
}

impl Problem {
    pub(crate) fn new(place: &Place, column: Option<&str>, value: &str, reason: Reason) -> Self {
        let mut shown: String = value.chars().take(MAX_SHOWN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self { place: place.clone(), column: column.map(str::to_owned), value: shown, reason }
    }

    pub fn severity(&self) -> Severity {
        self.reason.severity()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(column) = &self.column {
            write!(f, ", column {column:?}")?;
        }
        if !self.value.is_empty() {
            write!(f, ", value {:?}", self.value)?;
        }
        write!(f, ": {}; hint: {}", self.reason, self.reason.hint())
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident: $type:ty),* })? $code:literal, $severity:ident,
        $text:literal, $hint:literal;)*) => {
        /// Why a line has a problem.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Reason {
            $($(#[$doc])* #[error($text)] $name $({ $($field: $type),* })?,)*
        }

        impl Reason {
            /// The name of the reason in JSON.
            pub fn code(&self) -> &'static str {
                match self { $(Self::$name { .. } => $code,)* }
            }
            /// What to do about it.
            pub fn hint(&self) -> &'static str {
                match self { $(Self::$name { .. } => $hint,)* }
            }
            pub fn severity(&self) -> Severity {
                match self { $(Self::$name { .. } => Severity::$severity,)* }
            }
            /// All codes with their hints, for the documentation.
            pub const ALL: &'static [(&'static str, Severity, &'static str)] =
                &[$(($code, Severity::$severity, $hint),)*];
        }
    };
}

reasons! {
    Encoding { name: &'static str } "encoding-guessed", Warning,
        "the file is not Unicode and was read as {name}",
        "look at names with accents; if they are wrong, save the file as \"CSV UTF-8\" or state its encoding";
    TooLong { max: usize } "too-long", Error,
        "the cell has more than {max} characters",
        "a quote that is never closed joins many lines to one cell; close it or remove it";
    TooManyColumns { max: usize } "too-many-columns", Error,
        "the row has more than {max} columns",
        "remove the columns that no heading names";
    ExtraCells "extra-cells", Error,
        "the row has more cells than the headings, so its values may be in wrong columns",
        "put values that contain the separator in double quotes, and give each column a heading";
    TextAfterQuote "text-after-quote", Warning,
        "text follows the closing quote of the cell",
        "write each quote inside of a quoted cell twice";
    UnclosedQuote "unclosed-quote", Error,
        "a quote is not closed in its line, so the cell contains the start of other rows",
        "close the quote, or remove it";
    Damaged "damaged-character", Error,
        "the cell contains bytes that are no letter in the encoding of the file",
        "correct the letter U+FFFD, or state the encoding of the file";
    Scientific "scientific-number", Error,
        "a spreadsheet replaced the number by a rounded one, and its digits are lost",
        "format the column as text in the spreadsheet, enter or export the values again, and save as CSV";
    Decimal "decimal-number", Error,
        "the id or login is written as a decimal number, as a program that converts numbers does",
        "export the column as text, so that 1001 is not 1001.0 and 0012 is not 12";
    SpreadsheetError "spreadsheet-error", Error,
        "the cell contains an error of a spreadsheet instead of a value",
        "correct the formula or widen the column in the spreadsheet, and save as CSV again";
    Formula "formula", Error,
        "the cell contains a formula instead of its value",
        "paste the column as values in the spreadsheet, and save as CSV again";
    LooksLikeDate "looks-like-date", Warning,
        "the value looks like a date that a spreadsheet made of it (5-1 becomes 5 January)",
        "if so, format the column as text, enter the values again, and save as CSV";
    Disagree { other: String } "columns-disagree", Error,
        "two columns with the same meaning have different values: the other one is {other:?}",
        "delete or rename one of the columns";
    BadCarrelId "bad-carrel-id", Error,
        "the value is no id that Carrel has exported",
        "leave the cell as it was exported, or empty it for a new person";
    UnknownCarrelId "unknown-carrel-id", Error,
        "no person of this server has this id",
        "if the file was exported by another server, delete the column and give source ids; otherwise export again";
    IdsDisagree "ids-disagree", Error,
        "the two ids of the row are those of two different people",
        "export the people again and compare the row";
    MissingId "missing-id", Error,
        "the file has a column of ids, this row has no id, and the login is that of a person with one",
        "enter the id of the person";
    MissingLogin "missing-login", Error,
        "a new person needs a login",
        "enter a login, or an e-mail address in a column email";
    BadLogin { error: PrecisError } "bad-login", Error,
        "the login {error}",
        "use letters, digits and the signs . - _ @ +";
    BadName { error: PrecisError } "bad-name", Error,
        "the name {error}",
        "correct the name; it has 1 to 100 characters";
    BadId "bad-source-id", Error,
        "the id has more than 255 characters or contains control characters",
        "correct the id";
    DuplicateId { line: u64 } "duplicate-id", Error,
        "line {line} has the same id with other data",
        "keep one row for each person; several classes may be in several rows if all else is equal";
    Repeated { line: u64 } "repeated-row", Warning,
        "line {line} states the same about the same person",
        "remove one of the rows";
    DuplicateLogin { line: u64 } "duplicate-login", Error,
        "line {line} has the same login; upper and lower case are equal",
        "give each person another login";
    SimilarInFile { line: u64 } "similar-login-in-file", Error,
        "the login looks like the login in line {line}",
        "choose logins that differ in more than letters which look alike";
    DuplicatePerson { line: u64 } "duplicate-person", Error,
        "line {line} is about the same person with other data",
        "keep one row for each person";
    LoginTaken { name: String } "login-taken", Error,
        "the login is that of another person, {name:?}",
        "if it is the same person, export the people and enter the id into the exported row; otherwise choose another \
         login";
    SimilarLogin { login: String } "similar-login", Error,
        "the login looks like the existing login {login:?}",
        "choose a login that differs in more than letters which look alike";
    BadRole "unknown-role", Error,
        "the role is unknown",
        "write student, instructor or administrator";
    BadState "unknown-state", Error,
        "the state is unknown",
        "write active, suspended or left";
    BadLanguage "unknown-language", Warning,
        "the language is unknown and was ignored",
        "write a language tag such as en, fr or ar";
    BadEmail "bad-email", Warning,
        "the e-mail address cannot be used and was ignored",
        "write an address such as noor@school.example; letters outside a to z are not supported";
    BadCourse "unknown-course", Warning,
        "the course is not in the catalogue and was ignored",
        "write the id of a published course";
    OwnRole "own-account", Error,
        "nobody changes their own role or state by an import",
        "let another administrator do it";
    LastAdministrator "last-administrator", Error,
        "the change would leave no active administrator",
        "make another person administrator first";
    StaysDisabled "stays-disabled", Warning,
        "an administrator disabled the person, and an import does not change that",
        "enable the person by hand if they may sign in again";
    StaffRole "staff-role", Warning,
        "administrators of a school are imported as instructors, because they are not administrators of this server",
        "give the role administrator by hand";
    NoAccount { role: String } "no-account", Warning,
        "people with the role {role} have no account here, so the row was skipped",
        "nothing has to be done";
    BadReference { what: &'static str } "unknown-reference", Error,
        "no {what} has this id",
        "export the bundle again with all files, or import the missing {what} first";
    AmbiguousClass "ambiguous-class", Error,
        "several classes have this name",
        "write the id of the class instead of its name";
    ArchivedClass "archived-class", Error,
        "the class is archived",
        "choose another name, or take the class out of the archive first";
    TooManyClasses { max: usize } "too-many-classes", Error,
        "the row names more than {max} classes",
        "check whether the right column is named class";
    BadClass "bad-class", Error,
        "the name of the class is empty, contains control characters or has more than 100 characters",
        "correct the name";
    DuplicateClass { line: u64 } "duplicate-class", Error,
        "line {line} is about the same class with other data",
        "keep one row for each class";
    BadStatus "unknown-status", Error,
        "the status is neither active nor tobedeleted",
        "correct the status";
    BadDate "bad-date", Warning,
        "the date is not written as YYYY-MM-DD and was ignored",
        "correct the date";
    Skipped "skipped-row", Warning,
        "the row is a heading or a total of the program that exported the file and was skipped",
        "nothing has to be done";
}

/// Why a file as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("failed to read the file: {0}; hint: check that the file exists and may be read")]
    Io(#[from] std::io::Error),
    #[error("the file is empty; hint: export it again")]
    Empty,
    #[error("the file is a spreadsheet (Excel or LibreOffice); hint: save it as \"CSV UTF-8\"")]
    Spreadsheet,
    #[error("the file is no text: {0}; hint: save it as \"CSV UTF-8\"")]
    Binary(&'static str),
    #[error(
        "no headings were found; the first row is {first:?}; hint: the first row names the columns: \
         id,login,name,role,class"
    )]
    NoHeadings { first: String },
    #[error(
        "line {line}: a double quote starts a cell that is never closed; \
         hint: close it, or remove it"
    )]
    OpenQuote { line: u64 },
    #[error("the file has more than {max} rows; hint: split it")]
    TooManyRows { max: u64 },
    #[error("{file} is not in the bundle; hint: export it again with all files")]
    MissingFile { file: &'static str },
    #[error("{file} has no column {column:?}; hint: export it again as OneRoster 1.1 or 1.2")]
    MissingColumn { file: String, column: &'static str },
    #[error("the zip archive is damaged: {0}; hint: export it again")]
    Zip(String),
    #[error("manifest.csv: {0}; hint: the import reads OneRoster CSV 1.1 and 1.2, bulk or delta")]
    Manifest(String),
    #[error(
        "a delta cannot be a full roster; hint: import it without --full, or export a bulk bundle"
    )]
    DeltaIsNotFull,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_states_place_value_reason_and_hint() {
        let place = Place { file: None, line: 7 };
        let reason = Reason::DuplicateLogin { line: 3 };
        let problem = Problem::new(&place, Some("Login"), "PETER", reason);
        assert_eq!(
            problem.to_string(),
            "line 7, column \"Login\", value \"PETER\": line 3 has the same login; upper and lower case are equal; \
             hint: give each person another login"
        );
        let long = Problem::new(&place, None, &"é".repeat(70), Reason::Scientific);
        assert_eq!(long.value.chars().count(), MAX_SHOWN + 1);
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<&str> = Reason::ALL.iter().map(|(code, ..)| *code).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }
}
