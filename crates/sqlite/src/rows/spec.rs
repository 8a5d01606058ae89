//! Descriptions of the tables, one for each kind of row. The schema and all statements are generated from them.
//!
//! A row is a key and a product of parts: registers (lexicographic maximum of a tuple of columns), maxima, minima,
//! least tuples (lexicographic minimum), and the fields of newer versions (`extra`). SQL compares tuples (integers,
//! bytes, text by its UTF-8 bytes) in the same order as Rust.
//!
//! Not here: the SQL itself (`sql`).

use carrel_model::lattice::RowType;

/// Storage type of a value. All columns are NOT NULL, because a comparison with NULL in SQL is neither true nor false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int,
    /// Compared by bytes.
    Text,
    /// 16 bytes.
    Uuid,
    /// 32 bytes.
    Hash,
    /// 16 bytes, or none for `None`. Like `None`, the empty value is less than any other.
    MaybeUuid,
}
impl Kind {
    pub fn sql(self) -> &'static str {
        match self {
            Self::Int => "INTEGER",
            Self::Text => "TEXT",
            Self::Uuid | Self::Hash | Self::MaybeUuid => "BLOB",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
}

/// Description of one kind of row. Columns are bound and read in the order of `columns()`.
#[derive(Debug, Clone, Copy)]
pub struct TableSpec {
    pub row_type: RowType,
    pub table: &'static str,
    pub keys: &'static [Column],
    /// Each is the lexicographic maximum of its columns. The immutable part of a row is a register that begins with
    /// `payload_hash`.
    pub registers: &'static [&'static [Column]],
    pub maxima: &'static [Column],
    /// Earliest times; `NEVER` for none.
    pub minima: &'static [Column],
    /// Each is the lexicographic minimum of its columns. The first column is a time, `NEVER` for none.
    pub least: &'static [&'static [Column]],
}

/// The value for "not yet" in a column that stores a minimum.
pub const NEVER: i64 = i64::MAX;
/// The value for an absent number in a column of a payload: less than all numbers there, which have 32 bits.
pub const ABSENT: i64 = -(1 << 32);

pub(super) const EXTRA: Column = text("extra");
pub(super) const USER: Column = uuid("user_id");
pub(super) const USN: Column = int("usn");
const PAYLOAD_HASH: &str = "payload_hash";

impl TableSpec {
    /// Returns all columns except `user_id` and `usn`: keys, registers, maxima, minima, least tuples, extra.
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        let registers = self.registers.iter().copied().flatten();
        self.keys
            .iter()
            .chain(registers)
            .chain(self.maxima)
            .chain(self.minima)
            .chain(self.least.iter().copied().flatten())
            .copied()
            .chain([EXTRA])
    }
    /// Returns true if the row has an immutable part, which is identified by its hash.
    pub fn has_payload(&self) -> bool {
        self.registers.first().is_some_and(|r| r[0].name == PAYLOAD_HASH)
    }
    pub fn of(row_type: RowType) -> &'static Self {
        &SPECS[row_type as usize]
    }
}

const fn int(name: &'static str) -> Column {
    Column { name, kind: Kind::Int }
}
const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}
const fn uuid(name: &'static str) -> Column {
    Column { name, kind: Kind::Uuid }
}
const fn hash(name: &'static str) -> Column {
    Column { name, kind: Kind::Hash }
}
const fn maybe_uuid(name: &'static str) -> Column {
    Column { name, kind: Kind::MaybeUuid }
}

const NONE: TableSpec = TableSpec {
    row_type: RowType::Progress,
    table: "",
    keys: &[],
    registers: &[],
    maxima: &[],
    minima: &[],
    least: &[],
};

/// One description for each of `RowType::ALL`, in that order.
pub static SPECS: [TableSpec; 11] = [
    TableSpec {
        row_type: RowType::Progress,
        table: "progress",
        keys: &[text("kind"), text("item")],
        registers: &[
            &[int("generation"), int("percent")],
            // No position is stored as (0, no bytes, ''), which is less than any position.
            &[int("pos_hlc"), maybe_uuid("pos_device"), text("pos_at")],
        ],
        minima: &[int("done_ms")],
        ..NONE
    },
    TableSpec {
        row_type: RowType::Session,
        table: "study_session",
        keys: &[uuid("id")],
        registers: &[&[
            hash(PAYLOAD_HASH),
            text("item"),
            uuid("device"),
            int("started_ms"),
            text("day"),
            int("off_min"),
        ]],
        maxima: &[int("active_ms")],
        ..NONE
    },
    TableSpec {
        row_type: RowType::Attempt,
        table: "attempt",
        keys: &[uuid("id")],
        registers: &[&[
            hash(PAYLOAD_HASH),
            text("quiz"),
            hash("quiz_hash"),
            int("started_ms"),
            int("day"),
            int("off_min"),
        ]],
        // The submitted answers; '' for none.
        least: &[&[int("submitted_ms"), text("answers")]],
        ..NONE
    },
    TableSpec {
        row_type: RowType::Answer,
        table: "answer",
        keys: &[uuid("attempt"), text("question")],
        registers: &[&[int("seq"), text("value")]],
        ..NONE
    },
    TableSpec {
        row_type: RowType::Grade,
        table: "grade",
        keys: &[uuid("attempt")],
        registers: &[&[int("rev"), int("points"), int("max_points"), int("graded_ms")]],
        ..NONE
    },
    TableSpec {
        row_type: RowType::Review,
        table: "review",
        keys: &[uuid("id")],
        registers: &[&[
            hash(PAYLOAD_HASH),
            text("word"),
            int("rating"),
            int("at_ms"),
            int("duration_ms"),
            int("day"),
            int("off_min"),
            // '' for none.
            text("kind"),
            text("card"),
            // '' for none, '-' for the default set.
            text("params"),
        ]],
        ..NONE
    },
    TableSpec { row_type: RowType::ReviewVoid, table: "review_void", keys: &[uuid("id")], ..NONE },
    TableSpec {
        row_type: RowType::Kv,
        table: "kv",
        keys: &[text("ns"), text("key")],
        registers: &[&[int("hlc"), uuid("device"), text("value")]],
        ..NONE
    },
    TableSpec {
        row_type: RowType::Decision,
        table: "decision",
        keys: &[text("course")],
        registers: &[&[int("rev"), text("status"), text("reason")]],
        ..NONE
    },
    TableSpec {
        row_type: RowType::NoteRevision,
        table: "note_revision",
        keys: &[uuid("rev")],
        registers: &[&[
            hash(PAYLOAD_HASH),
            uuid("note"),
            text("base"),
            int("hlc"),
            text("item"),
            text("body"),
            text("anchor"),
        ]],
        ..NONE
    },
    TableSpec {
        row_type: RowType::NoteLife,
        table: "note_life",
        keys: &[uuid("note")],
        maxima: &[int("deleted")],
        ..NONE
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spec_for_each_row_type_in_order() {
        let types: Vec<RowType> = SPECS.iter().map(|s| s.row_type).collect();
        assert_eq!(types, RowType::ALL);
    }
}
