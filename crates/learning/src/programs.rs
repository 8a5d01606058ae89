//! Programs in sections that printed what their exercise asks for. Each is a register that is only ever set, so a program
//! that was right once stays so, also if another one was run on another device before the sync.
//!
//! Not here: which programs a section has (`SectionBody::programs`), running them (the UI).

use std::collections::BTreeSet;

use carrel_model::{
    ItemId,
    lattice::{
        EXERCISE_SEPARATOR as SEPARATOR, ItemKind, Kv, PROGRAM, Progress, Row, RowKey, RowType,
    },
};
use rusqlite::Connection;

use crate::{Learning, Result, store::checked};

impl Learning {
    /// Returns the ids of the programs of a section that were right.
    pub async fn passed_programs(&self, section: &ItemId) -> Result<BTreeSet<String>> {
        let section = section.clone();
        self.store.read(move |conn| passed(conn, &section)).await
    }

    /// Stores that a program was right. If `needed` is not empty and all of these were right now, the section is
    /// finished, too. Returns true if this call finished the section.
    pub async fn pass_program(
        &self,
        section: &ItemId,
        program: &str,
        needed: &[String],
    ) -> Result<bool> {
        let (section, program, needed) = (section.clone(), program.to_owned(), needed.to_vec());
        self.store
            .write("pass_program", move |tx| {
                let mut passed = passed(tx.conn(), &section)?;
                if passed.insert(program.clone()) {
                    let key = format!("{section}{SEPARATOR}{program}");
                    tx.set_register(PROGRAM, &key, &true.into())?;
                }
                if needed.is_empty() || !needed.iter().all(|id| passed.contains(id)) {
                    return Ok(false);
                }
                let kind = ItemKind::Section;
                let key = RowKey::of(RowType::Progress, &[kind.as_str(), section.as_str()]);
                let mut row = Progress::none(kind, section.clone());
                if let Some(Row::Progress(now)) = tx.get(&key)? {
                    if now.done_ms.is_some() {
                        return Ok(false);
                    }
                    row.generation = now.generation;
                }
                (row.done_ms, row.percent) = (Some(tx.now_ms()), 10_000);
                tx.join(row)?;
                Ok(true)
            })
            .await
    }
}

fn passed(conn: &Connection, section: &ItemId) -> Result<BTreeSet<String>> {
    let prefix = format!("{section}{SEPARATOR}");
    // The keys with the prefix: those from it up to the same text with the next character at its end.
    let end = format!("{section}{}", char::from(SEPARATOR as u8 + 1));
    let clause = "WHERE ns = ?1 AND key >= ?2 AND key < ?3 ORDER BY key";
    let rows = checked::query::<Kv>(conn, clause, (PROGRAM, prefix.as_str(), end.as_str()))?;
    let right = rows.into_iter().filter(|row| row.value == "true");
    Ok(right.filter_map(|row| Some(row.key.strip_prefix(&prefix)?.to_owned())).collect())
}
