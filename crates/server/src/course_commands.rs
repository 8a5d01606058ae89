//! The commands for courses: `carrel-server course list`, `versions`, `set`, `publish`.
//!
//! Not here: the rules of courses (`domain::courses`), uploads over HTTP.

use std::path::PathBuf;

use carrel_model::{BlobHash, Slug, UserId};
use carrel_people::permissions::Caller;
use carrel_server::{
    Clock, DataDir, Error, SystemClock,
    domain::{DomainError, courses::CourseChange},
    store::tx::{CourseState, EnrolmentPolicy},
};
use clap::{Subcommand, ValueEnum};

use crate::config_of;

#[derive(Subcommand)]
pub enum CourseCommand {
    /// List courses: id, state, owner, for whom, how learners are enrolled, title.
    List {
        #[arg(long)]
        data: PathBuf,
        /// Also list archived courses.
        #[arg(long)]
        archived: bool,
    },
    /// List the versions of a course, the newest first.
    Versions {
        id: Slug,
        #[arg(long)]
        data: PathBuf,
    },
    /// Change state, owner, visibility or enrolment of a course.
    Set {
        id: Slug,
        #[arg(long)]
        data: PathBuf,
        #[arg(long, value_enum)]
        state: Option<StateName>,
        /// Login of the new owner.
        #[arg(long, value_name = "LOGIN")]
        owner: Option<String>,
        /// For whom the course is.
        #[arg(long = "for", value_enum)]
        audience: Option<AudienceName>,
        /// How learners are enrolled.
        #[arg(long, value_enum)]
        enrolment: Option<PolicyName>,
    },
    /// Publish a version: the draft, or one that was published before.
    Publish {
        id: Slug,
        version: BlobHash,
        #[arg(long)]
        data: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum StateName {
    Draft,
    Review,
    Published,
    Withdrawn,
    Archived,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum AudienceName {
    Everyone,
    Classes,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum PolicyName {
    Open,
    Code,
    Approval,
    Assigned,
}

/// Returns the account with this login.
pub async fn account(data: &DataDir, login: &str) -> Result<UserId, Error> {
    let found = data.store.account(login, None).await?;
    let found = found.ok_or_else(|| DomainError::NoLogin(login.to_owned()))?;
    Ok(found.user.id)
}

/// Runs a command and prints its result.
pub async fn run(command: CourseCommand) -> Result<(), Error> {
    let (now_ms, caller) = (SystemClock.now_ms(), Caller::COMMAND_LINE);
    match command {
        CourseCommand::List { data, archived } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let mut after = String::new();
            loop {
                let page = data.store.staff_courses(caller, archived, after, u32::MAX).await?;
                let Some(last) = page.last() else { break };
                after = last.id.to_string();
                for course in &page {
                    let owner = match course.owner {
                        Some(id) => data.store.account_by_id(id).await?.map(|a| a.user.login),
                        None => None,
                    };
                    let draft = course.draft.filter(|_| course.state >= CourseState::Published);
                    println!(
                        "{:<32} {:<10}{} {:<16} {:<8} {:<8} {}",
                        course.id.as_str(),
                        course.state.as_str(),
                        if draft.is_some() { "+draft" } else { "" },
                        owner.unwrap_or_else(|| "-".to_owned()),
                        if course.for_classes { "classes" } else { "everyone" },
                        course.policy.as_str(),
                        course.title
                    );
                }
            }
        }
        CourseCommand::Versions { id, data } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let (_, versions, published) = data.store.course_with_versions(&id).await?;
            for v in versions {
                let state = match v.published_ms {
                    _ if published == Some(v.version) => "published now",
                    _ if v.manifest.is_empty() => "not kept",
                    0 => "never published",
                    _ => "published before",
                };
                println!(
                    "{} {state}; {} min ago {}",
                    v.version,
                    (now_ms - v.created_ms) / 60_000,
                    v.notes
                );
            }
        }
        CourseCommand::Set { id, data, state, owner, audience, enrolment } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let owner = match owner {
                Some(login) => Some(account(&data, &login).await?),
                None => None,
            };
            let change = CourseChange {
                owner,
                for_classes: audience.map(|name| matches!(name, AudienceName::Classes)),
                policy: enrolment.map(|name| match name {
                    PolicyName::Open => EnrolmentPolicy::Open,
                    PolicyName::Code => EnrolmentPolicy::Code,
                    PolicyName::Approval => EnrolmentPolicy::Approval,
                    PolicyName::Assigned => EnrolmentPolicy::Assigned,
                }),
            };
            let mut course = data.store.change_course(caller, &id, change, now_ms).await?;
            if let Some(name) = state {
                let to = match name {
                    StateName::Draft => CourseState::Draft,
                    StateName::Review => CourseState::Review,
                    StateName::Published => CourseState::Published,
                    StateName::Withdrawn => CourseState::Withdrawn,
                    StateName::Archived => CourseState::Archived,
                };
                course = match course.draft {
                    Some((version, _)) if to == CourseState::Published => {
                        data.publish_version(caller, &id, version).await?
                    }
                    _ => data.store.set_course_state(caller, &id, to, now_ms).await?,
                };
            }
            println!("{id}: {}", course.state.as_str());
        }
        CourseCommand::Publish { id, version, data } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            data.publish_version(caller, &id, version).await?;
            println!("published {id} {version}");
        }
    }
    Ok(())
}
