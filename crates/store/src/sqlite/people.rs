//! SQL statements for people, classes, imports of rosters and the audit log.

use carrel_model::{Slug, UserId};
use carrel_roster::{
    Class, ClassId, ClassState, Counts, Membership, Person, email_key, role_name, state_name,
};
use rusqlite::{
    OptionalExtension, Row, ToSql,
    types::{Type, ValueRef},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    SqliteTx,
    accounts::{user, uuid},
};
use crate::{
    Result,
    personal::{self, FLAGS, Section, SectionCounts, SectionRow},
    tx::{
        AnalyticsTx as _, AuditRow, ClassKey, CodeKind, CodeRow, ConsentRow, ExternalTx, LoginKeys,
        PeopleTx, PersonKey, PersonRow, RosterImportRow, member_role_of, member_role_text,
        state_of,
    },
};

const PERSON: &str = "SELECT a.id AS id, a.login AS login, a.name AS name, a.role AS role,
    coalesce(p.source_id, '') AS source_id, coalesce(p.given, '') AS given, coalesce(p.family, '') AS family,
    coalesce(p.lang, '') AS lang, coalesce(p.state, 'active') AS state, coalesce(p.disabled, 0) AS disabled,
    coalesce(p.email, '') AS email, a.login_key AS login_key, a.password <> '' AS has_password, coalesce(p.operator, 0) AS operator
    FROM account a LEFT JOIN person p ON p.user_id = a.id";

const CLASS: &str = "SELECT id, source_id, name, courses, archived FROM class";

const IMPORT: &str = "SELECT id, actor, name, created_ms, undone_ms FROM roster_import";

/// Tables with a column `user_id` that no foreign key empties when an account is deleted, besides those of learners' rows.
const TABLES_BY_USER: [&str; 3] = ["graded_attempt", "open_grade", "enrolment_token_use"];

fn json_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => n.into(),
        ValueRef::Real(n) => n.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => personal::bytes_text(bytes).into(),
    }
}

fn filled(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<String>> {
    Ok(Some(row.get::<_, String>(column)?).filter(|text| !text.is_empty()))
}

fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    let account = user(row)?;
    Ok(Person {
        id: account.id,
        source_id: filled(row, "source_id")?,
        login: account.login,
        name: account.name,
        given: filled(row, "given")?,
        family: filled(row, "family")?,
        role: account.role,
        state: state_of(row.get_ref("state")?.as_str()?),
        is_disabled: row.get("disabled")?,
        lang: filled(row, "lang")?,
        email: filled(row, "email")?,
    })
}

fn class(row: &Row<'_>) -> rusqlite::Result<Class> {
    let courses: String = row.get("courses")?;
    let courses: Vec<Slug> = serde_json::from_str(&courses)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))?;
    Ok(Class {
        id: ClassId(uuid(row, "id")?),
        source_id: filled(row, "source_id")?,
        name: row.get("name")?,
        courses,
        state: if row.get("archived")? { ClassState::Archived } else { ClassState::Active },
    })
}

fn membership(row: &Row<'_>) -> rusqlite::Result<Membership> {
    Ok(Membership {
        person: UserId(uuid(row, "user_id")?),
        class: ClassId(uuid(row, "class")?),
        role: member_role_of(row.get_ref("role")?.as_str()?),
    })
}

/// The bytes of an id; empty for none.
fn optional_bytes(id: Option<UserId>) -> Vec<u8> {
    id.map(|id| id.0.as_bytes().to_vec()).unwrap_or_default()
}

fn optional_id(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<UserId>> {
    let bytes: Vec<u8> = row.get(column)?;
    Ok(Uuid::from_slice(&bytes).ok().map(UserId))
}

fn import(row: &Row<'_>) -> rusqlite::Result<RosterImportRow> {
    Ok(RosterImportRow {
        id: row.get("id")?,
        actor: optional_id(row, "actor")?,
        name: row.get("name")?,
        created_ms: row.get("created_ms")?,
        undone_ms: row.get("undone_ms")?,
    })
}

impl SqliteTx<'_> {
    fn person_where(&self, condition: &str, value: impl ToSql) -> Result<Option<Person>> {
        let sql = format!("{PERSON} WHERE {condition} ORDER BY a.login_key LIMIT 1");
        Ok(self.prepare_cached(&sql)?.query_row([value], person).optional()?)
    }

    fn count(&self, sql: &str) -> Result<u64> {
        let count: i64 = self.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

impl PeopleTx for SqliteTx<'_> {
    fn people_counts(&self) -> Result<Counts> {
        Ok(Counts {
            people: self.count(
                "SELECT count(*) FROM account a LEFT JOIN person p ON p.user_id = a.id
                 WHERE coalesce(p.state, 'active') = 'active'",
            )?,
            administrators: self.administrators()?,
            memberships: self.count("SELECT count(*) FROM membership")?,
            classes: self.count("SELECT count(*) FROM class WHERE archived = 0")?,
        })
    }
    fn administrators(&self) -> Result<u64> {
        self.count(
            "SELECT count(*) FROM account a LEFT JOIN person p ON p.user_id = a.id
             WHERE a.role = 'administrator' AND coalesce(p.state, 'active') = 'active'
                 AND coalesce(p.disabled, 0) = 0",
        )
    }
    fn is_active(&self, id: UserId) -> Result<bool> {
        let sql = "SELECT 1 FROM account a LEFT JOIN person p ON p.user_id = a.id
            WHERE a.id = ?1 AND coalesce(p.state, 'active') = 'active' AND coalesce(p.disabled, 0) = 0";
        Ok(self.prepare_cached(sql)?.exists([id.0.as_bytes()])?)
    }
    fn person(&self, key: PersonKey<'_>) -> Result<Option<Person>> {
        match key {
            PersonKey::Id(id) => self.person_where("a.id = ?1", id.0.as_bytes()),
            PersonKey::SourceId("") => Ok(None),
            // The condition repeats that of the partial index, which is used only then.
            PersonKey::SourceId(id) => {
                self.person_where("p.source_id = ?1 AND p.source_id <> ''", id)
            }
            PersonKey::LoginKey(key) => self.person_where("a.login_key = ?1", key),
            PersonKey::Skeleton(skeleton) => self.person_where("a.login_skeleton = ?1", skeleton),
        }
    }
    fn people_after(&self, after: Option<UserId>, limit: u32) -> Result<Vec<Person>> {
        let sql = format!("{PERSON} WHERE a.id > ?1 ORDER BY a.id LIMIT ?2");
        let mut stmt = self.prepare_cached(&sql)?;
        let found = stmt.query_map((optional_bytes(after), limit), person)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn people_by_login(&self, after: &str, limit: u32) -> Result<Vec<PersonRow>> {
        let sql = format!("{PERSON} WHERE a.login_key > ?1 ORDER BY a.login_key LIMIT ?2");
        let mut stmt = self.prepare_cached(&sql)?;
        let found = stmt.query_map((after, limit), |row| {
            Ok(PersonRow {
                person: person(row)?,
                login_key: row.get("login_key")?,
                is_operator: row.get("operator")?,
                has_password: row.get("has_password")?,
            })
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn people_by_email(&self, key: &str, limit: u32) -> Result<Vec<Person>> {
        // The condition repeats that of the partial index, which is used only then.
        let sql = format!(
            "{PERSON} WHERE p.email_key = ?1 AND p.email_key <> '' ORDER BY a.login_key LIMIT ?2"
        );
        let mut stmt = self.prepare_cached(&sql)?;
        Ok(stmt.query_map((key, limit), person)?.collect::<rusqlite::Result<_>>()?)
    }
    fn code(&self, kind: CodeKind, user: UserId) -> Result<Option<CodeRow>> {
        let sql = format!("SELECT hash, expires_ms FROM {} WHERE user_id = ?1", kind.table());
        let found = self.prepare_cached(&sql)?.query_row([user.0.as_bytes()], |row| {
            Ok(CodeRow { kind, user, hash: row.get("hash")?, expires_ms: row.get("expires_ms")? })
        });
        Ok(found.optional()?)
    }
    fn put_code(&self, code: &CodeRow) -> Result<()> {
        let table = code.kind.table();
        let sql = format!(
            "INSERT OR REPLACE INTO {table} (user_id, hash, expires_ms) VALUES (?1, ?2, ?3)"
        );
        self.prepare_cached(&sql)?.execute((code.user.0.as_bytes(), code.hash, code.expires_ms))?;
        Ok(())
    }
    fn delete_code(&self, kind: CodeKind, user: UserId) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE user_id = ?1", kind.table());
        self.prepare_cached(&sql)?.execute([user.0.as_bytes()])?;
        Ok(())
    }
    fn delete_expired_codes(&self, now_ms: i64, limit: Option<u32>) -> Result<u64> {
        let limit = limit.map_or(-1, i64::from);
        let mut deleted = 0;
        for table in [CodeKind::SignIn, CodeKind::Password].map(CodeKind::table) {
            let sql = format!(
                "DELETE FROM {table} WHERE user_id IN
                 (SELECT user_id FROM {table} WHERE expires_ms <= ?1 LIMIT ?2)"
            );
            deleted += self.prepare_cached(&sql)?.execute((now_ms, limit))? as u64;
        }
        Ok(deleted)
    }
    fn delete_account(&self, id: UserId, now_ms: i64) -> Result<()> {
        let rows = carrel_sqlite::rows::SPECS.iter().map(|spec| spec.table);
        for table in rows.chain(TABLES_BY_USER) {
            self.execute(&format!("DELETE FROM {table} WHERE user_id = ?1"), [id.0.as_bytes()])?;
        }
        self.clear_external_identities(id)?;
        self.delete_exports_of_names()?;
        // Both contain logins and names: the values before an import, and the rows that it reported.
        self.execute("DELETE FROM roster_change WHERE instr(reverse, ?1) > 0", [id.to_string()])?;
        self.execute("DELETE FROM roster_report WHERE report <> ''", [])?;
        self.execute("UPDATE audit SET detail = '{}' WHERE subject = ?1", [id.0.as_bytes()])?;
        self.execute("UPDATE course SET owner = x'' WHERE owner = ?1", [id.0.as_bytes()])?;
        let sql = "UPDATE course_version SET author = x'' WHERE author = ?1";
        self.execute(sql, [id.0.as_bytes()])?;
        self.execute("DELETE FROM account WHERE id = ?1", [id.0.as_bytes()])?;
        let sql = "INSERT OR REPLACE INTO deleted_account (id, deleted_ms) VALUES (?1, ?2)";
        self.execute(sql, (id.0.as_bytes(), now_ms))?;
        Ok(())
    }
    fn consents(&self, id: UserId) -> Result<Vec<ConsentRow>> {
        let mut stmt = self.prepare_cached(
            "SELECT kind, version, given, given_by, recorded_by, at_ms FROM consent
             WHERE user_id = ?1 ORDER BY number",
        )?;
        let found = stmt.query_map([id.0.as_bytes()], |row| {
            Ok(ConsentRow {
                kind: row.get("kind")?,
                version: row.get("version")?,
                given: row.get("given")?,
                given_by: row.get("given_by")?,
                recorded_by: UserId(uuid(row, "recorded_by")?),
                at_ms: row.get("at_ms")?,
            })
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn add_consent(&self, id: UserId, c: &ConsentRow) -> Result<()> {
        let recorded_by = c.recorded_by.0.as_bytes();
        self.prepare_cached(
            "INSERT INTO consent (user_id, number, kind, version, given, given_by, recorded_by, at_ms)
             SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7 FROM consent WHERE user_id = ?1",
        )?
        .execute((
            id.0.as_bytes(),
            &c.kind,
            &c.version,
            c.given,
            &c.given_by,
            recorded_by,
            c.at_ms,
        ))?;
        Ok(())
    }
    fn section_rows(&self, section: &Section, id: UserId) -> Result<Vec<SectionRow>> {
        let Section { table, condition, columns, .. } = section;
        let list = columns.join(", ");
        let sql = format!("SELECT {list} FROM {table} WHERE {condition} ORDER BY {list}");
        let mut stmt = self.prepare(&sql)?;
        let found = stmt.query_map([id.0.as_bytes()], |row| {
            let mut object = SectionRow::new();
            for (n, column) in columns.iter().enumerate() {
                let value = match row.get_ref(n)? {
                    ValueRef::Integer(flag) if FLAGS.contains(column) => (flag != 0).into(),
                    value => json_of(value),
                };
                object.insert((*column).to_owned(), value);
            }
            Ok(object)
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn count_personal(&self, id: UserId) -> Result<SectionCounts> {
        let mut counts = SectionCounts::new();
        for (name, table, condition) in personal::counted() {
            let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
            let count: i64 = self.query_row(&sql, [id.0.as_bytes()], |row| row.get(0))?;
            if count > 0 {
                counts.insert(name.to_owned(), count.unsigned_abs());
            }
        }
        Ok(counts)
    }
    fn is_deleted(&self, id: UserId) -> Result<bool> {
        let sql = "SELECT 1 FROM deleted_account WHERE id = ?1";
        Ok(self.prepare_cached(sql)?.exists([id.0.as_bytes()])?)
    }
    fn deleted_accounts(&self) -> Result<Vec<(UserId, i64)>> {
        let mut stmt = self.prepare_cached("SELECT id, deleted_ms FROM deleted_account")?;
        let rows =
            stmt.query_map((), |row| Ok((UserId(uuid(row, "id")?), row.get("deleted_ms")?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
    fn is_operator(&self, id: UserId) -> Result<bool> {
        let sql = "SELECT 1 FROM person WHERE user_id = ?1 AND operator = 1";
        Ok(self.prepare_cached(sql)?.exists([id.0.as_bytes()])?)
    }
    fn set_operator(&self, id: UserId, is_operator: bool) -> Result<()> {
        let sql = "UPDATE person SET operator = ?2 WHERE user_id = ?1";
        self.prepare_cached(sql)?.execute((id.0.as_bytes(), is_operator))?;
        Ok(())
    }
    fn put_person(&self, person: &Person) -> Result<()> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        self.prepare_cached("UPDATE account SET name = ?2, role = ?3 WHERE id = ?1")?.execute((
            person.id.0.as_bytes(),
            &person.name,
            role_name(person.role),
        ))?;
        self.prepare_cached(
            "INSERT INTO person (user_id, source_id, given, family, lang, state, disabled, email, email_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (user_id) DO UPDATE SET source_id = excluded.source_id, given = excluded.given,
                 family = excluded.family, lang = excluded.lang, state = excluded.state, disabled = excluded.disabled,
                 email = excluded.email, email_key = excluded.email_key",
        )?
        .execute((
            person.id.0.as_bytes(),
            text(&person.source_id),
            text(&person.given),
            text(&person.family),
            text(&person.lang),
            state_name(person.state),
            person.is_disabled,
            text(&person.email),
            email_key(&text(&person.email)),
        ))?;
        Ok(())
    }
    fn set_login(&self, id: UserId, login: &str, keys: &LoginKeys) -> Result<()> {
        self.prepare_cached(
            "UPDATE account SET login = ?2, login_key = ?3, login_skeleton = ?4 WHERE id = ?1",
        )?
        .execute((id.0.as_bytes(), login, &keys.key, &keys.skeleton))?;
        Ok(())
    }
    fn class(&self, key: ClassKey<'_>) -> Result<Option<Class>> {
        match key {
            ClassKey::Id(id) => {
                let mut stmt = self.prepare_cached(&format!("{CLASS} WHERE id = ?1"))?;
                Ok(stmt.query_row([id.0.as_bytes()], class).optional()?)
            }
            ClassKey::SourceId(id) => {
                let sql = format!("{CLASS} WHERE source_id = ?1 AND source_id <> ''");
                Ok(self.prepare_cached(&sql)?.query_row([id], class).optional()?)
            }
        }
    }
    fn classes_by_name_key(&self, key: &str) -> Result<Vec<Class>> {
        let mut stmt = self.prepare_cached(&format!("{CLASS} WHERE name_key = ?1 ORDER BY id"))?;
        Ok(stmt.query_map([key], class)?.collect::<rusqlite::Result<_>>()?)
    }
    fn classes(&self) -> Result<Vec<Class>> {
        let mut stmt = self.prepare_cached(&format!("{CLASS} ORDER BY id"))?;
        Ok(stmt.query_map([], class)?.collect::<rusqlite::Result<_>>()?)
    }
    fn put_class(&self, class: &Class) -> Result<()> {
        let courses: Vec<&str> = class.courses.iter().map(Slug::as_str).collect();
        self.prepare_cached(
            "INSERT INTO class (id, source_id, name, name_key, courses, archived) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET source_id = excluded.source_id, name = excluded.name,
                 name_key = excluded.name_key, courses = excluded.courses, archived = excluded.archived",
        )?
        .execute((
            class.id.0.as_bytes(),
            class.source_id.clone().unwrap_or_default(),
            &class.name,
            Class::name_key(&class.name),
            serde_json::json!(courses).to_string(),
            class.state == ClassState::Archived,
        ))?;
        Ok(())
    }
    fn is_member(&self, m: Membership) -> Result<bool> {
        let sql = "SELECT 1 FROM membership WHERE class = ?1 AND user_id = ?2 AND role = ?3";
        let key = (m.class.0.as_bytes(), m.person.0.as_bytes(), member_role_text(m.role));
        Ok(self.prepare_cached(sql)?.exists(key)?)
    }
    fn add_membership(&self, m: Membership) -> Result<()> {
        let sql = "INSERT INTO membership (class, user_id, role) VALUES (?1, ?2, ?3)";
        let key = (m.class.0.as_bytes(), m.person.0.as_bytes(), member_role_text(m.role));
        self.prepare_cached(sql)?.execute(key)?;
        Ok(())
    }
    fn end_membership(&self, m: Membership) -> Result<()> {
        let sql = "DELETE FROM membership WHERE class = ?1 AND user_id = ?2 AND role = ?3";
        let key = (m.class.0.as_bytes(), m.person.0.as_bytes(), member_role_text(m.role));
        self.prepare_cached(sql)?.execute(key)?;
        Ok(())
    }
    fn memberships_of(&self, person: UserId) -> Result<Vec<Membership>> {
        let sql =
            "SELECT class, user_id, role FROM membership WHERE user_id = ?1 ORDER BY class, role";
        let mut stmt = self.prepare_cached(sql)?;
        let found = stmt.query_map([person.0.as_bytes()], membership)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn members(&self, class: ClassId) -> Result<Vec<Membership>> {
        let sql =
            "SELECT class, user_id, role FROM membership WHERE class = ?1 ORDER BY user_id, role";
        let mut stmt = self.prepare_cached(sql)?;
        let found = stmt.query_map([class.0.as_bytes()], membership)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn insert_roster_import(&self, import: &RosterImportRow) -> Result<i64> {
        self.prepare_cached(
            "INSERT INTO roster_import (actor, name, created_ms, undone_ms) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((optional_bytes(import.actor), &import.name, import.created_ms, import.undone_ms))?;
        Ok(self.last_insert_rowid())
    }
    fn roster_import(&self, id: i64) -> Result<Option<RosterImportRow>> {
        let mut stmt = self.prepare_cached(&format!("{IMPORT} WHERE id = ?1"))?;
        Ok(stmt.query_row([id], import).optional()?)
    }
    fn roster_imports(&self) -> Result<Vec<RosterImportRow>> {
        let mut stmt = self.prepare_cached(&format!("{IMPORT} ORDER BY id DESC"))?;
        Ok(stmt.query_map([], import)?.collect::<rusqlite::Result<_>>()?)
    }
    fn set_roster_undone(&self, id: i64, now_ms: i64) -> Result<()> {
        let sql = "UPDATE roster_import SET undone_ms = ?2 WHERE id = ?1";
        self.prepare_cached(sql)?.execute((id, now_ms))?;
        Ok(())
    }
    fn add_roster_change(&self, import: i64, number: u64, reverse: &str) -> Result<()> {
        let sql = "INSERT INTO roster_change (import, number, reverse) VALUES (?1, ?2, ?3)";
        self.prepare_cached(sql)?.execute((import, number as i64, reverse))?;
        Ok(())
    }
    fn roster_changes(&self, import: i64) -> Result<Vec<String>> {
        let sql = "SELECT reverse FROM roster_change WHERE import = ?1 ORDER BY number DESC";
        let mut stmt = self.prepare_cached(sql)?;
        let found = stmt.query_map([import], |row| row.get("reverse"))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn delete_roster_changes(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        let sql = "DELETE FROM roster_change WHERE (import, number) IN (
                SELECT c.import, c.number FROM roster_change c JOIN roster_import i ON i.id = c.import
                WHERE i.created_ms < ?1 LIMIT ?2)";
        let limit = limit.map_or(-1, i64::from);
        Ok(self.prepare_cached(sql)?.execute((before_ms, limit))? as u64)
    }
    fn put_roster_report(&self, id: Uuid, report: &str, started_ms: i64) -> Result<()> {
        let sql =
            "INSERT OR REPLACE INTO roster_report (id, started_ms, report) VALUES (?1, ?2, ?3)";
        self.prepare_cached(sql)?.execute((id.as_bytes(), started_ms, report))?;
        Ok(())
    }
    fn roster_report(&self, id: Uuid) -> Result<Option<(String, i64)>> {
        let sql = "SELECT report, started_ms FROM roster_report WHERE id = ?1";
        let found = self
            .prepare_cached(sql)?
            .query_row([id.as_bytes()], |row| Ok((row.get("report")?, row.get("started_ms")?)));
        Ok(found.optional()?)
    }
    fn delete_roster_reports(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        let sql = "DELETE FROM roster_report WHERE id IN
            (SELECT id FROM roster_report WHERE started_ms < ?1 LIMIT ?2)";
        let limit = limit.map_or(-1, i64::from);
        Ok(self.prepare_cached(sql)?.execute((before_ms, limit))? as u64)
    }
    fn add_audit(&self, row: &AuditRow) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO audit (at_ms, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            row.at_ms,
            optional_bytes(row.actor),
            &row.action,
            optional_bytes(row.subject),
            &row.detail,
        ))?;
        Ok(())
    }
    fn audit(&self, limit: u32) -> Result<Vec<AuditRow>> {
        let sql =
            "SELECT at_ms, actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT ?1";
        let mut stmt = self.prepare_cached(sql)?;
        let found = stmt.query_map([limit], |row| {
            Ok(AuditRow {
                at_ms: row.get("at_ms")?,
                actor: optional_id(row, "actor")?,
                action: row.get("action")?,
                subject: optional_id(row, "subject")?,
                detail: row.get("detail")?,
            })
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
}
