//! Operations of a transaction, by subject. The rules in `carrel-domain` use these traits; an engine implements them in its
//! SQL.
//!
//! Calls are synchronous, and each executes a whole statement or a batch of statements. An engine with an asynchronous
//! driver must run a transaction on a blocking thread.

mod accounts;
mod analytics;
mod catalogue;
mod courses;
mod enrolment_tokens;
mod external;
mod jobs;
mod mail;
mod maintenance;
mod people;
mod rows;
mod sessions;
mod study;
mod values;

pub use accounts::{AccountTx, LoginKeys, StoredAccount};
pub use analytics::{
    AnalyticsTx, Details, DeviceReportRow, DeviceRow, ExportRow, ExportState, FiguresChange,
};
pub use catalogue::{
    Audience, CatalogueTx, Filter, Kind, ListOrder, Listed, ListedPublication, Publication,
    Published, PublishedQuiz, SearchTx,
};
pub use courses::{
    BlobUse, CourseRow, CourseState, CourseTx, EnrolmentPolicy, Listing, RequestRow, UploadRow,
    UploadState, VersionRow, ViewerRow,
};
pub use enrolment_tokens::{EnrolmentTokenRow, EnrolmentTokenTx};
pub use external::{ExternalCodeRow, ExternalFlowRow, ExternalIdentityRow, ExternalTx};
pub use jobs::{JobRow, JobTx};
pub use mail::{MailKind, MailRow, MailState, MailTx};
pub use maintenance::{
    IndexFact, MaintenanceTx, RANGES, StorageFacts, TableFact, ValueRange, learner_tables,
};
pub use people::{
    AuditRow, ClassKey, CodeKind, CodeRow, ConsentRow, PeopleTx, PersonKey, PersonRow,
    RosterImportRow,
};
pub use rows::{JoinedRow, OpenGrade, RowTx, Usage};
pub use sessions::{Redemption, SessionTx, SignInRow, SignedIn};
pub use study::{EnrolledCourse, StudyTx};
pub use values::{
    EXCERPT_CHARS, decision_status_of, difficulty_text, kinds_of, member_role_of, member_role_text,
    passage_kind_of, passage_kind_text, role_of, role_text, state_of,
};

use super::Result;

/// Facts: named values in the database, such as the epoch.
pub trait FactTx {
    fn fact(&self, name: &'static str) -> Result<Option<String>>;
    fn set_fact(&self, name: &'static str, value: &str) -> Result<()>;
    /// Returns several facts, in the order of the names. Takes no locks.
    fn facts(&self, names: &[&'static str]) -> Result<Vec<Option<String>>>;
}

/// All operations of a transaction.
pub trait Tx:
    FactTx
    + AccountTx
    + SessionTx
    + CatalogueTx
    + CourseTx
    + SearchTx
    + RowTx
    + StudyTx
    + JobTx
    + MaintenanceTx
    + EnrolmentTokenTx
    + PeopleTx
    + ExternalTx
    + MailTx
    + AnalyticsTx
{
}
impl<T> Tx for T where
    T: FactTx
        + AccountTx
        + SessionTx
        + CatalogueTx
        + CourseTx
        + SearchTx
        + RowTx
        + StudyTx
        + JobTx
        + MaintenanceTx
        + EnrolmentTokenTx
        + PeopleTx
        + ExternalTx
        + MailTx
        + AnalyticsTx
{
}
