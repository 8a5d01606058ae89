//! The list of commands, from which the dispatch for every host and the TypeScript client are generated.
//!
//! `stale on [...]` lists the topics whose changes make a query's reply stale; the UI then repeats the query.
//! `Progress(course)` means: only progress under the course, story or item in the request's field `course`.
//!
//! Not here: the implementation of the commands (`handlers`).

use std::{future::Future, pin::Pin};

use carrel_diagnostics::{
    actions::{command_span, end_command},
    doctor::DoctorReport,
};
use serde_json::Value;
use tracing::Instrument;

use crate::{
    api::{
        app::*, bundle::*, diagnostics::*, dictionary::*, download::*, error::CommandError,
        event::Topic, exercises::*, learning::*, library::*, notes::*, open::*, policies::*,
        quiz::*, reading::*, review::*, settings::*, staff::*, storage::*, sync::*, update::*,
    },
    handlers,
    host::Host,
};

/// A command, as described in the generated TypeScript client.
pub struct CommandInfo {
    pub name: &'static str,
    pub doc: &'static str,
    pub request: fn(&ts_rs::Config) -> String,
    pub reply: fn(&ts_rs::Config) -> String,
    pub export: fn(&ts_rs::Config) -> Result<(), ts_rs::ExportError>,
    /// Changes after which the UI has to repeat the query. Empty: the reply is used once and not kept.
    pub stale_on: &'static [Dependency],
}

/// A kind of change that makes the reply of a query stale.
pub struct Dependency {
    /// Returns true for topics of this kind.
    pub topic: fn(&Topic) -> bool,
    /// The request's field with the id of a course, story or item, if only changes under its root affect the query.
    pub field: Option<&'static str>,
}

type CommandFuture<'a> = Pin<Box<dyn Future<Output = Result<Value, CommandError>> + Send + 'a>>;

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
        /// Runs the command `name` with `request` (JSON) and returns its reply (JSON).
        pub fn dispatch<'a>(host: &'a dyn Host, name: &'a str, request: Value) -> CommandFuture<'a> {
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

        /// The names of all commands. Not taken from `COMMANDS`: the app would then contain the code that generates the
        /// TypeScript client, about 1 MB.
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// All commands, in the order of this list.
        pub const COMMANDS: &[CommandInfo] = &[$(CommandInfo {
            name: stringify!($name),
            doc: concat!($($doc, "\n"),+),
            request: |c| <$request as ts_rs::TS>::name(c),
            reply: |c| <$reply as ts_rs::TS>::name(c),
            stale_on: &[$($(Dependency {
                // Also checks at compile time that the topic exists and that the request has the field.
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
    /// Returns the state that the UI needs at start.
    app::get_app_state(Empty) -> AppState, stale on [Account, Settings];
    /// Checks whether a Carrel server responds at an address.
    app::check_server(CheckServer) -> ServerInfo;
    /// Signs in and opens the account.
    app::sign_in(SignIn) -> AppState;
    /// Begins a sign-in with an identity provider: opens the system's browser, and returns the address that it opens.
    app::begin_browser_sign_in(BeginBrowserSignIn) -> OpenUrl;
    /// Finishes a sign-in in the browser with the code that it shows, and opens the account.
    app::finish_browser_sign_in(FinishBrowserSignIn) -> AppState;
    /// Forgets a sign-in in the browser.
    app::cancel_browser_sign_in(Empty) -> Empty;
    /// Requests a link for a new password by mail. The reply does not tell whether there is an account.
    app::request_password_reset(RequestPasswordReset) -> Empty;
    /// Moves the open account to a new address of its server, which has to prove its identity. The session is kept.
    app::move_server(MoveServer) -> AppState;
    /// Creates an account on the server and opens it.
    app::register(Register) -> AppState;
    /// Opens the demo library, which needs no server and no network.
    app::open_demo(Empty) -> AppState;
    /// Opens the account without a server: the demo library, if included, and imported courses.
    bundle::open_guest(Empty) -> AppState;
    /// Opens another account of this device. Needs no network.
    app::switch_account(SwitchAccount) -> AppState;
    /// Signs out of any account of this device; unsent changes are kept for the next sign-in.
    app::sign_out(AccountRef) -> AppState;
    /// Closes the open account without signing out, so that another learner can continue.
    app::leave_account(Empty) -> AppState;
    /// Sets, changes or removes the PIN of the open account.
    app::set_pin(SetPin) -> AppState;
    /// Stores the name and the password for the network's proxy on this device, or deletes them.
    app::set_proxy_login(SetProxyLogin) -> Empty;
    /// Counts the changes of an account that the server does not have.
    app::check_account_removal(AccountRef) -> AccountRemoval;
    /// Deletes an account and its work from this device.
    app::remove_account(RemoveAccount) -> AppState;
    /// Deletes the work of the account without a server, which has to be open. Content stays.
    app::erase_guest_work(Empty) -> AppState;
    /// Forgets the code of the work that a kiosk kept, after the learner has noted it.
    app::forget_kept_work(KeptWorkCode) -> AppState;
    /// Merges the work that this kiosk kept under a code with that of the open account.
    app::claim_work(KeptWorkCode) -> ImportedWork;
    /// Deletes the report of a repair after the learner has read it.
    app::forget_repair(Empty) -> AppState;
    /// Opens a web page or e-mail address in the system's browser or mail program.
    app::open_url(OpenUrl) -> Empty;
    /// Returns the files and links that the system asked the app to open since the last call.
    open::take_open_requests(Empty) -> OpenRequestList;

    /// Returns one page of the filtered courses.
    library::list_courses(ListRequest) -> CourseList, stale on [Catalogue, Downloads, Progress, Enrolment];
    /// Returns one page of the filtered stories.
    library::list_stories(ListRequest) -> StoryList, stale on [Catalogue, Downloads, Progress];
    /// Returns where to continue reading.
    library::get_continue(Empty) -> ContinueReply, stale on [Catalogue, Downloads, Progress, Enrolment];
    /// Returns a course's outline with progress.
    library::get_course(CourseRef) -> CourseView, stale on [Catalogue, Downloads, Progress(course), Enrolment(course)];
    /// Requests enrolment in a course. Works offline; the server decides at a later sync.
    library::enrol(CourseRef) -> EnrolmentView;
    /// Withdraws the enrolment in a course.
    library::unenrol(CourseRef) -> EnrolmentView;
    /// Enrols the learner in the courses of a code. Needs the network.
    library::enter_code(EnterCode) -> EnteredCode;
    /// Searches the stored catalogue and the text on this device. Needs no network.
    search::search(SearchRequest) -> SearchReply, stale on [Catalogue, Downloads, Enrolment];
    /// Searches on the server. Returns what this device does not find, of one page of the results.
    search::search_server(SearchRequest) -> SearchReply, stale on [Catalogue];

    /// Returns a section's text and media, and the learner's progress in it.
    reading::open_section(ItemRef) -> SectionPage, stale on [Catalogue, Downloads, Progress(item)];
    /// Returns a story and the learner's progress in it.
    reading::open_story(ItemRef) -> StoryPage, stale on [Catalogue, Downloads, Words, Settings];
    /// Stores the starts of the sentences of a recording that the learner tapped, or deletes them.
    reading::set_sentence_times(SentenceTimesRequest) -> Empty;
    /// Returns the fonts that a course or story brings along for scripts that the UI's own fonts do not cover.
    reading::get_fonts(FontsRequest) -> FontList, stale on [Catalogue, Downloads];
    /// Returns the vocabulary entry of a word.
    reading::get_word(ItemRef) -> WordView, stale on [Words];
    /// Returns the learner's position in a section, story or recording.
    reading::get_position(PositionRef) -> ItemProgress, stale on [Progress(item)];
    /// Records progress. Durable when the reply arrives.
    reading::record_progress(RecordProgress) -> ItemProgress;
    /// Stores that a program of the learner printed what its exercise asks for. Durable when the reply arrives.
    reading::pass_program(PassProgram) -> ItemProgress;
    /// Reports that the learner is reading or has stopped.
    reading::study_heartbeat(StudyHeartbeat) -> StudyHeartbeatReply;

    /// Returns a quiz with its attempts.
    quiz::open_quiz(OpenQuiz) -> QuizView, stale on [Progress(quiz)];
    /// Starts an attempt, or returns the open one.
    quiz::start_attempt(OpenQuiz) -> AttemptView;
    /// Saves an answer. Durable when the reply arrives.
    quiz::save_answer(SaveAnswer) -> SavedAnswer;
    /// Submits the attempt: answers are frozen; the score is provisional until the server has graded it.
    quiz::submit_attempt(AttemptRef) -> AttemptView;

    /// Returns which exercises of a story were begun, and whether there are any.
    exercises::get_exercises(ItemRef) -> StoryExercises, stale on [Catalogue, Downloads, Progress(item)];
    /// Starts new exercises of a story, or continues those that are not complete.
    exercises::start_exercises(ItemRef) -> ExerciseRunView;
    /// Grades and stores the first answer to an exercise. Durable when the reply arrives.
    exercises::answer_exercise(AnswerExercise) -> ExerciseAnswerView;

    /// Adds a word to the review list or removes it.
    learning::save_word(SaveWord) -> WordList;
    /// Returns the words on the review list, newest first.
    learning::list_words(Empty) -> WordList, stale on [Catalogue, Words, Downloads];
    /// Returns words that the learner could take up next, each with its reason. Uses no network.
    recommend::list_recommended(Empty) -> RecommendedWords, stale on [Words, Downloads, Progress];
    /// Writes the words on the review list to a file for other programs.
    learning::export_words(ExportWords) -> ExportedFile;
    /// Returns study time, streak, course progress and mastery of words.
    learning::get_progress_overview(Empty) -> ProgressOverview, stale on [Catalogue, Progress, Enrolment, Words];
    /// Writes the progress overview to a file.
    learning::export_progress(ExportProgress) -> ExportedFile;

    /// Returns the notes, highlights and bookmarks of an item and of all items below it, in order of the text.
    notes::list_notes(ItemRef) -> NoteList, stale on [Notes, Catalogue, Downloads];
    /// Saves a note, highlight or bookmark. Durable when the reply arrives.
    notes::save_note(SaveNote) -> NoteRef;
    /// Deletes a note.
    notes::delete_note(NoteRef) -> Empty;
    /// Restores a deleted note.
    notes::restore_note(NoteRef) -> Empty;
    /// Writes the notes of an item, or all notes, to a file for other programs.
    notes::export_notes(ExportNotes) -> ExportedFile;

    /// Returns the next cards of the study day, those most at risk first.
    review::get_review_queue(QueueRequest) -> ReviewQueue, stale on [Catalogue, Words, Settings, Downloads];
    /// Returns how many cards are left today.
    review::get_review_counts(Empty) -> ReviewCounts, stale on [Words, Settings];
    /// Stores an answer. Durable when the reply arrives; the same event a second time changes nothing.
    review::answer_card(AnswerCard) -> ReviewCounts;
    /// Voids an answer, also one of another device. Idempotent.
    review::undo_review(UndoReview) -> ReviewCounts;
    /// Returns the last 20 answers that were not undone, of all devices.
    review::list_recent_reviews(Empty) -> RecentReviews, stale on [Words];
    /// Returns what is known about a card, and why it is due on its day.
    review::get_card(CardRef) -> CardView, stale on [Catalogue, Words, Settings, Downloads];
    /// Changes what the learner set for a card: suspended, known, buried, hint dismissed.
    review::set_card_state(SetCardState) -> CardView;
    /// Returns the settings of reviews.
    review::get_review_settings(Empty) -> ReviewSettings, stale on [Words];
    /// Changes the settings of reviews.
    review::set_review_settings(SetReviewSettings) -> ReviewSettings;
    /// Returns how many cards become due on each of the next days.
    review::get_forecast(ForecastRequest) -> ReviewForecast, stale on [Words, Settings];
    /// Estimates the daily work at several retentions.
    review::get_workload(Empty) -> WorkloadCurve, stale on [Words, Settings];
    /// Trains the parameters from the learner's own answers. They are chosen only if they predict better.
    review::train_parameters(Empty) -> TrainingReport;
    /// Applies the chosen parameters to all cards now, which moves due days.
    review::apply_parameters_to_all(Empty) -> ReviewCounts;

    /// Looks up a word of a text or a typed word: in the vocabulary of its course, then in the installed dictionaries.
    dictionary::look_up_word(LookUpWord) -> WordLookUp;
    /// Adds a word to the review list, with the sentence in which it was found. Durable when the reply arrives.
    dictionary::add_word(AddWord) -> WordMarks;
    /// Changes what the learner set for a word, on the review list or not: known, ignored.
    dictionary::mark_word(MarkWord) -> WordMarks;
    /// Returns the installed dictionary packs.
    dictionary::list_dictionaries(Empty) -> DictionaryList, stale on [Storage];
    /// Removes a dictionary pack from this device. Saved words keep their meanings.
    dictionary::remove_dictionary(DictionaryRef) -> DictionaryList;
    /// Installs the dictionary pack of a file for all accounts of this device.
    dictionary::import_dictionary(ImportDictionary) -> DictionaryView;
    /// Returns the dictionary packs that the server offers. The known list is returned at once, also offline.
    dictionary::list_offered_dictionaries(Empty) -> OfferedDictionaries, stale on [Storage, Account];
    /// Downloads a dictionary pack that the server offers, or retries its download. It goes on in the background.
    dictionary::download_dictionary(DownloadDictionary) -> OfferedDictionaries;
    /// Stops the download of a dictionary pack. An installed pack stays.
    dictionary::stop_dictionary_download(DictionaryRef) -> OfferedDictionaries;

    /// Downloads a course, a lesson or a story for offline use. A paused or failed download continues.
    download::start_download(StartDownload) -> DownloadState;
    /// Pauses a download. Downloaded data is kept.
    download::pause_download(DownloadRef) -> DownloadState;
    /// Removes a course, a lesson or a story from this device. Progress is kept.
    download::remove_download(DownloadRef) -> DownloadState;
    /// Verifies all bytes of a download against their hashes, and lists what is missing.
    download::check_offline(DownloadRef) -> OfflineCheck;
    /// Sets the network and battery state on which downloads depend.
    download::set_conditions(SetConditions) -> Empty;

    /// Returns the storage use of this device and the space left.
    storage::get_storage(StorageRequest) -> StorageView, stale on [Storage, Downloads];
    /// Returns how much space removing a download would free.
    storage::check_removal(StorageRef) -> StorageRemoval;
    /// Removes all content that no download needs.
    storage::clear_cache(Empty) -> StorageCleared;
    /// Sets the storage limit for content.
    storage::set_budget(SetBudget) -> StorageView;
    /// Moves all content to another folder; replies when the move is complete.
    storage::move_content(MoveContent) -> StorageView;

    /// Returns the phase of sync, and the numbers of unsent and refused changes.
    sync::get_sync_status(Empty) -> SyncStatus, stale on [Account, Receipts];
    /// Returns the receipts of unsent, refused and accepted changes.
    sync::list_receipts(Empty) -> ReceiptList, stale on [Receipts];
    /// Syncs now; replies when the sync has ended.
    sync::sync_now(Empty) -> SyncStatus;
    /// Sends a refused row again.
    sync::retry_refused(ReceiptRef) -> ReceiptList;
    /// Returns the refused rows as a file for the teacher.
    sync::export_refused(Empty) -> ExportReply;

    /// Returns the folders for bundles (removable media, downloads), and the bundles in them.
    bundle::list_removable_media(Empty) -> BundleFolderList;
    /// Returns the address to which the UI uploads a file that the user chose.
    bundle::get_upload_url(Empty) -> UploadUrl;
    /// Exports downloaded courses and stories to one file. Replies when it is complete.
    bundle::export_courses(ExportCourses) -> ExportedFile;
    /// Exports the learner's work to a file.
    bundle::export_work(ExportWork) -> ExportedFile;
    /// Returns the contents of a file, and whether it can be imported.
    bundle::inspect_file(FileRef) -> FileView;
    /// Imports the courses of a file. Replies when all are ready.
    bundle::import_courses(ImportCourses) -> ImportedCourses;
    /// Merges the work of a file with the local work.
    bundle::import_work(ImportWork) -> ImportedWork;
    /// Cancels the running export or import.
    bundle::cancel_transfer(Empty) -> Empty;

    /// Returns what the organisation's policies fix on this machine. Needs no open account.
    policies::get_policies(Empty) -> PolicyList, stale on [Settings];
    /// Changes settings. Those that a policy fixes cannot be changed.
    settings::set_settings(SetSettings) -> Settings;

    /// Reads what staff may see, from the server or, if it cannot be reached, the stored reply with its time.
    staff::staff_get(StaffGet) -> StaffResult;
    /// Sends a change of staff to the server. Needs the network.
    staff::staff_send(StaffSend) -> StaffResult;

    /// Returns what the app knows about its updates.
    update::get_update_state(Empty) -> UpdateView, stale on [Updates];
    /// Looks for an update now; replies when the check, and in the automatic mode the download, has ended.
    update::check_for_updates(Empty) -> UpdateView;
    /// Downloads the update that was found; replies when the download has ended.
    update::download_update(Empty) -> UpdateView;
    /// Installs the downloaded update now, at the end of the app, or not.
    update::install_update(InstallUpdate) -> UpdateView;
    /// Forgets the result of the last installation after the learner has read it.
    update::forget_update_report(Empty) -> UpdateView;

    /// Returns the number of responses by route and source since the start, and the size of the cache.
    diagnostics::cache_figures(Empty) -> CacheFigures;
    /// Returns the metrics of the last hour, the alerts and the recent actions. Nothing is sent.
    diagnostics::diagnostics_report(Empty) -> DiagnosticsReport;
    /// Records what the UI measured.
    diagnostics::report_metrics(UiMeasurements) -> Empty;
    /// Removes an alert until its limit is broken again.
    diagnostics::dismiss_alert(AlertRef) -> DiagnosticsReport;
    /// Checks this device and the connection to the server. Takes up to 20 s.
    diagnostics::run_doctor(Empty) -> DoctorReport;
    /// Writes a support bundle to the downloads folder. It is not sent.
    diagnostics::save_support_bundle(Empty) -> SavedBundle;
    /// Returns the reports of crashes, newest first.
    diagnostics::crash_reports(Empty) -> CrashReportList;
    /// Deletes the reports of crashes.
    diagnostics::delete_crash_reports(Empty) -> CrashReportList;
}

/// Commands that are not listed as actions of the user.
const UNLISTED: &[&str] = &["diagnostics_report", "report_metrics", "dismiss_alert"];

/// Runs a command like `dispatch`, and measures it as one action of the user. `action` is the id that the UI's call
/// layer created; empty if there is none.
pub fn dispatch_action<'a>(
    host: &'a dyn Host,
    name: &'a str,
    request: Value,
    action: &str,
) -> CommandFuture<'a> {
    let is_listed = !UNLISTED.contains(&name) && NAMES.contains(&name);
    if !is_listed {
        return dispatch(host, name, request);
    }
    let span = command_span(name, action);
    Box::pin(async move {
        let reply = dispatch(host, name, request).instrument(span.clone()).await;
        end_command(&span, reply.is_err());
        reply
    })
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, request: Value) -> Result<T, CommandError> {
    // The request of a command without arguments may be null.
    let request = if request.is_null() { Value::Object(Default::default()) } else { request };
    serde_json::from_value(request).map_err(|e| CommandError::bad_request(name, &e))
}

fn render<T: serde::Serialize>(reply: T) -> Result<Value, CommandError> {
    serde_json::to_value(reply).map_err(|e| CommandError::internal(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Queries without a topic: no event reports that removable media was connected; an upload address is used once.
    const UNOBSERVED: &[&str] = &["list_removable_media", "get_upload_url"];
    /// Queries of views whose names start with neither `get_` nor `list_`.
    const OTHER_QUERIES: &[&str] =
        &["search", "search_server", "open_section", "open_story", "open_quiz"];

    #[test]
    fn every_query_names_the_topics_that_make_its_reply_stale() {
        for command in COMMANDS {
            let name = command.name;
            let is_query = name.starts_with("get_")
                || name.starts_with("list_")
                || OTHER_QUERIES.contains(&name);
            let expected = is_query && !UNOBSERVED.contains(&name);
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
