//! The one list of commands. The dispatch for every host and the TypeScript client are made from it.
//!
//! `stale on [...]` lists the topics that make a query's reply outdated. `Progress(course)` means: only progress under
//! the course, story or item that the request's field `course` names. The UI refreshes what it shows by this list.

use std::{future::Future, pin::Pin};

use serde_json::Value;

use crate::{
    api::{
        app::*, bundle::*, diagnostics::*, download::*, error::CommandError, event::Topic,
        learning::*, library::*, quiz::*, reading::*, settings::*, storage::*, sync::*,
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
    /// When a reply that the UI still shows has to be asked for again. Empty: the reply is used once, not kept.
    pub stale_on: &'static [Dependency],
}

/// A kind of change after which the reply of a query may be different.
pub struct Dependency {
    /// Whether a topic is of this kind.
    pub topic: fn(&Topic) -> bool,
    /// The request's field with the id of the course, story or item: only changes under its root concern the query.
    pub field: Option<&'static str>,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Value, CommandError>> + Send + 'a>>;

macro_rules! dependency_field {
    ($request:ty) => {
        None
    };
    ($request:ty, $field:ident) => {{
        const _: fn(&$request) = |request| {
            let _ = &request.$field;
        };
        Some(stringify!($field))
    }};
}

macro_rules! commands {
    ($(
        $(#[doc = $doc:literal])+
        $module:ident::$name:ident($request:ty) -> $reply:ty
        $(, stale on [$($topic:ident $(($field:ident))?),+])?;
    )*) => {
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
            stale_on: &[$($(Dependency {
                // Also checks that the topic exists and that the request has the field.
                topic: |topic| matches!(topic, Topic::$topic { .. }),
                field: dependency_field!($request $(, $field)?),
            }),+)?],
            export: |c| {
                <$request as ts_rs::TS>::export_all(c)?;
                <$reply as ts_rs::TS>::export_all(c)
            },
        }),*];
    };
}

commands! {
    /// Everything the shell needs at start.
    app::get_app_state(Empty) -> AppState, stale on [Account, Settings];
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
    /// Opens the account without a server: the demo library if there is one, and imported courses.
    bundle::open_guest(Empty) -> AppState;
    /// Opens another account of this device.
    app::switch_account(AccountRef) -> AppState;
    /// Signs out; work that waits is kept for the next sign-in.
    app::sign_out(AccountRef) -> AppState;
    /// The learner has read what a repair could not bring back.
    app::forget_repair(Empty) -> AppState;
    /// Opens a web page in the system's browser.
    app::open_url(OpenUrl) -> Empty;

    /// Courses, filtered, a page at a time.
    library::list_courses(ListRequest) -> CourseList, stale on [Catalogue, Downloads, Progress, Enrolment];
    /// Stories, filtered, a page at a time.
    library::list_stories(ListRequest) -> StoryList, stale on [Catalogue, Downloads, Progress];
    /// Where to go on.
    library::get_continue(Empty) -> ContinueReply, stale on [Catalogue, Downloads, Progress, Enrolment];
    /// A course's page: outline with progress.
    library::get_course(CourseRef) -> CourseView, stale on [Catalogue, Downloads, Progress(course), Enrolment(course)];
    /// Enrols; works offline, the server decides later.
    library::enrol(CourseRef) -> EnrolmentView;
    /// Takes the enrolment back.
    library::unenrol(CourseRef) -> EnrolmentView;
    /// Full-text search.
    library::search(SearchRequest) -> SearchReply, stale on [Catalogue, Downloads, Enrolment];

    /// A section's text and media, and the learner's place in it.
    reading::open_section(ItemRef) -> SectionPage, stale on [Catalogue, Downloads, Progress(item)];
    /// A story and the learner's place in it.
    reading::open_story(ItemRef) -> StoryPage, stale on [Catalogue, Downloads, Words];
    /// The card of a word.
    reading::get_word(ItemRef) -> WordView, stale on [Words];
    /// Where the learner stopped in a section, story or recording.
    reading::get_place(PlaceRef) -> ItemProgress, stale on [Progress(item)];
    /// Records how far the learner came. Durable when the reply arrives.
    reading::record_progress(RecordProgress) -> ItemProgress;
    /// The learner is reading, or stopped.
    reading::study_beat(StudyBeat) -> StudyBeatReply;

    /// A quiz with its attempts.
    quiz::open_quiz(OpenQuiz) -> QuizView, stale on [Progress(quiz)];
    /// Begins an attempt, or gives the one that is still open.
    quiz::start_attempt(OpenQuiz) -> AttemptView;
    /// Saves an answer. Durable when the reply arrives.
    quiz::save_answer(SaveAnswer) -> SavedAnswer;
    /// Hands the attempt in: answers are frozen, the score is provisional until the server has graded it.
    quiz::submit_attempt(AttemptRef) -> AttemptView;

    /// Puts a word on the review list or takes it off.
    learning::save_word(SaveWord) -> WordList;
    /// The words on the review list, newest first.
    learning::list_words(Empty) -> WordList, stale on [Catalogue, Words, Downloads];
    /// Time, streak and courses.
    learning::get_progress_overview(Empty) -> ProgressOverview, stale on [Catalogue, Progress, Enrolment];

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
    storage::get_storage(StorageRequest) -> StorageView, stale on [Storage, Downloads];
    /// What taking a download off this device would give back.
    storage::check_removal(StorageRef) -> StorageRemoval;
    /// Removes everything that no download needs.
    storage::clear_cache(Empty) -> StorageCleared;
    /// How much space content may take.
    storage::set_budget(SetBudget) -> StorageView;
    /// Moves all content to another folder; answers when it is there.
    storage::move_content(MoveContent) -> StorageView;

    /// What waits, what was refused, how the last round went.
    sync::get_sync_status(Empty) -> SyncStatus, stale on [Account, Receipts];
    /// Receipts: waiting, refused, accepted.
    sync::list_receipts(Empty) -> ReceiptList, stale on [Receipts];
    /// Syncs now and answers when the round is over.
    sync::sync_now(Empty) -> SyncStatus;
    /// Sends a refused row again.
    sync::retry_refused(ReceiptRef) -> ReceiptList;
    /// Refused rows as a file for the teacher.
    sync::export_refused(Empty) -> ExportReply;

    /// Sticks and folders for files, and the files of ours that lie there.
    bundle::list_places(Empty) -> PlaceList;
    /// Where the window puts a file that a person chose.
    bundle::open_slot(Empty) -> SlotView;
    /// Writes downloaded courses and stories into one file. Answers when it is whole.
    bundle::export_courses(ExportCourses) -> ExportedFile;
    /// Writes the learner's work into a file.
    bundle::export_work(ExportWork) -> ExportedFile;
    /// What a file carries, and whether it would be taken in.
    bundle::look_at_file(FileRef) -> FileView;
    /// Takes the courses of a file in. Answers when all are ready.
    bundle::import_courses(ImportCourses) -> ImportedCourses;
    /// Joins the work of a file with what is here.
    bundle::import_work(ImportWork) -> ImportedWork;
    /// Stops the file that is under way.
    bundle::stop_file(Empty) -> Empty;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads that have no topic: nothing reports that a removable disk was plugged in.
    const UNOBSERVED: &[&str] = &["list_places"];
    /// Commands that only read and whose name begins like that of an action.
    const OPENED: &[&str] = &["search", "open_section", "open_story", "open_quiz"];

    #[test]
    fn every_query_names_the_topics_that_make_its_reply_stale() {
        for command in COMMANDS {
            let name = command.name;
            let reads =
                name.starts_with("get_") || name.starts_with("list_") || OPENED.contains(&name);
            let expected = reads && !UNOBSERVED.contains(&name);
            assert_eq!(!command.stale_on.is_empty(), expected, "{name}: `stale on [...]`");
        }
    }

    #[test]
    fn every_topic_makes_some_query_stale() {
        for topic in Topic::all() {
            let used = COMMANDS.iter().flat_map(|c| c.stale_on).any(|d| (d.topic)(&topic));
            assert!(used, "no query is stale on {topic:?}");
        }
    }

    #[test]
    fn only_topics_with_an_id_are_narrowed_to_a_field() {
        for command in COMMANDS {
            for dependency in command.stale_on.iter().filter(|d| d.field.is_some()) {
                let narrowed = [
                    Topic::Progress { root: String::new() },
                    Topic::Enrolment { course: String::new() },
                ];
                assert!(narrowed.iter().any(dependency.topic), "{}", command.name);
            }
        }
    }
}
