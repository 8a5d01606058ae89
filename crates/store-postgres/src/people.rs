//! SQL statements for people, classes, imports of rosters and the audit log.
//!
//! A transaction that reads a person in order to change people takes the lock on accounts first, so that what it read
//! stays true until its commit.

use carrel_model::{Slug, UserId};
use carrel_roster::{
    Class, ClassId, ClassState, Counts, Membership, Person, email_key, role_name, state_name,
};
use carrel_store::{
    Result, StoreError,
    personal::{self, Section, SectionCounts, SectionRow},
    tx::{
        AnalyticsTx as _, AuditRow, ClassKey, CodeKind, CodeRow, ConsentRow, ExternalTx, LoginKeys,
        PeopleTx, PersonKey, PersonRow, RosterImportRow, member_role_of, member_role_text,
        state_of,
    },
};
use serde_json::Value;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use crate::{
    accounts::user,
    tx::{Lock, Params, PgTx, bytes, get, hash, text, user_id, uuid},
};

const PERSON: &str = "SELECT a.id, a.login, a.name, a.role,
    coalesce(p.source_id, ''), coalesce(p.given, ''), coalesce(p.family, ''),
    coalesce(p.lang, ''), coalesce(p.state, 'active'), coalesce(p.disabled, false),
    a.login_key, a.password <> '', coalesce(p.operator, false), coalesce(p.email, '')
    FROM account a LEFT JOIN person p ON p.user_id = a.id";

const CLASS: &str = "SELECT id, source_id, name, courses, archived FROM class";

/// Returns a value of a type that the tables have.
fn json_of(row: &Row, index: usize) -> Result<Value> {
    let kind = row.columns().get(index).map(|column| column.type_().clone());
    Ok(match kind {
        Some(Type::BYTEA) => get::<Option<&[u8]>>(row, index)?
            .map(personal::bytes_text)
            .map_or(Value::Null, Value::from),
        Some(Type::BOOL) => get::<Option<bool>>(row, index)?.into(),
        Some(Type::INT4) => get::<Option<i32>>(row, index)?.into(),
        Some(Type::INT8) => get::<Option<i64>>(row, index)?.into(),
        _ => get::<Option<String>>(row, index)?.into(),
    })
}

const IMPORT: &str = "SELECT id, actor, name, created_ms, undone_ms FROM roster_import";

/// Tables with a column `user_id` that no foreign key empties when an account is deleted, besides those of learners' rows.
const TABLES_BY_USER: [&str; 3] = ["graded_attempt", "open_grade", "enrolment_token_use"];

fn filled(row: &Row, index: usize) -> Result<Option<String>> {
    Ok(Some(get::<String>(row, index)?).filter(|text| !text.is_empty()))
}

fn person(row: &Row) -> Result<Person> {
    let account = user(row, 0)?;
    Ok(Person {
        id: account.id,
        source_id: filled(row, 4)?,
        login: account.login,
        name: account.name,
        given: filled(row, 5)?,
        family: filled(row, 6)?,
        role: account.role,
        state: state_of(get(row, 8)?),
        is_disabled: get(row, 9)?,
        lang: filled(row, 7)?,
        email: filled(row, 13)?,
    })
}

fn class(row: &Row) -> Result<Class> {
    let courses: Vec<Slug> =
        serde_json::from_str(get(row, 3)?).map_err(|e| StoreError::unreadable("class", e))?;
    Ok(Class {
        id: ClassId(uuid(row, 0)?),
        source_id: filled(row, 1)?,
        name: get(row, 2)?,
        courses,
        state: if get(row, 4)? { ClassState::Archived } else { ClassState::Active },
    })
}

fn membership(row: &Row) -> Result<Membership> {
    Ok(Membership {
        class: ClassId(uuid(row, 0)?),
        person: user_id(row, 1)?,
        role: member_role_of(get(row, 2)?),
    })
}

/// The bytes of an id; empty for none.
fn optional_bytes(id: &Option<UserId>) -> &[u8] {
    id.as_ref().map_or(&[], |id| bytes(&id.0))
}

fn optional_id(row: &Row, index: usize) -> Result<Option<UserId>> {
    let bytes: &[u8] = get(row, index)?;
    Ok(Uuid::from_slice(bytes).ok().map(UserId))
}

fn import(row: &Row) -> Result<RosterImportRow> {
    Ok(RosterImportRow {
        id: get(row, 0)?,
        actor: optional_id(row, 1)?,
        name: get(row, 2)?,
        created_ms: get(row, 3)?,
        undone_ms: get(row, 4)?,
    })
}

impl PgTx<'_> {
    fn person_where(&self, condition: &str, params: &Params<'_>) -> Result<Option<Person>> {
        self.lock(Lock::Accounts)?;
        let sql = format!("{PERSON} WHERE {condition} ORDER BY a.login_key LIMIT 1");
        self.query_opt(&sql, params)?.as_ref().map(person).transpose()
    }
    fn count_of(&self, sql: &str) -> Result<u64> {
        let row = self.query_opt(sql, &[])?;
        row.map_or(Ok(0), |row| Ok(get::<i64>(&row, 0)?.unsigned_abs()))
    }
}

impl PeopleTx for PgTx<'_> {
    fn people_counts(&self) -> Result<Counts> {
        Ok(Counts {
            people: self.count_of(
                "SELECT count(*) FROM account a LEFT JOIN person p ON p.user_id = a.id
                 WHERE coalesce(p.state, 'active') = 'active'",
            )?,
            administrators: self.administrators()?,
            memberships: self.count_of("SELECT count(*) FROM membership")?,
            classes: self.count_of("SELECT count(*) FROM class WHERE NOT archived")?,
        })
    }
    fn administrators(&self) -> Result<u64> {
        self.lock(Lock::Accounts)?;
        self.count_of(
            "SELECT count(*) FROM account a LEFT JOIN person p ON p.user_id = a.id
             WHERE a.role = 'administrator' AND coalesce(p.state, 'active') = 'active'
                 AND NOT coalesce(p.disabled, false)",
        )
    }
    fn is_active(&self, id: UserId) -> Result<bool> {
        if self.is_write() {
            // Each change of a person updates the row of the account. A later statement sees what was committed while
            // this one waited.
            self.query("SELECT 1 FROM account WHERE id = $1 FOR SHARE", &[&bytes(&id.0)])?;
        }
        let sql = "SELECT 1 FROM account a LEFT JOIN person p ON p.user_id = a.id
            WHERE a.id = $1 AND coalesce(p.state, 'active') = 'active' AND NOT coalesce(p.disabled, false)";
        self.exists(sql, &[&bytes(&id.0)])
    }
    fn person(&self, key: PersonKey<'_>) -> Result<Option<Person>> {
        match key {
            PersonKey::Id(id) => self.person_where("a.id = $1", &[&bytes(&id.0)]),
            PersonKey::SourceId("") => Ok(None),
            // The condition repeats that of the partial index, which is used only then.
            PersonKey::SourceId(id) => {
                self.person_where("p.source_id = $1 AND p.source_id <> ''", &[&text(id)])
            }
            PersonKey::LoginKey(key) => self.person_where("a.login_key = $1", &[&text(key)]),
            PersonKey::Skeleton(key) => self.person_where("a.login_skeleton = $1", &[&text(key)]),
        }
    }
    fn people_after(&self, after: Option<UserId>, limit: u32) -> Result<Vec<Person>> {
        let sql = format!("{PERSON} WHERE a.id > $1 ORDER BY a.id LIMIT $2");
        let rows = self.query(&sql, &[&optional_bytes(&after), &i64::from(limit)])?;
        rows.iter().map(person).collect()
    }
    fn people_by_login(&self, after: &str, limit: u32) -> Result<Vec<PersonRow>> {
        let sql = format!("{PERSON} WHERE a.login_key > $1 ORDER BY a.login_key LIMIT $2");
        let rows = self.query(&sql, &[&text(after), &i64::from(limit)])?;
        let row = |row: &Row| {
            Ok(PersonRow {
                person: person(row)?,
                login_key: get(row, 10)?,
                is_operator: get(row, 12)?,
                has_password: get(row, 11)?,
            })
        };
        rows.iter().map(row).collect()
    }
    fn people_by_email(&self, key: &str, limit: u32) -> Result<Vec<Person>> {
        self.lock(Lock::Accounts)?;
        // The condition repeats that of the partial index, which is used only then.
        let sql = format!(
            "{PERSON} WHERE p.email_key = $1 AND p.email_key <> '' ORDER BY a.login_key LIMIT $2"
        );
        let rows = self.query(&sql, &[&text(key), &i64::from(limit)])?;
        rows.iter().map(person).collect()
    }
    fn code(&self, kind: CodeKind, user: UserId) -> Result<Option<CodeRow>> {
        // Codes are used one after the other.
        self.lock(Lock::Accounts)?;
        let sql = format!("SELECT hash, expires_ms FROM {} WHERE user_id = $1", kind.table());
        let row = self.query_opt(&sql, &[&bytes(&user.0)])?;
        row.map(|row| Ok(CodeRow { kind, user, hash: hash(&row, 0)?.0, expires_ms: get(&row, 1)? }))
            .transpose()
    }
    fn put_code(&self, code: &CodeRow) -> Result<()> {
        self.lock(Lock::Accounts)?;
        let sql = format!(
            "INSERT INTO {} (user_id, hash, expires_ms) VALUES ($1, $2, $3)
             ON CONFLICT (tenant, user_id) DO UPDATE SET hash = excluded.hash, expires_ms = excluded.expires_ms",
            code.kind.table()
        );
        self.execute(&sql, &[&bytes(&code.user.0), &code.hash.as_slice(), &code.expires_ms])?;
        Ok(())
    }
    fn delete_code(&self, kind: CodeKind, user: UserId) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE user_id = $1", kind.table());
        self.execute(&sql, &[&bytes(&user.0)])?;
        Ok(())
    }
    fn delete_expired_codes(&self, now_ms: i64, limit: Option<u32>) -> Result<u64> {
        // Without a limit, LIMIT NULL returns all rows.
        let mut deleted = 0;
        for table in [CodeKind::SignIn, CodeKind::Password].map(CodeKind::table) {
            let sql = format!(
                "DELETE FROM {table} WHERE user_id IN (SELECT user_id FROM {table}
                 WHERE expires_ms <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
            );
            deleted += self.execute(&sql, &[&now_ms, &limit.map(i64::from)])?;
        }
        Ok(deleted)
    }
    fn delete_account(&self, id: UserId, now_ms: i64) -> Result<()> {
        self.lock(Lock::Accounts)?;
        // A push of the learner that has begun is finished before.
        self.query("SELECT 1 FROM learner WHERE user_id = $1 FOR UPDATE", &[&bytes(&id.0)])?;
        let rows = carrel_sqlite::rows::SPECS.iter().map(|spec| spec.table);
        for table in rows.chain(TABLES_BY_USER) {
            let sql = format!("DELETE FROM {table} WHERE user_id = $1");
            self.execute(&sql, &[&bytes(&id.0)])?;
        }
        self.clear_external_identities(id)?;
        self.delete_exports_of_names()?;
        // Both contain logins and names: the values before an import, and the rows that it reported.
        let sql = "DELETE FROM roster_change WHERE position($1 IN reverse) > 0";
        self.execute(sql, &[&id.to_string()])?;
        self.execute("DELETE FROM roster_report WHERE report <> ''", &[])?;
        self.execute("UPDATE audit SET detail = '{}' WHERE subject = $1", &[&bytes(&id.0)])?;
        self.execute("UPDATE course SET owner = ''::bytea WHERE owner = $1", &[&bytes(&id.0)])?;
        let sql = "UPDATE course_version SET author = ''::bytea WHERE author = $1";
        self.execute(sql, &[&bytes(&id.0)])?;
        self.execute("DELETE FROM account WHERE id = $1", &[&bytes(&id.0)])?;
        let sql = "INSERT INTO deleted_account (id, deleted_ms) VALUES ($1, $2) ON CONFLICT (tenant, id) DO NOTHING";
        self.execute(sql, &[&bytes(&id.0), &now_ms])?;
        Ok(())
    }
    fn consents(&self, id: UserId) -> Result<Vec<ConsentRow>> {
        let sql = "SELECT kind, version, given, given_by, recorded_by, at_ms FROM consent
            WHERE user_id = $1 ORDER BY number";
        let found = self.query(sql, &[&bytes(&id.0)])?;
        let consent = |row: &Row| {
            Ok::<_, StoreError>(ConsentRow {
                kind: get(row, 0)?,
                version: get(row, 1)?,
                given: get(row, 2)?,
                given_by: get(row, 3)?,
                recorded_by: user_id(row, 4)?,
                at_ms: get(row, 5)?,
            })
        };
        found.iter().map(consent).collect()
    }
    fn add_consent(&self, id: UserId, c: &ConsentRow) -> Result<()> {
        // The number follows the last one, which another transaction may be writing.
        self.lock(Lock::Accounts)?;
        self.execute(
            "INSERT INTO consent (user_id, number, kind, version, given, given_by, recorded_by, at_ms)
             SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7 FROM consent WHERE user_id = $1",
            &[
                &bytes(&id.0),
                &text(&c.kind),
                &text(&c.version),
                &c.given,
                &text(&c.given_by),
                &bytes(&c.recorded_by.0),
                &c.at_ms,
            ],
        )?;
        Ok(())
    }
    fn section_rows(&self, section: &Section, id: UserId) -> Result<Vec<SectionRow>> {
        let Section { table, condition, columns, .. } = section;
        let list = columns.join(", ");
        let sql = format!("SELECT {list} FROM {table} WHERE {condition} ORDER BY {list}");
        let found = self.query(&sql, &[&bytes(&id.0)])?;
        let object = |row: &Row| {
            let of = |(n, column): (usize, &&str)| Ok(((*column).to_owned(), json_of(row, n)?));
            columns.iter().enumerate().map(of).collect()
        };
        found.iter().map(object).collect()
    }
    fn count_personal(&self, id: UserId) -> Result<SectionCounts> {
        let mut counts = SectionCounts::new();
        for (name, table, condition) in personal::counted() {
            let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
            let count = self.count(&sql, &[&bytes(&id.0)])?;
            if count > 0 {
                counts.insert(name.to_owned(), count as u64);
            }
        }
        Ok(counts)
    }
    fn is_deleted(&self, id: UserId) -> Result<bool> {
        self.exists("SELECT 1 FROM deleted_account WHERE id = $1", &[&bytes(&id.0)])
    }
    fn deleted_accounts(&self) -> Result<Vec<(UserId, i64)>> {
        let rows = self.query("SELECT id, deleted_ms FROM deleted_account", &[])?;
        rows.iter().map(|row| Ok((user_id(row, 0)?, get(row, 1)?))).collect()
    }
    fn is_operator(&self, id: UserId) -> Result<bool> {
        let sql = "SELECT 1 FROM person WHERE user_id = $1 AND operator";
        self.exists(sql, &[&bytes(&id.0)])
    }
    fn set_operator(&self, id: UserId, is_operator: bool) -> Result<()> {
        self.lock(Lock::Accounts)?;
        let sql = "UPDATE person SET operator = $2 WHERE user_id = $1";
        self.execute(sql, &[&bytes(&id.0), &is_operator])?;
        Ok(())
    }
    fn put_person(&self, person: &Person) -> Result<()> {
        self.lock(Lock::Accounts)?;
        let filled =
            |value: &Option<String>| text(value.as_deref().unwrap_or_default()).into_owned();
        self.execute(
            "UPDATE account SET name = $2, role = $3 WHERE id = $1",
            &[&bytes(&person.id.0), &text(&person.name), &role_name(person.role)],
        )?;
        self.execute(
            "INSERT INTO person (user_id, source_id, given, family, lang, state, disabled, email, email_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (tenant, user_id) DO UPDATE SET source_id = excluded.source_id, given = excluded.given,
                 family = excluded.family, lang = excluded.lang, state = excluded.state, disabled = excluded.disabled,
                 email = excluded.email, email_key = excluded.email_key",
            &[
                &bytes(&person.id.0),
                &filled(&person.source_id),
                &filled(&person.given),
                &filled(&person.family),
                &filled(&person.lang),
                &state_name(person.state),
                &person.is_disabled,
                &filled(&person.email),
                &email_key(&filled(&person.email)),
            ],
        )?;
        Ok(())
    }
    fn set_login(&self, id: UserId, login: &str, keys: &LoginKeys) -> Result<()> {
        self.lock(Lock::Accounts)?;
        self.execute(
            "UPDATE account SET login = $2, login_key = $3, login_skeleton = $4 WHERE id = $1",
            &[&bytes(&id.0), &text(login), &text(&keys.key), &text(&keys.skeleton)],
        )?;
        Ok(())
    }
    fn class(&self, key: ClassKey<'_>) -> Result<Option<Class>> {
        self.lock(Lock::Accounts)?;
        let found = match key {
            ClassKey::Id(id) => {
                self.query_opt(&format!("{CLASS} WHERE id = $1"), &[&bytes(&id.0)])?
            }
            ClassKey::SourceId(id) => {
                let sql = format!("{CLASS} WHERE source_id = $1 AND source_id <> ''");
                self.query_opt(&sql, &[&text(id)])?
            }
        };
        found.as_ref().map(class).transpose()
    }
    fn classes_by_name_key(&self, key: &str) -> Result<Vec<Class>> {
        self.lock(Lock::Accounts)?;
        let sql = format!("{CLASS} WHERE name_key = $1 ORDER BY id");
        self.query(&sql, &[&text(key)])?.iter().map(class).collect()
    }
    fn classes(&self) -> Result<Vec<Class>> {
        self.query(&format!("{CLASS} ORDER BY id"), &[])?.iter().map(class).collect()
    }
    fn put_class(&self, class: &Class) -> Result<()> {
        self.lock(Lock::Accounts)?;
        let courses: Vec<&str> = class.courses.iter().map(Slug::as_str).collect();
        self.execute(
            "INSERT INTO class (id, source_id, name, name_key, courses, archived) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant, id) DO UPDATE SET source_id = excluded.source_id, name = excluded.name,
                 name_key = excluded.name_key, courses = excluded.courses, archived = excluded.archived",
            &[
                &bytes(&class.id.0),
                &text(class.source_id.as_deref().unwrap_or_default()),
                &text(&class.name),
                &text(&Class::name_key(&class.name)),
                &serde_json::json!(courses).to_string(),
                &(class.state == ClassState::Archived),
            ],
        )?;
        Ok(())
    }
    fn is_member(&self, m: Membership) -> Result<bool> {
        let sql = "SELECT 1 FROM membership WHERE class = $1 AND user_id = $2 AND role = $3";
        self.exists(sql, &[&bytes(&m.class.0), &bytes(&m.person.0), &member_role_text(m.role)])
    }
    fn add_membership(&self, m: Membership) -> Result<()> {
        self.lock(Lock::Accounts)?;
        let sql = "INSERT INTO membership (class, user_id, role) VALUES ($1, $2, $3)";
        self.execute(sql, &[&bytes(&m.class.0), &bytes(&m.person.0), &member_role_text(m.role)])?;
        Ok(())
    }
    fn end_membership(&self, m: Membership) -> Result<()> {
        self.lock(Lock::Accounts)?;
        let sql = "DELETE FROM membership WHERE class = $1 AND user_id = $2 AND role = $3";
        self.execute(sql, &[&bytes(&m.class.0), &bytes(&m.person.0), &member_role_text(m.role)])?;
        Ok(())
    }
    fn memberships_of(&self, person: UserId) -> Result<Vec<Membership>> {
        let sql =
            "SELECT class, user_id, role FROM membership WHERE user_id = $1 ORDER BY class, role";
        self.query(sql, &[&bytes(&person.0)])?.iter().map(membership).collect()
    }
    fn members(&self, class: ClassId) -> Result<Vec<Membership>> {
        let sql =
            "SELECT class, user_id, role FROM membership WHERE class = $1 ORDER BY user_id, role";
        self.query(sql, &[&bytes(&class.0)])?.iter().map(membership).collect()
    }
    fn insert_roster_import(&self, import: &RosterImportRow) -> Result<i64> {
        let sql =
            "INSERT INTO roster_import (actor, name, created_ms, undone_ms) VALUES ($1, $2, $3, $4)
            RETURNING id";
        let row = self.query_opt(
            sql,
            &[
                &optional_bytes(&import.actor),
                &text(&import.name),
                &import.created_ms,
                &import.undone_ms,
            ],
        )?;
        row.map_or(Ok(0), |row| get(&row, 0))
    }
    fn roster_import(&self, id: i64) -> Result<Option<RosterImportRow>> {
        let sql = format!("{IMPORT} WHERE id = $1{}", self.for_update());
        self.query_opt(&sql, &[&id])?.as_ref().map(import).transpose()
    }
    fn roster_imports(&self) -> Result<Vec<RosterImportRow>> {
        self.query(&format!("{IMPORT} ORDER BY id DESC"), &[])?.iter().map(import).collect()
    }
    fn set_roster_undone(&self, id: i64, now_ms: i64) -> Result<()> {
        let sql = "UPDATE roster_import SET undone_ms = $2 WHERE id = $1";
        self.execute(sql, &[&id, &now_ms])?;
        Ok(())
    }
    fn add_roster_change(&self, import: i64, number: u64, reverse: &str) -> Result<()> {
        let sql = "INSERT INTO roster_change (import, number, reverse) VALUES ($1, $2, $3)";
        self.execute(sql, &[&import, &(number as i64), &text(reverse)])?;
        Ok(())
    }
    fn roster_changes(&self, import: i64) -> Result<Vec<String>> {
        let sql = "SELECT reverse FROM roster_change WHERE import = $1 ORDER BY number DESC";
        self.query(sql, &[&import])?.iter().map(|row| get(row, 0)).collect()
    }
    fn delete_roster_changes(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        // Without a limit, LIMIT NULL returns all rows. Rows that another transaction deletes are skipped.
        let sql = "DELETE FROM roster_change WHERE (import, number) IN (
                SELECT c.import, c.number FROM roster_change c JOIN roster_import i ON i.id = c.import
                WHERE i.created_ms < $1 LIMIT $2 FOR UPDATE OF c SKIP LOCKED)";
        self.execute(sql, &[&before_ms, &limit.map(i64::from)])
    }
    fn put_roster_report(&self, id: Uuid, report: &str, started_ms: i64) -> Result<()> {
        self.execute(
            "INSERT INTO roster_report (id, started_ms, report) VALUES ($1, $2, $3)
             ON CONFLICT (tenant, id) DO UPDATE SET report = excluded.report",
            &[&bytes(&id), &started_ms, &text(report)],
        )?;
        Ok(())
    }
    fn roster_report(&self, id: Uuid) -> Result<Option<(String, i64)>> {
        let sql = "SELECT report, started_ms FROM roster_report WHERE id = $1";
        let row = self.query_opt(sql, &[&bytes(&id)])?;
        row.map(|row| Ok((get(&row, 0)?, get(&row, 1)?))).transpose()
    }
    fn delete_roster_reports(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        let sql = "DELETE FROM roster_report WHERE id IN (SELECT id FROM roster_report
            WHERE started_ms < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
        self.execute(sql, &[&before_ms, &limit.map(i64::from)])
    }
    fn add_audit(&self, row: &AuditRow) -> Result<()> {
        self.execute(
            "INSERT INTO audit (at_ms, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)",
            &[
                &row.at_ms,
                &optional_bytes(&row.actor),
                &text(&row.action),
                &optional_bytes(&row.subject),
                &text(&row.detail),
            ],
        )?;
        Ok(())
    }
    fn audit(&self, limit: u32) -> Result<Vec<AuditRow>> {
        let sql =
            "SELECT at_ms, actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT $1";
        let row = |row: &Row| {
            Ok(AuditRow {
                at_ms: get(row, 0)?,
                actor: optional_id(row, 1)?,
                action: get(row, 2)?,
                subject: optional_id(row, 3)?,
                detail: get(row, 4)?,
            })
        };
        self.query(sql, &[&i64::from(limit)])?.iter().map(row).collect()
    }
}
