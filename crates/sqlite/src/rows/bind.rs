//! Converts between a `Row` and the columns of its table, in the order of `TableSpec::columns`. The columns are those of
//! a statement and of a result of SQLite, or of another database (`ColumnSink`, `ColumnSource`).
//!
//! Not here: the SQL (`sql`).

use std::collections::BTreeMap;

use carrel_model::{
    AttemptId, BlobHash, CardKey, DeviceId, EventId, Hlc, ItemId, RevisionId, SessionId, Slug,
    lattice::{
        Answer, Attempt, Decision, DecisionStatus, Extra, Grade, ItemKind, Kv, NoteLife,
        NoteRevision, Position, Progress, Review, ReviewKind, ReviewVoid, Row, RowKey, RowType,
        Session,
    },
};
use rusqlite::{Statement, types::ValueRef};
use uuid::Uuid;

use super::spec::{ABSENT, Kind, NEVER, TableSpec};
use crate::{Error, Result};

/// The default parameter set in the column `params`, where an empty text is none.
const DEFAULT_PARAMS: &str = "-";

/// Value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Int(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl Value<'_> {
    /// Returns what the value is, for messages, which must not contain values.
    fn kind(self) -> &'static str {
        match self {
            Self::Int(_) => "a number",
            Self::Text(_) => "a text",
            Self::Blob(_) => "bytes",
        }
    }
}

/// Receives the columns of a row in order.
pub trait ColumnSink {
    fn push(&mut self, value: Value<'_>) -> Result<()>;
}

/// The columns of a stored row.
pub trait ColumnSource {
    /// Returns the column with this index, from 0. The error describes a value of another type.
    fn column(&self, index: usize) -> Result<Value<'_>, String>;
}

impl ColumnSource for rusqlite::Row<'_> {
    fn column(&self, index: usize) -> Result<Value<'_>, String> {
        match self.get_ref(index).map_err(|e| e.to_string())? {
            ValueRef::Integer(n) => Ok(Value::Int(n)),
            ValueRef::Text(text) => {
                std::str::from_utf8(text).map(Value::Text).map_err(|e| e.to_string())
            }
            ValueRef::Blob(bytes) => Ok(Value::Blob(bytes)),
            other => Err(format!("{} is not stored", other.data_type())),
        }
    }
}

/// The parameters of a statement, bound in order.
pub(super) struct Parameters<'a, 'c> {
    stmt: &'a mut Statement<'c>,
    next: usize,
}

impl ColumnSink for Parameters<'_, '_> {
    fn push(&mut self, value: Value<'_>) -> Result<()> {
        match value {
            Value::Int(n) => self.stmt.raw_bind_parameter(self.next, n)?,
            Value::Text(s) => self.stmt.raw_bind_parameter(self.next, s)?,
            Value::Blob(b) => self.stmt.raw_bind_parameter(self.next, b)?,
        }
        self.next += 1;
        Ok(())
    }
}

impl<S: ColumnSink> ColumnSink for &mut S {
    fn push(&mut self, value: Value<'_>) -> Result<()> {
        (**self).push(value)
    }
}

/// Passes all columns of a row to `sink`. Returns the size of the row (see `size`).
pub fn write(row: &Row, sink: &mut impl ColumnSink) -> Result<usize> {
    Binder { sink, bytes: 0 }.row(row)
}

/// Passes the key columns to `sink`. Returns `BadKey` if the text is not a key of that kind.
pub fn write_key(key: &RowKey, sink: &mut impl ColumnSink) -> Result<()> {
    Binder { sink, bytes: 0 }.key(key)
}

/// Binds values in order.
pub(super) struct Binder<S> {
    sink: S,
    /// Size of the bound values, computed as in `sql::size`.
    bytes: usize,
}

impl<'a, 'c> Binder<Parameters<'a, 'c>> {
    pub(super) fn new(stmt: &'a mut Statement<'c>) -> Self {
        Self { sink: Parameters { stmt, next: 1 }, bytes: 0 }
    }
}

impl<S: ColumnSink> Binder<S> {
    pub(super) fn int(&mut self, n: i64) -> Result<&mut Self> {
        self.sink.push(Value::Int(n))?;
        self.bytes += 8;
        Ok(self)
    }
    fn option(&mut self, n: Option<impl Into<i64>>) -> Result<&mut Self> {
        self.int(n.map_or(ABSENT, Into::into))
    }
    fn text(&mut self, s: &str) -> Result<&mut Self> {
        self.sink.push(Value::Text(s))?;
        self.bytes += s.len();
        Ok(self)
    }
    fn blob(&mut self, b: &[u8]) -> Result<&mut Self> {
        self.sink.push(Value::Blob(b))?;
        self.bytes += b.len();
        Ok(self)
    }
    pub(super) fn uuid(&mut self, id: Uuid) -> Result<&mut Self> {
        self.blob(id.as_bytes())
    }

    /// Binds the key columns from the key's text.
    pub(super) fn key(&mut self, key: &RowKey) -> Result<()> {
        let bad = || Error::BadKey(key.clone());
        let spec = TableSpec::of(key.row_type);
        let parts: Vec<&str> = match key.parts() {
            (first, Some(second)) if spec.keys.len() == 2 => vec![first, second],
            _ if spec.keys.len() == 1 => vec![&key.key],
            _ => return Err(bad()),
        };
        for (column, part) in spec.keys.iter().zip(parts) {
            match column.kind {
                Kind::Uuid => self.uuid(part.parse().map_err(|_| bad())?)?,
                _ => self.text(part)?,
            };
        }
        Ok(())
    }

    /// Binds all columns. Returns the size of the row.
    pub(super) fn row(&mut self, row: &Row) -> Result<usize> {
        self.bytes = 0;
        let extra = match row {
            Row::Progress(r) => {
                self.text(r.kind.as_str())?
                    .text(r.item.as_str())?
                    .int(r.generation.into())?
                    .int(r.percent.into())?;
                match &r.pos {
                    Some(p) => self.int(p.hlc.raw())?.uuid(p.device.0)?.text(&p.at)?,
                    None => self.int(0)?.blob(b"")?.text("")?,
                };
                self.int(r.done_ms.unwrap_or(NEVER))?;
                &r.extra
            }
            Row::Session(r) => {
                self.uuid(r.id.0)?.blob(&r.payload_hash().0)?;
                self.text(r.item.as_str())?
                    .uuid(r.device.0)?
                    .int(r.started_ms)?
                    .text(&r.day)?
                    .option(r.off_min)?
                    .int(r.active_ms)?;
                &r.extra
            }
            Row::Attempt(r) => {
                self.uuid(r.id.0)?.blob(&r.payload_hash().0)?;
                self.text(r.quiz.as_str())?.blob(&r.quiz_hash.0)?.int(r.started_ms)?;
                self.option(r.day)?.option(r.off_min)?;
                self.int(r.submitted_ms.unwrap_or(NEVER))?.text(&r.answers_text())?;
                &r.extra
            }
            Row::Answer(r) => {
                self.uuid(r.attempt.0)?
                    .text(r.question.as_str())?
                    .int(r.seq.into())?
                    .text(&r.value)?;
                &r.extra
            }
            Row::Grade(r) => {
                self.uuid(r.attempt.0)?
                    .int(r.rev.into())?
                    .int(r.points)?
                    .int(r.max_points)?
                    .int(r.graded_ms)?;
                &r.extra
            }
            Row::Review(r) => {
                self.uuid(r.id.0)?.blob(&r.payload_hash().0)?;
                self.text(r.word.as_str())?
                    .int(r.rating.into())?
                    .int(r.at_ms)?
                    .int(r.duration_ms)?
                    .option(r.day)?
                    .option(r.off_min)?
                    .text(r.kind.map_or("", ReviewKind::as_str))?
                    .text(r.card.as_ref().map_or("", CardKey::as_str))?
                    .text(match r.params.as_deref() {
                        None => "",
                        Some("") => DEFAULT_PARAMS,
                        Some(id) => id,
                    })?;
                &r.extra
            }
            Row::ReviewVoid(r) => {
                self.uuid(r.id.0)?;
                &r.extra
            }
            Row::Kv(r) => {
                self.text(&r.ns)?
                    .text(&r.key)?
                    .int(r.hlc.raw())?
                    .uuid(r.device.0)?
                    .text(&r.value)?;
                &r.extra
            }
            Row::Decision(r) => {
                self.text(r.course.as_str())?
                    .int(r.rev.into())?
                    .text(r.status.as_str())?
                    .text(&r.reason)?;
                &r.extra
            }
            Row::NoteRevision(r) => {
                self.uuid(r.rev.0)?.blob(&r.payload_hash().0)?;
                self.uuid(r.note.0)?.text(&r.base_text())?.int(r.hlc.raw())?;
                self.text(r.item.as_str())?.text(&r.body)?.text(&r.anchor)?;
                &r.extra
            }
            Row::NoteLife(r) => {
                self.uuid(r.note.0)?.int(r.deleted.raw())?;
                &r.extra
            }
        };
        self.text(&extra.to_text())?;
        Ok(self.bytes)
    }
}

/// Returns the hash of the immutable part (payload), for kinds that have one.
pub fn payload_hash(row: &Row) -> Option<BlobHash> {
    match row {
        Row::Session(r) => Some(r.payload_hash()),
        Row::Attempt(r) => Some(r.payload_hash()),
        Row::Review(r) => Some(r.payload_hash()),
        Row::NoteRevision(r) => Some(r.payload_hash()),
        _ => None,
    }
}

/// Reads values in order.
struct ColumnReader<'a, S: ?Sized> {
    row: &'a S,
    spec: &'static TableSpec,
    next: usize,
}

impl<'a, S: ColumnSource + ?Sized> ColumnReader<'a, S> {
    fn bad(&self, problem: impl ToString) -> Error {
        let at = self.next.saturating_sub(1);
        let column = self.spec.columns().nth(at).map_or("?", |c| c.name);
        Error::BadRow { table: self.spec.table, column, problem: problem.to_string() }
    }
    fn next_text(&mut self) -> Result<&'a str> {
        self.next += 1;
        match self.row.column(self.next - 1) {
            Ok(Value::Text(text)) => Ok(text),
            Ok(other) => Err(self.bad(format_args!("{} instead of a text", other.kind()))),
            Err(e) => Err(self.bad(e)),
        }
    }
    fn next_blob(&mut self) -> Result<&'a [u8]> {
        self.next += 1;
        match self.row.column(self.next - 1) {
            Ok(Value::Blob(bytes)) => Ok(bytes),
            Ok(other) => Err(self.bad(format_args!("{} instead of bytes", other.kind()))),
            Err(e) => Err(self.bad(e)),
        }
    }
    fn int(&mut self) -> Result<i64> {
        self.next += 1;
        match self.row.column(self.next - 1) {
            Ok(Value::Int(n)) => Ok(n),
            Ok(other) => Err(self.bad(format_args!("{} instead of a number", other.kind()))),
            Err(e) => Err(self.bad(e)),
        }
    }
    fn small<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let n = self.int()?;
        T::try_from(n).map_err(|_| self.bad(format_args!("{n} is out of range")))
    }
    fn option<T: TryFrom<i64>>(&mut self) -> Result<Option<T>> {
        let n = self.int()?;
        if n == ABSENT {
            return Ok(None);
        }
        self.next -= 1;
        self.small().map(Some)
    }
    fn hlc(&mut self) -> Result<Hlc> {
        let n = self.int()?;
        Hlc::from_raw(n).ok_or_else(|| self.bad(format_args!("{n} is not a stamp")))
    }
    /// Reads a minimum; `NEVER` is read as `None`.
    fn time(&mut self) -> Result<Option<i64>> {
        Ok(Some(self.int()?).filter(|ms| *ms != NEVER))
    }
    fn text(&mut self) -> Result<String> {
        self.next_text().map(str::to_owned)
    }
    fn parsed<T: std::str::FromStr<Err: ToString>>(&mut self) -> Result<T> {
        let value = self.next_text()?.parse::<T>().map_err(|e| e.to_string());
        value.map_err(|e| self.bad(e))
    }
    fn parsed_with<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        let text = self.text()?;
        parse(&text).ok_or_else(|| self.bad(format_args!("unknown value {text:?}")))
    }
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.next_blob()?;
        let value = bytes.try_into().map_err(|_| format!("{} bytes instead of {N}", bytes.len()));
        value.map_err(|e| self.bad(e))
    }
    fn uuid(&mut self) -> Result<Uuid> {
        Ok(Uuid::from_bytes(self.bytes()?))
    }
    fn maybe_uuid(&mut self) -> Result<Option<Uuid>> {
        if self.next_blob()?.is_empty() {
            return Ok(None);
        }
        self.next -= 1;
        self.uuid().map(Some)
    }
    fn hash(&mut self) -> Result<BlobHash> {
        Ok(BlobHash(self.bytes()?))
    }
    /// Skips the payload hash, which only the join uses.
    fn skip(&mut self) {
        self.next += 1;
    }
    fn answers(&mut self) -> Result<Option<BTreeMap<Slug, String>>> {
        let parsed = match self.next_text()? {
            "" => Ok(None),
            text => serde_json::from_str(text).map(Some).map_err(|e| e.to_string()),
        };
        parsed.map_err(|e| self.bad(e))
    }
    fn extra(&mut self) -> Result<Extra> {
        self.next_text().map(Extra::from_text)
    }
}

/// Reads the columns of `TableSpec::columns` (from the first) as a row. Returns `BadRow` for a value that this code
/// never writes.
pub fn read(row_type: RowType, row: &(impl ColumnSource + ?Sized)) -> Result<Row> {
    let mut c = ColumnReader { row, spec: TableSpec::of(row_type), next: 0 };
    Ok(match row_type {
        RowType::Progress => {
            let kind = c.parsed_with(|t| {
                [ItemKind::Section, ItemKind::Story, ItemKind::Media]
                    .into_iter()
                    .find(|k| k.as_str() == t)
            })?;
            let (item, generation, percent) = (c.parsed::<ItemId>()?, c.small()?, c.small()?);
            let (hlc, device, at) = (c.hlc()?, c.maybe_uuid()?, c.text()?);
            let pos = device.map(|d| Position { hlc, device: DeviceId(d), at });
            Row::Progress(Progress {
                kind,
                item,
                generation,
                percent,
                done_ms: c.time()?,
                pos,
                extra: c.extra()?,
            })
        }
        RowType::Session => {
            let id = SessionId(c.uuid()?);
            c.skip();
            let (item, device, started_ms) = (c.parsed()?, DeviceId(c.uuid()?), c.int()?);
            Row::Session(Session {
                id,
                item,
                device,
                started_ms,
                day: c.text()?,
                off_min: c.option()?,
                active_ms: c.int()?,
                extra: c.extra()?,
            })
        }
        RowType::Attempt => {
            let id = AttemptId(c.uuid()?);
            c.skip();
            let (quiz, quiz_hash, started_ms) = (c.parsed()?, c.hash()?, c.int()?);
            Row::Attempt(Attempt {
                id,
                quiz,
                quiz_hash,
                started_ms,
                day: c.option()?,
                off_min: c.option()?,
                submitted_ms: c.time()?,
                answers: c.answers()?,
                extra: c.extra()?,
            })
        }
        RowType::Answer => {
            let (attempt, question) = (AttemptId(c.uuid()?), c.parsed::<Slug>()?);
            Row::Answer(Answer {
                attempt,
                question,
                seq: c.small()?,
                value: c.text()?,
                extra: c.extra()?,
            })
        }
        RowType::Grade => {
            let (attempt, rev, points) = (AttemptId(c.uuid()?), c.small()?, c.int()?);
            Row::Grade(Grade {
                attempt,
                rev,
                points,
                max_points: c.int()?,
                graded_ms: c.int()?,
                extra: c.extra()?,
            })
        }
        RowType::Review => {
            let id = EventId(c.uuid()?);
            c.skip();
            let (word, rating, at_ms) = (c.parsed()?, c.small()?, c.int()?);
            Row::Review(Review {
                id,
                word,
                rating,
                at_ms,
                duration_ms: c.int()?,
                day: c.option()?,
                off_min: c.option()?,
                kind: match c.text()?.as_str() {
                    "" => None,
                    text => Some(ReviewKind::parse(text).ok_or_else(|| c.bad("unknown kind"))?),
                },
                card: match c.text()? {
                    text if text.is_empty() => None,
                    text => Some(CardKey::new(text).map_err(|e| c.bad(e))?),
                },
                params: match c.text()? {
                    text if text.is_empty() => None,
                    text if text == DEFAULT_PARAMS => Some(String::new()),
                    text => Some(text),
                },
                extra: c.extra()?,
            })
        }
        RowType::ReviewVoid => {
            Row::ReviewVoid(ReviewVoid { id: EventId(c.uuid()?), extra: c.extra()? })
        }
        RowType::Kv => {
            let (ns, key, hlc, device) = (c.text()?, c.text()?, c.hlc()?, DeviceId(c.uuid()?));
            Row::Kv(Kv { ns, key, hlc, device, value: c.text()?, extra: c.extra()? })
        }
        RowType::Decision => {
            use DecisionStatus::{Active, Pending, Refused};
            let (course, rev) = (c.parsed()?, c.small()?);
            let status = c.parsed_with(|t| {
                [Pending, Active, Refused].into_iter().find(|s| s.as_str() == t)
            })?;
            Row::Decision(Decision { course, rev, status, reason: c.text()?, extra: c.extra()? })
        }
        RowType::NoteRevision => {
            let rev = RevisionId(c.uuid()?);
            c.skip();
            let note = RevisionId(c.uuid()?);
            let base = c.text()?;
            let base: Result<Vec<_>, _> = base.split_ascii_whitespace().map(str::parse).collect();
            let base = base.map_err(|e| c.bad(e))?;
            let (hlc, item, body) = (c.hlc()?, c.parsed()?, c.text()?);
            Row::NoteRevision(NoteRevision {
                rev,
                note,
                base,
                hlc,
                item,
                body,
                anchor: c.text()?,
                extra: c.extra()?,
            })
        }
        RowType::NoteLife => Row::NoteLife(NoteLife {
            note: RevisionId(c.uuid()?),
            deleted: c.hlc()?,
            extra: c.extra()?,
        }),
    })
}

/// Reads the key columns (from the first) as a key.
pub fn read_key(row_type: RowType, row: &(impl ColumnSource + ?Sized)) -> Result<RowKey> {
    let spec = TableSpec::of(row_type);
    let mut c = ColumnReader { row, spec, next: 0 };
    let mut parts = Vec::with_capacity(2);
    for column in spec.keys {
        parts.push(match column.kind {
            Kind::Uuid => c.uuid()?.to_string(),
            _ => c.text()?,
        });
    }
    Ok(RowKey::of(row_type, &parts))
}
