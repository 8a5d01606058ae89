//! Types of requests and replies, as JSON in camelCase. Errors are problem details (RFC 9457).

mod auth;
mod catalogue;
mod device;
mod problem;
mod refusal;
mod sync;

pub use auth::{
    AdoptRequest, LoginRequest, LogoutRequest, ProviderSignInRequest, RefreshRequest,
    RegisterRequest, Role, TokenReply, UserInfo,
};
pub use catalogue::{
    CatalogueQuery, CourseReply, CourseSummary, EnrolmentCode, EnrolmentCodeReply, EnrolmentReply,
    ListPage, Meta, MetaQuery, ProgressReply, ProgressResult, ProgressUpdate, ProgressUpdateReply,
    SearchHit, SearchKind, StoryReply, StorySummary, identity_text,
};
pub use device::{DeviceDownload, DeviceReport, RefusedRow};
pub use problem::Problem;
pub use refusal::RefusalReason;
pub use sync::{
    CatalogueEvent, ChangesEvent, EpochReply, MAX_PULL_ROWS, MAX_PUSH_BYTES, MAX_PUSH_ITEMS,
    MIN_SYNC_VERSION, PullReply, PulledRow, PushReply, PushRequest, PushResult, ResultCode,
    SYNC_VERSION,
};
