//! Reviews of cards: the queue of a study day, answers, undo, what a learner sets for a card, forecast.
//!
//! An answer is an event with the id that the queue issued for that showing of the card, so a repeated call counts
//! once. Undo is a void, which also reaches the other devices. All else is computed from the events
//! (`carrel-scheduling`).
//!
//! Not here: the review list (`words`), contents of cards (`carrel-content`).

mod imported;
mod mastery;
mod settings;
mod states;
mod summary;
mod training;

use std::collections::BTreeMap;

use carrel_model::{
    CardKey, EventId, ItemId,
    lattice::{Review, ReviewKind, ReviewVoid},
};
use carrel_scheduling::{
    Candidate, CardState, Due, DueSettings, Event, Kind, Limits, Queue, build, due, fold, is_leech,
    mastery, retrievability,
};
pub use imported::{MAX_PAST_REVIEWS, PastReview};
pub use mastery::{MASTERY_CLASSES, WordMastery};
use rusqlite::Connection;
pub use settings::{Absence, CardMarks, ReviewSettings};
pub(crate) use settings::{marks_of, set_marks};
use states::{CardRow, ParamSets};
pub use summary::{CardSummary, WordSummaries};
pub use training::{Training, Workload};

use crate::{
    Error, Learning, Moment, Result,
    store::{Tx, checked, study_day},
    words::Cards,
};

/// Number of answers that `recent_reviews` returns.
const RECENT: u32 = 20;

/// An answer that a learner gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewAnswer {
    /// The id that the queue issued for this showing of the card.
    pub event: EventId,
    /// The card.
    pub card: CardKey,
    /// The word that was shown.
    pub item: ItemId,
    /// How it was asked.
    pub kind: ReviewKind,
    /// 1 again, 2 hard, 3 good, 4 easy.
    pub rating: u8,
    /// Duration of the answer in milliseconds.
    pub duration_ms: i64,
}

/// A card to show.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewCard {
    /// The card.
    pub card: CardKey,
    /// Id of this showing, for the answer.
    pub event: EventId,
    /// How it is asked: learn, review, or again today.
    pub kind: ReviewKind,
    /// The word to show.
    pub item: ItemId,
    /// Days until the card is due after each answer, from again to easy; 0 is again today.
    pub days: [u32; 4],
    /// The study day on which it was due; `None` for a new card.
    pub due_day: Option<i32>,
    /// Probability of recall today; 0 for a new card.
    pub retrievability: f64,
    /// Number of times it was forgotten.
    pub lapses: u32,
    /// It was forgotten so often that the learner should change something.
    pub is_leech: bool,
}

/// The numbers of a study day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReviewCounts {
    /// Due cards that are left today, within the daily limit.
    pub due: u32,
    /// New cards that are left today, within the daily limit.
    pub new: u32,
    /// Cards that were answered "again" today.
    pub again_today: u32,
    /// Standing answers today.
    pub done_today: u32,
    /// Due cards over the daily limit.
    pub backlog: u32,
    /// Days until the backlog is gone at the daily limit; 0 without one.
    pub backlog_days: u32,
    /// The next study day with due cards after today.
    pub next_due_day: Option<i32>,
}

/// The next cards of a study day.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewQueue {
    /// The study day.
    pub day: i32,
    /// Its numbers.
    pub counts: ReviewCounts,
    /// The next cards in their order.
    pub cards: Vec<ReviewCard>,
}

/// A standing answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentReview {
    /// Id of the answer, for `undo_review`.
    pub event: EventId,
    /// The card.
    pub card: CardKey,
    /// The word that was shown.
    pub item: ItemId,
    /// 1 again, 2 hard, 3 good, 4 easy.
    pub rating: u8,
    /// UTC, ms.
    pub at_ms: i64,
    /// Study day.
    pub day: i32,
}

/// What is known about a card.
#[derive(Debug, Clone, PartialEq)]
pub struct CardDetails {
    /// The card.
    pub card: CardKey,
    /// The words that were added for it or shown, in order.
    pub sources: Vec<ItemId>,
    /// What the learner set.
    pub marks: CardMarks,
    /// It is on the review list.
    pub is_listed: bool,
    /// It was forgotten so often that the learner should change something.
    pub is_leech: bool,
    /// The state; `None` for a new card.
    pub state: Option<CardState>,
    /// When it is due and why; `None` for a new card.
    pub due: Option<Due>,
    /// Id of the parameter set of the state; empty for the default one.
    pub params: String,
    /// 0 to 1; 1 for a card that the learner marked as known.
    pub mastery: f64,
}

impl Learning {
    /// Returns the next cards of the present study day, at most `limit`.
    pub async fn review_queue(&self, limit: usize) -> Result<ReviewQueue> {
        let now_ms = self.store.clock().now_ms();
        let ids: Vec<EventId> = (0..limit).map(|_| EventId(self.ids.uuid_v7(now_ms))).collect();
        self.with_day(move |conn, day| {
            let queue = day.queue();
            let cards = queue.cards.iter().zip(&ids);
            let cards: Result<Vec<ReviewCard>> =
                cards.map(|(candidate, event)| day.shown(conn, candidate, *event)).collect();
            Ok(ReviewQueue { day: day.now.day, counts: day.counts(conn, &queue)?, cards: cards? })
        })
        .await
    }

    /// Returns the numbers of the present study day.
    pub async fn review_counts(&self) -> Result<ReviewCounts> {
        self.with_day(|conn, day| day.counts(conn, &day.queue())).await
    }

    /// Returns the number of cards that become due on each of the next days from today; the first day has all that are
    /// due by now. Without new cards and daily limits.
    pub async fn review_forecast(&self, days: u32) -> Result<(i32, Vec<u32>)> {
        let days = days.clamp(1, 365) as usize;
        self.with_day(move |_, day| {
            let mut forecast = vec![0_u32; days];
            for (due, _) in day.scheduled() {
                let index = due.day.saturating_sub(day.now.day).max(0).unsigned_abs() as usize;
                if let Some(count) = forecast.get_mut(index) {
                    *count += 1;
                }
            }
            Ok((day.now.day, forecast))
        })
        .await
    }

    /// Stores an answer. Durable when this returns. The same `event` a second time changes nothing.
    pub async fn answer_card(&self, answer: ReviewAnswer) -> Result<()> {
        if !(1..=4).contains(&answer.rating) {
            return Err(Error::Invalid(format!(
                "rating {} of {}; hint: a rating is 1 to 4",
                answer.rating, answer.card
            )));
        }
        self.store
            .write("answer_card", move |tx| {
                if tx.find::<Review>(&[answer.event.to_string()])?.is_some() {
                    return Ok(());
                }
                let now = tx.moment()?;
                let cards = Cards::of_cards(tx.conn(), std::slice::from_ref(&answer.card))?;
                let card = cards.resolved(&answer.card);
                let params = ReviewSettings::load(tx.conn())?.params;
                tx.join(Review {
                    id: answer.event,
                    word: answer.item.clone(),
                    rating: answer.rating,
                    at_ms: now.at_ms,
                    duration_ms: answer.duration_ms.clamp(0, 3_600_000),
                    day: Some(now.day),
                    off_min: Some(now.off_min),
                    kind: Some(answer.kind),
                    card: Some(card),
                    params: Some(params),
                    extra: Default::default(),
                })?;
                states::refresh(tx)
            })
            .await
    }

    /// Voids an answer of any device. Idempotent.
    pub async fn undo_review(&self, event: EventId) -> Result<()> {
        self.store
            .write("undo_review", move |tx| {
                let found: Option<Review> = tx.find(&[event.to_string()])?;
                if found.is_none_or(|review| review.rating == 0) {
                    return Err(Error::NotFound(format!("answer {event}")));
                }
                tx.join(ReviewVoid { id: event, extra: Default::default() })?;
                Ok(())
            })
            .await
    }

    /// Returns the last 20 standing answers of all devices, newest first.
    pub async fn recent_reviews(&self) -> Result<Vec<RecentReview>> {
        self.store
            .read(|conn| {
                let cards = Cards::load(conn)?;
                let clause = "WHERE rating > 0 AND id NOT IN (SELECT id FROM review_void) \
                              ORDER BY day DESC, at_ms DESC, id DESC LIMIT ?1";
                let found = checked::query::<Review>(conn, clause, [RECENT])?;
                Ok(found
                    .into_iter()
                    .map(|review| RecentReview {
                        event: review.id,
                        card: cards.of(&review),
                        rating: review.rating,
                        at_ms: review.at_ms,
                        day: review.study_day(),
                        item: review.word,
                    })
                    .collect())
            })
            .await
    }

    /// Returns what is known about a card. `Error::NotFound` for a card without reviews.
    pub async fn card(&self, card: &CardKey) -> Result<CardDetails> {
        let card = card.clone();
        self.with_day(move |conn, day| {
            let card = day.cards.resolved(&card);
            let missing = || Error::NotFound(format!("card {card}"));
            let (row, due) = day.find(&card).ok_or_else(missing)?;
            let mut sources: Vec<ItemId> = Vec::new();
            let mut reviews = states::of_card(conn, &day.cards, &card)?;
            reviews.sort_by_key(|review| (review.at_ms, review.id));
            for review in reviews {
                if !sources.contains(&review.word) {
                    sources.push(review.word);
                }
            }
            Ok(CardDetails {
                sources,
                marks: day.marks_of(&card),
                is_listed: row.added_ms.is_some(),
                is_leech: day.is_leech(row),
                due: due.cloned(),
                params: row.params.clone(),
                mastery: day.mastery_of(row),
                state: row.state.clone(),
                card,
            })
        })
        .await
    }

    /// Changes what the learner set for a card. `change` gets the present marks and the number of lapses.
    pub async fn mark_card(
        &self,
        card: &CardKey,
        change: impl Fn(&mut CardMarks, u32) + Send + 'static,
    ) -> Result<CardDetails> {
        let lapses = self.card(card).await?.state.map_or(0, |state| state.lapses);
        let key = card.clone();
        self.store
            .write("mark_card", move |tx| {
                let cards = Cards::of_cards(tx.conn(), std::slice::from_ref(&key))?;
                let key = cards.resolved(&key);
                let before = marks_of(tx.conn(), &cards, &key)?;
                let mut after = before;
                change(&mut after, lapses);
                settings::set_marks(tx, &key, &before, &after)
            })
            .await?;
        self.card(card).await
    }

    /// Returns the settings of reviews.
    pub async fn review_settings(&self) -> Result<ReviewSettings> {
        self.store.read(ReviewSettings::load).await
    }

    /// Changes the settings of reviews; values out of range are limited. `change` may run several times. Returns the
    /// new settings.
    pub async fn set_review_settings(
        &self,
        change: impl Fn(&mut ReviewSettings) + Send + 'static,
    ) -> Result<ReviewSettings> {
        self.store
            .write("set_review_settings", move |tx| {
                let before = ReviewSettings::load(tx.conn())?;
                let mut after = before.clone();
                change(&mut after);
                after.store(tx, &before)?;
                ReviewSettings::load(tx.conn())
            })
            .await
    }

    /// Runs `read` with the cards of the present study day, after computing the states that changed.
    async fn with_day<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &Day) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut is_stale = self.store.read(states::is_stale).await?;
        if is_stale {
            // A file that cannot be written is still shown: the states are then computed for this query alone.
            match self.store.write("refresh_cards", |tx: &mut Tx<'_>| states::refresh(tx)).await {
                Ok(()) => is_stale = false,
                Err(e) => tracing::debug!(error = %e, "the states of cards could not be stored"),
            }
        }
        let clock = self.store.clock().clone();
        self.store
            .read(move |conn| {
                let now = study_day::now(conn, clock.as_ref())?;
                let rows = if is_stale { states::compute_all(conn)? } else { states::load(conn)? };
                let day = Day::load(conn, now, rows)?;
                read(conn, &day)
            })
            .await
    }
}

/// The cards on a study day.
struct Day {
    now: Moment,
    settings: ReviewSettings,
    due_settings: DueSettings,
    sets: ParamSets,
    cards: Cards,
    marks: BTreeMap<CardKey, CardMarks>,
    rows: Vec<CardRow>,
    /// When each of `rows` is due; `None` for a new card.
    dues: Vec<Option<Due>>,
}

impl Day {
    fn load(conn: &Connection, now: Moment, rows: Vec<CardRow>) -> Result<Self> {
        let (settings, cards) = (ReviewSettings::load(conn)?, Cards::load(conn)?);
        let (due_settings, sets) = (settings.due(), ParamSets::load(conn)?);
        let due_of = |row: &CardRow| {
            let weights = sets.weights(&row.params);
            row.state.as_ref().map(|state| due(&row.card, state, &weights, &due_settings))
        };
        let dues = rows.iter().map(due_of).collect();
        Ok(Self {
            now,
            dues,
            due_settings,
            settings,
            sets,
            marks: settings::marks(conn, &cards)?,
            cards,
            rows,
        })
    }
    fn find(&self, card: &CardKey) -> Option<(&CardRow, Option<&Due>)> {
        let at = self.rows.iter().position(|row| row.card == *card)?;
        Some((&self.rows[at], self.dues[at].as_ref()))
    }
    fn marks_of(&self, card: &CardKey) -> CardMarks {
        self.marks.get(card).copied().unwrap_or_default()
    }
    fn is_leech(&self, row: &CardRow) -> bool {
        let lapses = row.state.as_ref().map_or(0, |state| state.lapses);
        is_leech(lapses, self.settings.leech_lapses, self.marks_of(&row.card).leech_dismissed)
    }
    /// Returns how well a card is known, 0 to 1; 1 for a card that the learner marked as known.
    fn mastery_of(&self, row: &CardRow) -> f64 {
        let of_memory = row.state.as_ref().map_or(0.0, |state| mastery(&state.memory));
        if self.marks_of(&row.card).known { 1.0 } else { of_memory }
    }
    /// Returns true if an answered card on the list is asked today, were there no daily limit.
    fn is_due(&self, row: &CardRow, due: Option<&Due>) -> bool {
        let today = self.now.day;
        let Some(state) = &row.state else { return false };
        let is_shown = row.added_ms.is_some() && !self.marks_of(&row.card).is_hidden(today);
        is_shown
            && if state.last_day >= today {
                state.last_rating == 1
            } else {
                due.is_some_and(|due| due.day <= today)
            }
    }
    /// Returns the due days of the answered cards on the list that are not hidden for good.
    fn scheduled(&self) -> impl Iterator<Item = (&Due, &CardRow)> {
        self.rows.iter().zip(&self.dues).filter_map(|(row, due)| {
            let marks = self.marks_of(&row.card);
            if row.added_ms.is_none() || marks.suspended || marks.known {
                return None;
            }
            Some((due.as_ref()?, row))
        })
    }

    fn queue(&self) -> Queue {
        let today = self.now.day;
        let mut answered: Vec<i64> = Vec::new();
        let (mut new_today, mut reviewed_today) = (0, 0);
        for state in self.rows.iter().filter_map(|row| row.state.as_ref()) {
            if state.last_day == today {
                answered.push(state.last_ms);
                new_today += usize::from(state.first_day == today);
                reviewed_today += usize::from(state.first_day < today);
            }
        }
        answered.sort_unstable();
        let candidates = self.rows.iter().zip(&self.dues).filter_map(|(row, due)| {
            let added_ms = row.added_ms?;
            let kind = match &row.state {
                None if self.marks_of(&row.card).is_hidden(today) => return None,
                None => Kind::New { added_ms },
                Some(_) if !self.is_due(row, due.as_ref()) => return None,
                Some(state) if state.last_day >= today => {
                    let later = answered.partition_point(|ms| *ms <= state.last_ms);
                    let others_since = answered.len() - later;
                    Kind::AgainToday { last_ms: state.last_ms, others_since }
                }
                Some(state) => {
                    let weights = self.sets.weights(&row.params);
                    let recall = |days| retrievability(&weights, state.memory.stability, days);
                    let days = state.days_since(today);
                    let retrievability = recall(days);
                    Kind::Due { retrievability, loss: retrievability - recall(days + 1) }
                }
            };
            Some(Candidate { card: row.card.clone(), kind })
        });
        let left = |limit: u32, done: usize| (limit as usize).saturating_sub(done);
        let limits = Limits {
            new: left(self.settings.new_per_day, new_today),
            due: left(self.settings.reviews_per_day, reviewed_today),
        };
        build(candidates.collect(), limits)
    }

    fn counts(&self, conn: &Connection, queue: &Queue) -> Result<ReviewCounts> {
        let sql = "SELECT count(*) FROM review WHERE rating > 0 AND day = ?1 \
                   AND id NOT IN (SELECT id FROM review_void)";
        let done_today = conn.prepare_cached(sql)?.query_row([self.now.day], |r| r.get(0))?;
        let per_day = self.settings.reviews_per_day;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let backlog = count(queue.backlog);
        let later = self.scheduled().map(|(due, _)| due.day).filter(|day| *day > self.now.day);
        Ok(ReviewCounts {
            due: count(queue.due),
            new: count(queue.new),
            again_today: count(queue.again_today),
            done_today,
            backlog,
            backlog_days: if per_day == 0 { 0 } else { backlog.div_ceil(per_day) },
            next_due_day: later.min(),
        })
    }

    /// Returns a card of the queue with what each answer would do.
    fn shown(
        &self,
        conn: &Connection,
        candidate: &Candidate,
        event: EventId,
    ) -> Result<ReviewCard> {
        let found = self.find(&candidate.card);
        let missing = || Error::Internal(format!("no state of {}", candidate.card));
        let (row, due) = found.ok_or_else(missing)?;
        let (kind, retrievability) = match candidate.kind {
            Kind::New { .. } => (ReviewKind::Learn, 0.0),
            Kind::Due { retrievability, .. } => (ReviewKind::Review, retrievability),
            Kind::AgainToday { .. } => (ReviewKind::AgainToday, 1.0),
        };
        Ok(ReviewCard {
            card: row.card.clone(),
            event,
            kind,
            item: row.item.clone(),
            days: self.preview(conn, row, event, kind)?,
            due_day: due.map(|due| due.day),
            retrievability,
            lapses: row.state.as_ref().map_or(0, |state| state.lapses),
            is_leech: self.is_leech(row),
        })
    }

    /// Returns the days until the card is due after each answer: by the same fold and with the id of the answer, so
    /// that they are exactly what will be stored.
    fn preview(
        &self,
        conn: &Connection,
        row: &CardRow,
        event: EventId,
        kind: ReviewKind,
    ) -> Result<[u32; 4]> {
        let weights = self.sets.weights(&self.settings.params);
        // The answer will name the chosen set, by which all answers of the card are then computed.
        let before = match &row.state {
            Some(state) if row.params == self.settings.params => Some(state.clone()),
            Some(_) => {
                let reviews = states::of_card(conn, &self.cards, &row.card)?;
                let mut events: Vec<Event<'_>> = reviews.iter().filter_map(Event::of).collect();
                fold(&mut events, |_| weights)
            }
            None => None,
        };
        let mut days = [0; 4];
        for (rating, days) in (1..=4).zip(&mut days) {
            let answer = Event {
                day: self.now.day,
                at_ms: self.now.at_ms,
                id: event,
                rating,
                kind,
                params: &self.settings.params,
            };
            let after = match &before {
                Some(state) => state.after(&answer, &weights),
                None => CardState::first(&answer, &weights),
            };
            if rating > 1 {
                let due = due(&row.card, &after, &weights, &self.due_settings);
                *days = due.day.saturating_sub(self.now.day).max(0).unsigned_abs();
            }
        }
        Ok(days)
    }
}
