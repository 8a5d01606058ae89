//! The one list of commands. From it come the dispatch for every host, and the TypeScript client.

use std::{future::Future, pin::Pin};

use serde_json::Value;

use crate::{
    api::{
        app::*, cable::*, diagnostics::*, download::*, error::CommandError, learning::*,
        library::*, quiz::*, reading::*, settings::*, storage::*, sync::*,
    },
    handlers,
    host::Host,
};

/// The TypeScript names of one command, for the generated client.
pub struct CommandInfo {
    pub name: &'static str,
    pub doc: &'static str,
    pub request: fn(&ts_rs::Config) -> String,
    pub reply: fn(&ts_rs::Config) -> String,
    pub export: fn(&ts_rs::Config) -> Result<(), ts_rs::ExportError>,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Value, CommandError>> + Send + 'a>>;

macro_rules! commands {
    ($($(#[doc = $doc:literal])+ $module:ident::$name:ident($request:ty) -> $reply:ty;)*) => {
        /// Runs the command `name` with `request` (JSON) and gives its reply (JSON).
        pub fn dispatch<'a>(host: &'a dyn Host, name: &'a str, request: Value) -> Answer<'a> {
            Box::pin(async move {
                match name {
                    $(stringify!($name) => {
                        let request: $request = parse(name, request)?;
                        let reply: $reply = handlers::$module::$name(host, request).await?;
                        render(reply)
                    })*
                    _ => Err(CommandError::unknown(name)),
                }
            })
        }

        /// Every command, in the order of this list.
        pub const COMMANDS: &[CommandInfo] = &[$(CommandInfo {
            name: stringify!($name),
            doc: concat!($($doc, "\n"),+),
            request: |c| <$request as ts_rs::TS>::name(c),
            reply: |c| <$reply as ts_rs::TS>::name(c),
            export: |c| {
                <$request as ts_rs::TS>::export_all(c)?;
                <$reply as ts_rs::TS>::export_all(c)
            },
        }),*];
    };
}

commands! {
    /// Everything the shell needs at start.
    app::get_app_state(Empty) -> AppState;
    /// Asks whether a Carrel server answers at this address.
    app::check_server(CheckServer) -> ServerInfo;
    /// Signs in and opens the account.
    app::sign_in(SignIn) -> AppState;
    /// The server of the open account has another address now, and proves there that it is the same: the learner stays signed in.
    app::move_server(MoveServer) -> AppState;
    /// Makes an account on the server and opens it.
    app::register(Register) -> AppState;
    /// Opens the demo library: no account, no network.
    app::open_demo(Empty) -> AppState;
    /// Opens the desk without an account: the demo library if there is one, and what came by cable.
    cable::open_guest(Empty) -> AppState;
    /// Opens another account of this device.
    app::switch_account(AccountRef) -> AppState;
    /// Signs out; work that waits is kept for the next sign-in.
    app::sign_out(AccountRef) -> AppState;
    /// The learner has read what a repair could not bring back.
    app::forget_repair(Empty) -> AppState;
    /// Opens a web page in the system's browser.
    app::open_url(OpenUrl) -> Empty;

    /// Courses, filtered, a page at a time.
    library::list_courses(ListRequest) -> CourseList;
    /// Stories, filtered, a page at a time.
    library::list_stories(ListRequest) -> StoryList;
    /// Where to go on.
    library::get_continue(Empty) -> ContinueReply;
    /// A course's page: outline with progress.
    library::get_course(CourseRef) -> CourseView;
    /// Enrols; works offline, the server decides later.
    library::enrol(CourseRef) -> EnrolmentView;
    /// Takes the enrolment back.
    library::unenrol(CourseRef) -> EnrolmentView;
    /// Full-text search.
    library::search(SearchRequest) -> SearchReply;

    /// A section's text and media, and the learner's place in it.
    reading::open_section(ItemRef) -> SectionPage;
    /// A story and the learner's place in it.
    reading::open_story(ItemRef) -> StoryPage;
    /// The card of a word.
    reading::get_word(ItemRef) -> WordView;
    /// Where the learner stopped in a section, story or recording.
    reading::get_place(PlaceRef) -> ItemProgress;
    /// Records how far the learner came. Durable when the reply arrives.
    reading::record_progress(RecordProgress) -> ItemProgress;
    /// The learner is reading, or stopped.
    reading::study_beat(StudyBeat) -> StudyBeatReply;

    /// A quiz with its attempts.
    quiz::open_quiz(OpenQuiz) -> QuizView;
    /// Begins an attempt, or gives the one that is still open.
    quiz::start_attempt(OpenQuiz) -> AttemptView;
    /// Saves an answer. Durable when the reply arrives.
    quiz::save_answer(SaveAnswer) -> SavedAnswer;
    /// Hands the attempt in: answers are frozen, the score is provisional until the server has graded it.
    quiz::submit_attempt(AttemptRef) -> AttemptView;

    /// Puts a word on the review list or takes it off.
    learning::save_word(SaveWord) -> WordList;
    /// The words on the review list, newest first.
    learning::list_words(Empty) -> WordList;
    /// Time, streak and courses.
    learning::get_progress_overview(Empty) -> ProgressOverview;

    /// Fetches a course, a lesson or a story for offline use; one that waits tries now.
    download::start_download(StartDownload) -> DownloadState;
    /// Pauses a download; what was fetched is kept for the next start.
    download::cancel_download(DownloadRef) -> DownloadState;
    /// Takes a course, a lesson or a story off this device. Progress is kept.
    download::remove_download(DownloadRef) -> DownloadState;
    /// Proves every byte against its hash, and names what is missing.
    download::check_offline(DownloadRef) -> OfflineCheck;
    /// What the window knows of network and battery: downloads go by it.
    download::set_conditions(SetConditions) -> Empty;

    /// What takes space on this device, and how much of it is left.
    storage::get_storage(StorageRequest) -> StorageView;
    /// What taking a download off this device would give back.
    storage::check_removal(StorageRef) -> StorageRemoval;
    /// Removes everything that no download needs.
    storage::clear_cache(Empty) -> StorageCleared;
    /// How much space content may take.
    storage::set_budget(SetBudget) -> StorageView;
    /// Moves all content to another folder; answers when it is there.
    storage::move_content(MoveContent) -> StorageView;

    /// What waits, what was refused, how the last round went.
    sync::get_sync_status(Empty) -> SyncStatus;
    /// Receipts: waiting, refused, accepted.
    sync::list_receipts(Empty) -> ReceiptList;
    /// Syncs now and answers when the round is over.
    sync::sync_now(Empty) -> SyncStatus;
    /// Sends a refused row again.
    sync::retry_refused(ReceiptRef) -> ReceiptList;
    /// Refused rows as a file for the teacher.
    sync::export_refused(Empty) -> ExportReply;

    /// Sticks and folders for files, and the files of ours that lie there.
    cable::list_places(Empty) -> PlaceList;
    /// Where the window puts a file that a person chose.
    cable::open_slot(Empty) -> SlotView;
    /// Writes downloaded courses and stories into one file. Answers when it is whole.
    cable::export_courses(ExportCourses) -> ExportedFile;
    /// Writes the learner's work into a file.
    cable::export_work(ExportWork) -> ExportedFile;
    /// What a file carries, and whether it would be taken in.
    cable::look_at_file(FileRef) -> FileView;
    /// Takes the courses of a file in. Answers when all are ready.
    cable::import_courses(ImportCourses) -> ImportedCourses;
    /// Joins the work of a file with what is here.
    cable::import_work(ImportWork) -> ImportedWork;
    /// Stops the file that is under way.
    cable::stop_file(Empty) -> Empty;

    /// Changes settings.
    settings::set_settings(SetSettings) -> Settings;

    /// Where answers came from since the start, by route and tier, and how much is kept.
    diagnostics::cache_figures(Empty) -> CacheFigures;
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, request: Value) -> Result<T, CommandError> {
    // A command without arguments may be called with nothing at all.
    let request = if request.is_null() { Value::Object(Default::default()) } else { request };
    serde_json::from_value(request).map_err(|e| CommandError::bad_request(name, &e))
}

fn render<T: serde::Serialize>(reply: T) -> Result<Value, CommandError> {
    serde_json::to_value(reply).map_err(|e| CommandError::internal(&e))
}
