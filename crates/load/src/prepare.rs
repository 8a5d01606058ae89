//! Fills a database with courses, stories, people and sign-ins, without the cost of a password for each of them.

use std::{fs, path::Path};

use carrel_model::{
    DeviceId, UserId,
    wire::{Role, UserInfo},
};
use carrel_server::{
    DataDir, Settings, database,
    domain::{accounts::NewAccount, sessions::NewSignIn},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Result;

/// Tokens of the people and ids of the content.
#[derive(Debug, Serialize, Deserialize)]
pub struct People {
    pub students: Vec<String>,
    pub instructor: String,
    pub administrator: String,
    pub courses: Vec<String>,
}

pub fn read(path: &Path) -> Result<People> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

/// Fills the database and writes the tokens.
pub async fn prepare(data: &Path, people: &Path, learners: usize, courses: usize) -> Result {
    let settings = Settings::default();
    let data_dir = DataDir::open(database::config(data, settings)?)?;
    let folder = data.join("load-packages");
    let mut names = Vec::new();
    for n in 0..courses {
        let id = format!("load-{n}");
        course(&folder.join(&id), &id, n)?;
        names.push(id);
    }
    let packages: Vec<_> = names.iter().map(|id| folder.join(id)).collect();
    let report = data_dir.import(&packages).await?;
    if !report.is_ok() {
        return Err(format!("the courses were not imported: {report:?}").into());
    }
    fs::remove_dir_all(&folder)?;
    let add = async |n: u128, login: String, role: Role| -> Result<String> {
        let token = format!("load-{n}-{}", uuid::Uuid::from_u128(n).simple());
        let id = UserId::from_u128(0x10ad_0000_0000 + n);
        let user = UserInfo { id, name: login.clone(), login, role };
        let far_future = i64::MAX / 2;
        let sign_in = NewSignIn {
            id: uuid::Uuid::from_u128(0x10ad_0000_0000 + n),
            user: id,
            device: DeviceId::from_u128(n + 1),
            device_name: "load".to_owned(),
            access: (*blake3::hash(token.as_bytes()).as_bytes(), far_future),
            refresh_expires_ms: far_future,
        };
        let account = NewAccount { user, password: String::new() };
        let now_ms = data_dir.config.clock.now_ms();
        data_dir.store.add_account(account, Some(sign_in), now_ms).await?;
        Ok(token)
    };
    let mut students = Vec::new();
    for n in 0..learners {
        students.push(add(n as u128, format!("learner-{n}"), Role::Student).await?);
    }
    let next = learners as u128;
    let instructor = add(next, "instructor".to_owned(), Role::Instructor).await?;
    let administrator = add(next + 1, "administrator".to_owned(), Role::Administrator).await?;
    let all = People { students, instructor, administrator, courses: names };
    fs::write(people, serde_json::to_string(&all)?)?;
    println!("{learners} learners and {courses} courses");
    Ok(())
}

/// Writes a course with two lessons of two sections and a story.
fn course(at: &Path, id: &str, n: usize) -> Result {
    let put = |name: &str, text: &str| -> Result {
        let path = at.join(name);
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        Ok(fs::write(path, text)?)
    };
    let section = |lesson: usize, section: usize| {
        json!({ "id": format!("s{section}"), "type": "TEXT", "title": format!("Section {section}"),
            "file": format!("{lesson}-{section}.md"), "minutes": 5 })
    };
    let lesson = |lesson: usize| {
        json!({ "id": format!("lesson-{lesson}"), "title": format!("Lesson {lesson}"),
            "sections": [section(lesson, 1), section(lesson, 2)] })
    };
    let course = json!({
        "format": "carrel-course/1", "id": id, "title": format!("Course {n} about rivers and maps"),
        "description": "A course for load tests.", "lang": "en", "difficulty": "BEGINNER", "category": "Geography",
        "hours": 1.0, "authors": ["Load"], "license": "CC0-1.0", "stories": ["stories/one"],
        "lessons": [lesson(1), lesson(2)],
    });
    put("course.json", &course.to_string())?;
    for lesson in 1..=2 {
        for section in 1..=2 {
            let text = format!(
                "# Section {section}\n\nCourse {n}, lesson {lesson}. {}\n",
                "Water finds its way. ".repeat(40)
            );
            put(&format!("{lesson}-{section}.md"), &text)?;
        }
    }
    let story = json!({ "format": "carrel-story/1", "id": format!("{id}-story"), "title": format!("Story {n}"),
        "lang": "en", "level": 2, "license": "CC0-1.0" });
    put("stories/one/story.json", &story.to_string())?;
    put(
        "stories/one/story.md",
        &format!("# Story {n}\n\n##\n\nThe water came at night. Nobody slept.\n"),
    )
}
