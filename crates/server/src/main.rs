//! The program `carrel-server`: the command line and the output. The library implements the commands.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod course_commands;
mod log;
mod mail_commands;
mod roster_commands;
mod tenant_commands;
mod token_commands;
mod user_commands;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use carrel_authoring::{
    report::CheckReport,
    template::{self, TemplateKind},
    watch::Watch,
};
use carrel_model::Slug;
use carrel_people::permissions::Rank;
use carrel_server::{
    Clock, Config, DataDir, Error, Server, Settings, SystemClock, backup, blob_place,
    bundle_import::{AcceptOptions, accept_work},
    config::{DEFAULT_PORT, EventDelivery},
    database, export,
    fonts::{self, FontUse},
    import::{self, ImportOptions},
    jobs::JobRunner,
    publish::ImportReport,
    relocate, restore,
    store::{Kind, tx::JobRow},
    tenants,
};
use clap::{Parser, Subcommand, ValueEnum};

/// The Carrel server: courses, stories and sync for learners who are often offline.
#[derive(Parser)]
#[command(name = "carrel-server", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a data folder until SIGINT or SIGTERM.
    Serve {
        #[arg(long)]
        data: PathBuf,
        /// Address and port; port 0 selects a free port.
        #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)))]
        listen: SocketAddr,
        /// Configuration file (TOML); docs/OPERATIONS.md lists the keys.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Allow anyone who can reach the server to register, overriding the configuration.
        #[arg(long)]
        open_registration: bool,
        /// Folder with updates of the app, which is served at /updates/ (docs/UPDATES.md).
        #[arg(long)]
        updates_dir: Option<PathBuf>,
        /// Folder with the screens for staff, which is served at /staff/; default: that of the installed package.
        #[arg(long)]
        staff_dir: Option<PathBuf>,
        /// PostgreSQL database (postgres://USER@HOST/NAME); with a password, set CARREL_DATABASE_URL instead.
        #[arg(long)]
        database: Option<String>,
        /// Hot standby of the PostgreSQL database, from which catalogue, search and reports are read; can be repeated.
        /// With a password, set CARREL_DATABASE_REPLICAS instead (URLs separated by spaces).
        #[arg(long = "database-replica", value_name = "URL")]
        database_replicas: Vec<String>,
        /// How several servers of one PostgreSQL database learn of each other's changes, overriding the configuration.
        #[arg(long, value_enum)]
        events: Option<EventDelivery>,
    },
    /// Compile packages (folders, zips, libraries, Storybooks folders) and publish them; also import course files.
    Import {
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[arg(long)]
        data: PathBuf,
        /// Accept course files signed by the library whose key has this fingerprint.
        #[arg(long)]
        accept_key: Vec<String>,
        /// Login of the account that becomes the owner of the courses.
        #[arg(long, value_name = "LOGIN")]
        owner: Option<String>,
        #[command(flatten)]
        foreign: ForeignOptions,
    },
    /// Print what became of the items of a file of another program when it was imported as this course.
    ImportReport {
        id: Slug,
        #[arg(long)]
        data: PathBuf,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Accept learners' work from files.
    AcceptWork {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[arg(long)]
        data: PathBuf,
        /// Accept work from a device whose key is not registered on this server.
        #[arg(long)]
        trust_device: bool,
        /// Assign the work of an account unknown to this server to the account with this login.
        #[arg(long = "as", value_name = "LOGIN")]
        login: Option<String>,
    },
    /// Print the fingerprint of this server's key, for learners to compare.
    Fingerprint {
        #[arg(long)]
        data: PathBuf,
    },
    /// Compile packages and list every problem; write nothing.
    Check {
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Print one JSON document (docs/PACKAGE.md).
        #[arg(long)]
        json: bool,
        /// Check again after each change, and show the compiled text at an address of this computer, until Ctrl-C.
        #[arg(long, conflicts_with = "json")]
        watch: bool,
        /// Port of the address of --watch; 0 selects a free port.
        #[arg(long, default_value_t = 0, requires = "watch")]
        port: u16,
        #[command(flatten)]
        foreign: ForeignOptions,
    },
    /// Write a template of a course or story to a new or empty folder.
    New {
        #[arg(value_enum)]
        kind: NewKind,
        dir: PathBuf,
        /// Title; by default, it is made of the name of the folder.
        #[arg(long)]
        title: Option<String>,
        /// Language tag, such as fr or pt-BR.
        #[arg(long, default_value = "en")]
        lang: String,
    },
    /// Remove courses or stories from the catalogue. Content downloaded to devices stays usable.
    Unpublish {
        #[arg(required = true)]
        ids: Vec<Slug>,
        #[arg(long)]
        data: PathBuf,
    },
    /// List courses with their states and versions; change state, owner, visibility and enrolment.
    Course {
        #[command(subcommand)]
        command: course_commands::CourseCommand,
    },
    /// Install or list fonts for scripts that the app's own fonts do not cover.
    Fonts {
        #[command(subcommand)]
        command: FontsCommand,
    },
    /// Build a dictionary pack from a word list or WordNet, signed with this server's key.
    BuildDictionary(carrel_authoring::dictionary::BuildDictionary),
    /// List or run scheduled jobs.
    Jobs {
        #[command(subcommand)]
        command: JobsCommand,
    },
    /// Test the mail server, and list messages (docs/OPERATIONS.md).
    Mail {
        #[command(subcommand)]
        command: mail_commands::MailCommand,
    },
    /// Import, export and undo lists of people and classes (docs/ROSTERS.md).
    Roster {
        #[command(subcommand)]
        command: roster_commands::RosterCommand,
    },
    /// Manage tenants: several schools on one server (docs/OPERATIONS.md).
    Tenant {
        #[command(subcommand)]
        command: tenant_commands::TenantCommand,
    },
    /// Manage enrolment tokens, with which people register and are enrolled in courses.
    Token {
        #[command(subcommand)]
        command: token_commands::TokenCommand,
    },
    /// Manage accounts.
    User {
        #[command(subcommand)]
        command: user_commands::UserCommand,
    },
    /// Move blobs between the data folder and an object store.
    Blobs {
        #[command(subcommand)]
        command: BlobsCommand,
    },
    /// Copy database, signing key and blobs to a new folder; the server may be running.
    Backup {
        file: PathBuf,
        #[arg(long)]
        data: PathBuf,
    },
    /// Verify a backup and restore it into a data folder, with a new epoch. Finishes an interrupted restore.
    Restore {
        /// The folder of the backup.
        #[arg(required_unless_present = "abandon")]
        file: Option<PathBuf>,
        #[arg(long)]
        data: PathBuf,
        /// Move the files of an existing server to a subfolder.
        #[arg(long)]
        replace: bool,
        /// End all sign-ins, including those created after the backup; all users must sign in again.
        #[arg(long)]
        end_sign_ins: bool,
        /// Undo an interrupted restore.
        #[arg(long, conflicts_with_all = ["file", "replace", "end_sign_ins"])]
        abandon: bool,
    },
    /// Move a server or a tenant to another data folder, which may be of another engine. The old folder is kept.
    Move {
        /// Data folder to move. A PostgreSQL database is named by CARREL_DATABASE_URL.
        #[arg(long)]
        data: PathBuf,
        /// New data folder.
        #[arg(long)]
        into: PathBuf,
        /// PostgreSQL database of the new folder (postgres://USER@HOST/NAME), or `sqlite`; by default, that of the old
        /// one. With a password, set CARREL_NEW_DATABASE_URL instead.
        #[arg(long)]
        database: Option<String>,
    },
    /// Write the catalogue as plain files that an app can read without a server.
    ExportLibrary {
        dir: PathBuf,
        #[arg(long)]
        data: PathBuf,
    },
}

/// Facts that a file of another program (GIFT, Aiken, Moodle XML, Anki, EPUB) does not state.
#[derive(clap::Args)]
struct ForeignOptions {
    /// Language tag of files of other programs, such as fr or pt-BR.
    #[arg(long)]
    lang: Option<String>,
    /// Licence of files of other programs, such as CC-BY-4.0; necessary if they state none.
    #[arg(long)]
    license: Option<String>,
}

impl ForeignOptions {
    fn with_keys(self, accept: Vec<String>) -> ImportOptions {
        let foreign = carrel_import::Options {
            lang: self.lang,
            license: self.license,
            ..carrel_import::Options::default()
        };
        ImportOptions { accept, foreign, ..ImportOptions::default() }
    }
}

#[derive(Subcommand)]
enum FontsCommand {
    /// Copy font packages (folders, or folders that contain them) to the data folder, and add them to what is
    /// published; the server may be running.
    Install {
        #[arg(required = true)]
        folders: Vec<PathBuf>,
        #[arg(long)]
        data: PathBuf,
    },
    /// List the scripts: whether a font is installed, and how many courses and stories contain the script.
    List {
        #[arg(long)]
        data: PathBuf,
    },
}

#[derive(Subcommand)]
enum BlobsCommand {
    /// Copy all blobs to the other place, verify them, and use that place from now on.
    ///
    /// A copy that was interrupted is continued by running it again. Imports wait meanwhile; do not import before the
    /// server has been restarted.
    Copy {
        #[arg(long)]
        data: PathBuf,
        #[arg(long, value_enum)]
        to: BlobPlace,
        /// Configuration file with [blobs].
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BlobPlace {
    ObjectStore,
    Folder,
}

#[derive(Subcommand)]
enum JobsCommand {
    /// List the jobs: when each is due, its last success and its last error.
    List {
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Print the reports of the last checks as JSON: rows without an account, values out of range, indices, deletions.
    Reports {
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Run one job now; the server may be running.
    Run {
        name: String,
        #[arg(long)]
        data: PathBuf,
        /// Configuration file of the server (some jobs have settings).
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum NewKind {
    Course,
    Story,
}

fn main() -> ExitCode {
    // A panic of a decoder is reported as an error of the file that it decodes.
    let print_panic = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() != Some(carrel_package::DECODER_THREAD) {
            print_panic(info);
        }
    }));
    let cli = Cli::parse();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Refused(format!("failed to start the async runtime: {e}")))
        .and_then(|runtime| {
            let tracing = log::init(runtime.handle());
            let result = runtime.block_on(run(cli.command));
            tracing.close();
            result
        });
    match result {
        Ok(code) => code,
        Err(e) => {
            eprintln!("error: {e}");
            if !e.hint().is_empty() {
                eprintln!("hint: {}", e.hint());
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Serve {
            data,
            listen,
            config,
            open_registration,
            updates_dir,
            staff_dir,
            database,
            database_replicas,
            events,
        } => {
            let mut settings =
                config.as_deref().map_or_else(|| Ok(Settings::default()), Settings::read)?;
            settings.registration_open |= open_registration;
            settings.updates_dir = updates_dir.or(settings.updates_dir);
            settings.staff_dir = staff_dir.or(settings.staff_dir);
            let redis_url = || std::env::var("CARREL_REDIS_URL").ok().filter(|url| !url.is_empty());
            settings.redis_url = settings.redis_url.or_else(redis_url);
            settings.events = events.unwrap_or(settings.events);
            let variable = database::REPLICAS_VARIABLE;
            database::set_replicas(&mut settings, database_replicas, variable);
            let server = Server::start(Config {
                listen,
                engine: database::engine(database.as_deref(), &settings)?,
                settings,
                ..Config::new(data)
            })
            .await?;
            println!("carrel-server listening on {}", server.url());
            stop_signal().await;
            server.shutdown().await;
        }
        Command::Import { paths, data, accept_key, owner, foreign } => {
            let data = DataDir::open(config_of(data)?)?;
            let owner = match owner {
                Some(login) => Some(course_commands::account(&data, &login).await?),
                None => None,
            };
            let options = ImportOptions { owner, ..foreign.with_keys(accept_key) };
            let report = data.import_with(&paths, &options).await?;
            return Ok(print_report(&report, "imported"));
        }
        Command::ImportReport { id, data, json } => {
            let report = DataDir::open_existing(config_of(data)?)?.source_report(&id).await?;
            print!("{}", if json { report.to_json() } else { report.to_text() });
        }
        Command::AcceptWork { files, data, trust_device, login } => {
            let options = AcceptOptions { trust_device, login: login.as_deref() };
            return accept_files(&DataDir::open_existing(config_of(data)?)?, &files, options).await;
        }
        Command::Fingerprint { data } => {
            println!("{}", DataDir::open_existing(config_of(data)?)?.fingerprint());
        }
        Command::Check { paths, watch: true, port, .. } => watch(paths, port).await?,
        Command::Check { paths, json: true, foreign, .. } => {
            let options = foreign.with_keys(Vec::new());
            let report = import::check_with(&paths, &options).await?.to_check_report(false);
            println!("{}", report.to_json());
            return Ok(exit_code(&report));
        }
        Command::Check { paths, foreign, .. } => {
            let options = foreign.with_keys(Vec::new());
            return Ok(print_report(&import::check_with(&paths, &options).await?, "checked"));
        }
        Command::New { kind, dir, title, lang } => {
            let kind = match kind {
                NewKind::Course => TemplateKind::Course,
                NewKind::Story => TemplateKind::Story,
            };
            let files = template::write(kind, &dir, title.as_deref(), &lang)
                .map_err(|e| Error::Refused(e.to_string()))?;
            files.iter().for_each(|file| println!("{}", dir.join(file).display()));
            let dir = dir.display().to_string();
            let quote = if dir.contains(char::is_whitespace) { "\"" } else { "" };
            println!("edit these files, then run: carrel-server check --watch {quote}{dir}{quote}");
        }
        Command::Unpublish { ids, data } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            return unpublish(&data, &ids).await;
        }
        Command::Fonts { command: FontsCommand::Install { folders, data } } => {
            let data = DataDir::open(config_of(data)?)?;
            let changed = fonts::install(&data, folders).await?;
            print_fonts(&fonts::list(&data).await?, false);
            println!("{changed} courses and stories changed");
        }
        Command::Fonts { command: FontsCommand::List { data } } => {
            print_fonts(&fonts::list(&DataDir::open_existing(config_of(data)?)?).await?, true);
        }
        Command::BuildDictionary(command) => {
            let built = command.run(&command.data.join("signing.key"), SystemClock.now_ms());
            println!("{}", built.map_err(Error::Refused)?);
        }
        Command::Jobs { command: JobsCommand::List { data, config } } => {
            let data = open_with(data, config.as_deref())?;
            JobRunner::new(Arc::clone(&data)).schedule().await?;
            let now_ms = SystemClock.now_ms();
            data.store.jobs().await?.iter().for_each(|job| println!("{}", job_line(job, now_ms)));
        }
        Command::Jobs { command: JobsCommand::Reports { data, config } } => {
            let data = open_with(data, config.as_deref())?;
            let reports = data.store.maintenance_reports(Rank::Operator).await?;
            println!("{}", serde_json::to_string_pretty(&reports).unwrap_or_default());
        }
        Command::Jobs { command: JobsCommand::Run { name, data, config } } => {
            let data = open_with(data, config.as_deref())?;
            let report = JobRunner::new(data).run_named(&name).await?;
            match report.result {
                Ok(message) => println!("{name}: {message}"),
                Err(e) => return Err(Error::Refused(format!("{name}: {e}"))),
            }
        }
        Command::Course { command } => course_commands::run(command).await?,
        Command::Mail { command } => mail_commands::run(command).await?,
        Command::Roster { command } => return roster_commands::run(command).await,
        Command::Tenant { command } => tenant_commands::run(command)?,
        Command::Token { command } => token_commands::run(command).await?,
        Command::User { command } => user_commands::run(command).await?,
        Command::Blobs { command: BlobsCommand::Copy { data, to, config } } => {
            let settings =
                config.as_deref().map_or_else(|| Ok(Settings::default()), Settings::read)?;
            copy_blobs(&database::config(data, settings)?, to == BlobPlace::Folder).await?;
        }
        Command::Backup { file, data } => {
            let metadata = {
                let engine = config_of(&data)?.engine;
                backup::backup(engine.as_ref(), &data, &file, SystemClock.now_ms())?
            };
            println!(
                "backed up to {}: {} blobs, {} bytes",
                file.display(),
                metadata.blobs,
                metadata.blob_bytes
            );
        }
        Command::Restore { data, abandon: true, .. } => {
            restore::abandon(config_of(&data)?.engine.as_ref(), &data)?;
            println!("the restore into {} has been undone", data.display());
        }
        Command::Restore { file, data, replace, end_sign_ins, .. } => {
            let file = file.unwrap_or_default();
            let options = restore::Options { replace, end_sign_ins, keep_epoch: false };
            let epoch = {
                let engine = config_of(&data)?.engine;
                restore::restore(engine.as_ref(), &file, &data, options, SystemClock.now_ms())?
            };
            println!(
                "restored into {} with the new epoch {epoch}; devices will send the rows that the backup lacks",
                data.display()
            );
        }
        Command::Move { data, into, database } => {
            let from = config_of(data)?;
            let to = database::config_of_move(&from, &into, database.as_deref())?;
            let moved = relocate::relocate(&from, &to)?;
            println!(
                "moved to {}: {} rows in {} tables, equal to the old ones, and {} blobs",
                into.display(),
                moved.rows,
                moved.tables,
                moved.blobs
            );
        }
        Command::ExportLibrary { dir, data } => {
            let exported = export::export(&DataDir::open_existing(config_of(data)?)?, &dir).await?;
            println!(
                "exported {} courses, {} stories, {} blobs ({} bytes) to {}",
                exported.courses,
                exported.stories,
                exported.blobs,
                exported.bytes,
                dir.display()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn config_of(data: impl Into<PathBuf>) -> Result<Config, Error> {
    database::config(data, Settings::default())
}

/// Copies the blobs of a server and its tenants, or of one tenant, and prints a line for each.
async fn copy_blobs(config: &Config, to_folder: bool) -> Result<(), Error> {
    let tenants = tenants::list(&config.data_dir)?;
    let all = tenants.iter().map(|tenant| tenants::config_of(config, tenant));
    for config in std::iter::once(Ok(config.clone())).chain(all) {
        let config = config?;
        let copied = blob_place::copy(&config, to_folder).await?;
        println!(
            "{}: {} blobs copied ({} bytes), {} were there",
            config.data_dir.display(),
            copied.blobs,
            copied.bytes,
            copied.found
        );
    }
    println!("restart the server; the old blobs are kept");
    Ok(())
}

fn open_with(data: PathBuf, config: Option<&Path>) -> Result<Arc<DataDir>, Error> {
    let settings = config.map_or_else(|| Ok(Settings::default()), Settings::read)?;
    Ok(Arc::new(DataDir::open_existing(database::config(data, settings)?)?))
}

/// Prints a line for each script, `all` or only those with a font.
fn print_fonts(uses: &[FontUse], all: bool) {
    for font in uses.iter().filter(|font| all || font.installed.is_some()) {
        let installed = match &font.installed {
            Some((family, files, bytes)) => {
                let noun = if *files == 1 { "file" } else { "files" };
                format!("{family}: {files} {noun}, {} kB", bytes.div_ceil(1000))
            }
            None => "not installed: devices use a font of their system".to_owned(),
        };
        let use_of = match (font.needed, font.included) {
            (0, 0) => String::new(),
            (needed, included) => {
                format!("; needed by {needed} courses and stories, included in {included}")
            }
        };
        println!("{:<22} {installed}{use_of}", font.script);
    }
}

async fn unpublish(data: &DataDir, ids: &[Slug]) -> Result<ExitCode, Error> {
    let mut missing = 0;
    for id in ids {
        let was_course = data.store.unpublish(Kind::Course, id).await?;
        if was_course || data.store.unpublish(Kind::Story, id).await? {
            println!("unpublished {id}");
        } else {
            missing += 1;
            println!("{id} is not published");
        }
    }
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Formats a job as one line.
fn job_line(job: &JobRow, now_ms: i64) -> String {
    let minutes_from_now = |ms: i64| (ms - now_ms) / 60_000;
    let state = match job.due_ms {
        _ if !job.worker.is_empty() && job.lease_until_ms > now_ms => "running".to_owned(),
        i64::MAX => "only on request".to_owned(),
        due_ms if due_ms <= now_ms => "due".to_owned(),
        due_ms => format!("due in {} min", minutes_from_now(due_ms)),
    };
    let last = match job.succeeded_ms {
        0 => "never succeeded".to_owned(),
        ms => format!("succeeded {} min ago", -minutes_from_now(ms)),
    };
    let error = if job.error.is_empty() { String::new() } else { format!("; {}", job.error) };
    format!("{:<10} {state:<22} {last}{error}", job.name)
}

/// Accepts each file separately; a refused file does not block the others.
async fn accept_files(
    data: &DataDir,
    files: &[PathBuf],
    options: AcceptOptions<'_>,
) -> Result<ExitCode, Error> {
    let mut failed = 0;
    for file in files {
        match accept_work(data, file, options).await {
            Ok(accepted) => {
                println!(
                    "accepted from {} ({}), {}: {} rows, {} changed, {} refused",
                    accepted.name,
                    accepted.login,
                    accepted.device_name,
                    accepted.rows,
                    accepted.changed,
                    accepted.refused
                );
                accepted.reasons.iter().for_each(|r| println!("  refused: {r}"));
            }
            Err(e @ Error::Refused(_)) => {
                failed += 1;
                println!("{e}");
            }
            Err(e) => return Err(e),
        }
    }
    println!("{} of {} files accepted", files.len() - failed, files.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn exit_code(report: &CheckReport) -> ExitCode {
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_report(report: &ImportReport, verb: &str) -> ExitCode {
    let report = report.to_check_report(verb == "imported");
    print!("{}", report.to_text(verb));
    exit_code(&report)
}

/// Checks packages after each change until Ctrl-C or SIGTERM.
async fn watch(paths: Vec<PathBuf>, port: u16) -> Result<(), Error> {
    let failed = |e| Error::Refused(format!("failed to watch the packages: {e}"));
    let watch = Watch::bind(paths, port).await.map_err(failed)?;
    println!("preview: {}", watch.url());
    tokio::select! {
        ended = watch.run(|report| println!("{}", report.to_text("checked"))) => ended.map_err(failed),
        () = stop_signal() => Ok(()),
    }
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
