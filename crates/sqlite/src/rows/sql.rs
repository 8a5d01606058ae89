//! Generates SQL from a table description.
//!
//! Not here: binding and reading of values (`bind`).

use std::{fmt::Write as _, sync::LazyLock};

use super::{
    Scope,
    spec::{Column, EXTRA, Kind, SPECS, TableSpec, USER, USN},
};

/// The statements of one table in one scope. In the server's scope `?1` is the user, and in the upsert `?2` is the
/// change number.
pub(super) struct Statements {
    /// Server only. Binds all columns. Writes nothing if the key exists.
    pub(super) insert: String,
    /// Binds all columns. On the server, returns a row if anything was written: whether the stored row equals the bound
    /// one, and its size.
    pub(super) upsert: String,
    /// Binds the keys.
    pub(super) get: String,
    /// Binds the keys. Returns the row's size and the hash of its immutable part (empty if it has none).
    pub(super) size_and_hash: String,
    pub(super) all: String,
    pub(super) keys: String,
    /// Server only. Rows with `?2 < usn <= ?3`, in order; the change number is the last column.
    pub(super) page: String,
    /// `SELECT columns FROM table`, to which callers append clauses.
    pub(super) select: String,
}

static STATEMENTS: LazyLock<Vec<[Statements; 2]>> = LazyLock::new(|| {
    SPECS.iter().map(|s| [statements(s, Scope::Client), statements(s, Scope::Server)]).collect()
});

/// Server only. The next `?3` changes of user `?1` after `?2`: (index of the table in `SPECS`, usn), ordered by usn.
pub(super) static CHANGED: LazyLock<String> = LazyLock::new(|| {
    let arms = SPECS.iter().enumerate().map(|(i, s)| {
        format!("SELECT {i} AS row_type, usn FROM {} WHERE user_id = ?1 AND usn > ?2", s.table)
    });
    format!("{} ORDER BY usn LIMIT ?3", arms.collect::<Vec<_>>().join(" UNION ALL "))
});

pub(super) fn of(spec: &TableSpec, scope: Scope) -> &'static Statements {
    &STATEMENTS[spec.row_type as usize][scope as usize]
}

/// Returns the tables as created by the first migration of the client or the server.
pub fn schema(scope: Scope) -> String {
    let mut ddl = String::new();
    for spec in &SPECS {
        let _ = writeln!(ddl, "CREATE TABLE {} (", spec.table);
        if scope == Scope::Server {
            let _ = writeln!(ddl, "    {} {} NOT NULL,", USER.name, USER.kind.sql());
        }
        for c in spec.columns() {
            let default = if c == EXTRA { " DEFAULT ''" } else { "" };
            let _ = writeln!(ddl, "    {} {} NOT NULL{default},", c.name, c.kind.sql());
        }
        if scope == Scope::Server {
            let _ = writeln!(ddl, "    {} {} NOT NULL,", USN.name, USN.kind.sql());
        }
        let _ =
            writeln!(ddl, "    PRIMARY KEY ({})\n) STRICT, WITHOUT ROWID;", key_list(spec, scope));
        if scope == Scope::Server {
            let _ = writeln!(ddl, "CREATE UNIQUE INDEX {0}_usn ON {0} (user_id, usn);", spec.table);
        }
        ddl.push('\n');
    }
    ddl.truncate(ddl.trim_end().len());
    ddl.push('\n');
    ddl
}

fn statements(spec: &TableSpec, scope: Scope) -> Statements {
    let table = spec.table;
    let columns = names(spec.columns());
    let (by_user, first) = match scope {
        Scope::Client => ("", 1),
        Scope::Server => ("user_id = ?1", 2),
    };
    let mut by_key: Vec<String> =
        if by_user.is_empty() { vec![] } else { vec![by_user.to_owned()] };
    by_key.extend(spec.keys.iter().zip(first..).map(|(c, i)| format!("{} = ?{i}", c.name)));
    let by_key = by_key.join(" AND ");
    let where_user = if by_user.is_empty() { String::new() } else { format!(" WHERE {by_user}") };
    Statements {
        insert: format!("{} DO NOTHING", insert(spec, scope)),
        upsert: upsert(spec, scope),
        get: format!("SELECT {columns} FROM {table} WHERE {by_key}"),
        size_and_hash: {
            let payload = if spec.has_payload() { "payload_hash" } else { "x''" };
            format!("SELECT {}, {payload} FROM {table} WHERE {by_key}", size(spec))
        },
        all: format!(
            "SELECT {columns} FROM {table}{where_user} ORDER BY {}",
            names(spec.keys.iter().copied())
        ),
        keys: format!(
            "SELECT {0} FROM {table}{where_user} ORDER BY {0}",
            names(spec.keys.iter().copied())
        ),
        page: format!(
            "SELECT {columns}, usn FROM {table} WHERE user_id = ?1 AND usn > ?2 AND usn <= ?3 ORDER BY usn"
        ),
        select: format!("SELECT {columns} FROM {table} "),
    }
}

/// Returns the SQL expression for the size of a row as counted in a quota: the bytes of its texts and blobs, and 8 for
/// each number. `Binder` computes the same size.
pub fn size(spec: &TableSpec) -> String {
    let of = |c: Column| match c.kind {
        Kind::Int => "8".to_owned(),
        _ => format!("octet_length({})", c.name),
    };
    spec.columns().map(of).collect::<Vec<_>>().join(" + ")
}

/// Returns the `INSERT ... ON CONFLICT DO UPDATE` that computes the join. It writes nothing if the join changes
/// nothing, so that a replay does not consume a change number.
fn upsert(spec: &TableSpec, scope: Scope) -> String {
    let t = spec.table;
    let mut set = Vec::new();
    let mut grows = Vec::new();
    let greatest = spec.registers.iter().map(|columns| (columns, '>'));
    for (register, sign) in greatest.chain(spec.least.iter().map(|columns| (columns, '<'))) {
        let tuple = |of: &str| {
            let names: Vec<String> = register.iter().map(|c| format!("{of}.{}", c.name)).collect();
            format!("({})", names.join(", "))
        };
        let wins = format!("{} {sign} {}", tuple("excluded"), tuple(t));
        for c in *register {
            set.push(format!("{0} = CASE WHEN {wins} THEN excluded.{0} ELSE {t}.{0} END", c.name));
        }
        grows.push(wins);
    }
    for (columns, function, sign) in [(spec.maxima, "max", '>'), (spec.minima, "min", '<')] {
        for c in columns {
            set.push(format!("{0} = {function}(excluded.{0}, {t}.{0})", c.name));
            grows.push(format!("excluded.{0} {sign} {t}.{0}", c.name));
        }
    }
    // The function is called only for rows with unknown fields.
    let joined = format!("carrel_join_extra({t}.extra, excluded.extra)");
    set.push(format!(
        "extra = CASE WHEN excluded.extra IN ('', {t}.extra) THEN {t}.extra ELSE {joined} END"
    ));
    grows.push(format!("(excluded.extra NOT IN ('', {t}.extra) AND {joined} <> {t}.extra)"));
    if scope == Scope::Server {
        set.push("usn = excluded.usn".into());
    }
    let returning = match scope {
        Scope::Client => String::new(),
        Scope::Server => {
            let sent: Vec<String> = bound(spec, scope)
                .skip(2 + spec.keys.len())
                .map(|(c, place)| format!("{} = {place}", c.name))
                .collect();
            format!(" RETURNING {}, {}", sent.join(" AND "), size(spec))
        }
    };
    format!(
        "{} DO UPDATE SET {} WHERE {}{returning}",
        insert(spec, scope),
        set.join(", "),
        grows.join(" OR "),
    )
}

/// Returns the statement up to its `ON CONFLICT` clause.
fn insert(spec: &TableSpec, scope: Scope) -> String {
    let places: Vec<String> = bound(spec, scope).map(|(_, place)| place).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({})",
        spec.table,
        names(bound(spec, scope).map(|(c, _)| c)),
        places.join(", "),
        key_list(spec, scope),
    )
}

/// Returns all columns in the order in which they are bound, with their placeholders.
fn bound(spec: &TableSpec, scope: Scope) -> impl Iterator<Item = (Column, String)> {
    let own = if scope == Scope::Server { &[USER, USN][..] } else { &[] };
    own.iter().copied().chain(spec.columns()).zip(1..).map(|(c, i)| (c, format!("?{i}")))
}

fn key_list(spec: &TableSpec, scope: Scope) -> String {
    let user = (scope == Scope::Server).then_some(USER);
    names(user.into_iter().chain(spec.keys.iter().copied()))
}

fn names(columns: impl Iterator<Item = Column>) -> String {
    columns.map(|c| c.name).collect::<Vec<_>>().join(", ")
}
