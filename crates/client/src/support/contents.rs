//! The contents of a support bundle.

use std::{fs, path::Path};

use carrel_diagnostics::{Diagnostics, bundle::SupportBundle, crash, doctor::DoctorReport, logs};
use carrel_sqlite::{Options, open, rusqlite::Connection};
use serde_json::json;

use super::{Folders, subfolders};

/// What the host adds to a bundle.
pub struct SupportInput<'i> {
    pub folders: &'i Folders,
    pub diagnostics: &'i Diagnostics,
    pub doctor: &'i DoctorReport,
    /// The policies in force, as text.
    pub policies: Option<String>,
}

/// Collects versions, checks, metrics, counts, logs and crash reports. Blocks. The texts are redacted when the bundle
/// is written.
pub fn support_bundle(input: &SupportInput<'_>) -> SupportBundle {
    let SupportInput { folders, diagnostics, doctor, policies } = input;
    let mut bundle = SupportBundle::default();
    bundle.add("README.txt", README);
    bundle.add("doctor.txt", doctor.to_text());
    bundle.add_json("doctor.json", doctor);
    bundle.add_json(
        "metrics.json",
        &json!({
            "metrics": diagnostics.metrics.report(),
            "alerts": diagnostics.metrics.alerts(),
            "actions": diagnostics.actions.list(),
        }),
    );
    bundle.add_json("counts.json", &counts(folders));
    if let Some(policies) = policies {
        bundle.add("policies.txt", policies);
    }
    for file in logs::files(&folders.data_dir.join(logs::FOLDER)) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read(&file).unwrap_or_default();
        bundle.add(&format!("logs/{name}"), String::from_utf8_lossy(&text));
    }
    for report in crash::reports(&folders.data_dir.join(crash::FOLDER)) {
        bundle.add(&format!("crashes/{}", report.name), report.text);
    }
    bundle
}

const README: &str = "Support bundle of Carrel.
It contains versions, checks, times of operations, numbers of rows, the log, and reports of crashes.
It contains no answers, notes, names, logins, passwords or tokens. Nobody received it unless you sent it.
";

/// Returns the numbers of rows of each account's database, without any content.
fn counts(folders: &Folders) -> serde_json::Value {
    let accounts: Vec<_> = subfolders(&folders.data_dir.join("accounts"))
        .iter()
        .map(|dir| match rows(&dir.join("user.db")) {
            Ok(tables) => json!({ "tables": tables }),
            Err(e) => json!({ "error": e.code() }),
        })
        .collect();
    json!({ "accounts": accounts })
}

fn rows(file: &Path) -> carrel_sqlite::Result<Vec<(String, i64)>> {
    let conn = open(file, Options::reader())?;
    let count = |conn: &Connection, table: &str| -> carrel_sqlite::Result<i64> {
        let sql = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        Ok(conn.query_row(&sql, [], |r| r.get(0))?)
    };
    let mut names =
        conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let names: Vec<String> = names
        .query_map([], |r| r.get(0))?
        .collect::<Result<_, carrel_sqlite::rusqlite::Error>>()?;
    names.into_iter().map(|name| Ok((name.clone(), count(&conn, &name)?))).collect()
}
