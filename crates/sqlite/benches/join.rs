//! Measures joins in rows per second, on one core and in one transaction: `cargo bench -p carrel-sqlite`.

#![allow(clippy::disallowed_methods, reason = "the bench measures real time")]
#![allow(clippy::print_stdout, reason = "a bench prints its results")]

use std::time::Instant;

use carrel_model::{
    CardKey, DeviceId, EventId, Hlc, ItemId, SessionId, UserId,
    lattice::{Extra, ItemKind, Position, Progress, Review, ReviewKind, Row, Session},
};
use carrel_sqlite::{
    Options, open,
    rows::{self, Owner, Scope},
};

const ROWS: u32 = 100_000;

fn item(n: u32) -> ItemId {
    ItemId::new(format!("how-rivers-work/lesson-{}/section-{n}", n / 10)).unwrap()
}
fn progress(n: u32, percent: u16) -> Row {
    let pos = Position {
        hlc: Hlc::new(1_790_000_000_000 + i64::from(n), percent),
        device: DeviceId::from_u128(7),
        at: "p3.s2".into(),
    };
    let none = Progress::none(ItemKind::Section, item(n));
    Progress { percent, done_ms: Some(1_790_000_000_000), pos: Some(pos), ..none }.into()
}
fn session(n: u32, active_ms: i64) -> Row {
    Session {
        id: SessionId::from_u128(n.into()),
        item: item(n),
        device: DeviceId::from_u128(7),
        started_ms: 1_790_000_000_000,
        day: "2026-11-20".into(),
        off_min: Some(0),
        active_ms,
        extra: Extra::default(),
    }
    .into()
}
fn review(n: u32) -> Row {
    let word = ItemId::new("how-rivers-work/meander").unwrap();
    Review {
        id: EventId::from_u128(n.into()),
        word,
        rating: 3,
        at_ms: 1_790_000_000_000,
        duration_ms: 900,
        day: Some(20_717),
        off_min: Some(0),
        kind: Some(ReviewKind::Review),
        card: Some(CardKey::of_word("en", None, "meander")),
        params: Some(String::new()),
        extra: Extra::default(),
    }
    .into()
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let user = UserId::from_u128(1);
    for (scope, owner) in [(Scope::Client, Owner::Client), (Scope::Server, Owner::Server(user))] {
        let mut conn = open(&dir.path().join(format!("{scope:?}.db")), Options::default()).unwrap();
        conn.execute_batch(&rows::schema(scope)).unwrap();
        let mut usn = 0;
        let mut measure = |what: &str, make: &dyn Fn(u32) -> Row| {
            let batch: Vec<Row> = (0..ROWS).map(make).collect();
            let start = Instant::now();
            let tx = conn.transaction().unwrap();
            let mut changed = 0;
            for row in &batch {
                if rows::join(&tx, owner, row, usn + 1).unwrap().changed {
                    changed += 1;
                    usn += 1;
                }
            }
            tx.commit().unwrap();
            let rate = f64::from(ROWS) / start.elapsed().as_secs_f64();
            println!("{scope:?} {what}: {rate:.0} rows/s ({changed} of {ROWS} changed)");
        };
        measure("progress, new", &|n| progress(n, 5_000));
        measure("progress, replayed", &|n| progress(n, 5_000));
        measure("progress, greater", &|n| progress(n, 6_000));
        measure("session, new", &|n| session(n, 1));
        measure("session, greater", &|n| session(n, 2));
        measure("review, new", &review);
        if scope == Scope::Server {
            let start = Instant::now();
            let (mut cursor, mut pulled) = (0, 0);
            loop {
                let page = rows::since(&conn, user, cursor, 500, usize::MAX).unwrap();
                pulled += page.rows.len();
                match page.rows.last() {
                    Some((usn, _)) => cursor = *usn,
                    None => break,
                }
            }
            println!(
                "Server pull in pages of 500: {:.0} rows/s",
                pulled as f64 / start.elapsed().as_secs_f64()
            );
        }
    }
}
