//! Figures of learners, classes and courses: pure functions of the learners' rows. The figures of a group are sums of
//! the figures of its learners (`figures`), which are computed by one function, whether a learner, a teacher or an
//! administrator reads them, and whether they were stored before (`refreshed`) or not.
//!
//! Not here: reading the rows and storing the figures (`carrel-store`), who may read them (`carrel-domain`), the
//! learner's own totals (`carrel-overview`).

mod csv;
mod figures;
mod groups;
mod replies;
mod zone;

pub use csv::{CsvTable, Exported};
pub use figures::{
    CourseDetail, CourseFigures, DayFigures, LearnerFigures, LearnerRows, Library, Points, figures,
    refreshed,
};
pub use groups::{Activity, CourseSum, Group, LearnerName, line};
pub use replies::{
    ChangedDay, ClassReport, CourseCompletion, CourseReport, Device, DeviceCourse, DeviceRefusal,
    Devices, DevicesReport, DownloadState, Engagement, EngagementReport, LearnerDevices,
    LearnerLine, QuestionLine, ReportHead, ReportedDevice, SectionLine, TrendDay, TrendsReport,
};
pub use zone::{Period, Span, Zone};
