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

use carrel_model::{
    CardKey, EventId, ItemId,
    lattice::{Review, ReviewKind, ReviewVoid},
};
pub use carrel_scheduling::{Absence, CardMarks, MASTERY_CLASSES, ReviewSettings};
use carrel_scheduling::{
    Candidate, CardRow, CardState, Due, Event, Kind, Queue, ReviewDay, due, fold,
};
pub use imported::{MAX_PAST_REVIEWS, PastReview};
pub use mastery::WordMastery;
use rusqlite::Connection;
pub(crate) use settings::{marks_of, set_marks};
pub use summary::{CardSummary, WordSummaries};
pub use training::{Training, Workload};

use crate::{
    Error, Learning, Moment, Result,
    store::{Tx, checked, study_day},
    words::{cards_among, load_cards},
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
            let queue = day.review.queue();
            let cards = queue.cards.iter().zip(&ids);
            let cards: Result<Vec<ReviewCard>> =
                cards.map(|(candidate, event)| day.shown(conn, candidate, *event)).collect();
            Ok(ReviewQueue { day: day.now.day, counts: day.counts(conn, &queue)?, cards: cards? })
        })
        .await
    }

    /// Returns the numbers of the present study day.
    pub async fn review_counts(&self) -> Result<ReviewCounts> {
        self.with_day(|conn, day| day.counts(conn, &day.review.queue())).await
    }

    /// Returns the number of cards that become due on each of the next days from today; the first day has all that are
    /// due by now. Without new cards and daily limits.
    pub async fn review_forecast(&self, days: u32) -> Result<(i32, Vec<u32>)> {
        let days = days.clamp(1, 365) as usize;
        self.with_day(move |_, day| {
            let mut forecast = vec![0_u32; days];
            for (due, _) in day.review.scheduled() {
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
                let cards = cards_among(tx.conn(), std::slice::from_ref(&answer.card))?;
                let card = cards.resolved(&answer.card);
                let params = settings::load(tx.conn())?.params;
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
                let cards = load_cards(conn)?;
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
            let card = day.review.cards.resolved(&card);
            let missing = || Error::NotFound(format!("card {card}"));
            let (row, due) = day.review.find(&card).ok_or_else(missing)?;
            let mut sources: Vec<ItemId> = Vec::new();
            let mut reviews = states::of_card(conn, &day.review.cards, &card)?;
            reviews.sort_by_key(|review| (review.at_ms, review.id));
            for review in reviews {
                if !sources.contains(&review.word) {
                    sources.push(review.word);
                }
            }
            Ok(CardDetails {
                sources,
                marks: day.review.marks_of(&card),
                is_listed: row.added_ms.is_some(),
                is_leech: day.review.is_leech(row),
                due: due.cloned(),
                params: row.params.clone(),
                mastery: day.review.mastery_of(row),
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
                let cards = cards_among(tx.conn(), std::slice::from_ref(&key))?;
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
        self.store.read(settings::load).await
    }

    /// Changes the settings of reviews; values out of range are limited. `change` may run several times. Returns the
    /// new settings.
    pub async fn set_review_settings(
        &self,
        change: impl Fn(&mut ReviewSettings) + Send + 'static,
    ) -> Result<ReviewSettings> {
        self.store
            .write("set_review_settings", move |tx| {
                let before = settings::load(tx.conn())?;
                let mut after = before.clone();
                change(&mut after);
                settings::store(tx, &before, &after)?;
                settings::load(tx.conn())
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

/// The cards on a study day, and the moment of the query.
struct Day {
    now: Moment,
    review: ReviewDay,
}

impl Day {
    fn load(conn: &Connection, now: Moment, rows: Vec<CardRow>) -> Result<Self> {
        let (settings, cards) = (settings::load(conn)?, load_cards(conn)?);
        let sets = states::param_sets(conn)?;
        let marks = settings::marks(conn, &cards)?;
        Ok(Self { now, review: ReviewDay::new(now.day, settings, sets, cards, marks, rows) })
    }

    fn counts(&self, conn: &Connection, queue: &Queue) -> Result<ReviewCounts> {
        let sql = "SELECT count(*) FROM review WHERE rating > 0 AND day = ?1 \
                   AND id NOT IN (SELECT id FROM review_void)";
        let done_today = conn.prepare_cached(sql)?.query_row([self.now.day], |r| r.get(0))?;
        let per_day = self.review.settings.reviews_per_day;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let backlog = count(queue.backlog);
        let later =
            self.review.scheduled().map(|(due, _)| due.day).filter(|day| *day > self.now.day);
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
        let found = self.review.find(&candidate.card);
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
            is_leech: self.review.is_leech(row),
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
        let weights = self.review.sets.weights(&self.review.settings.params);
        // The answer will name the chosen set, by which all answers of the card are then computed.
        let before = match &row.state {
            Some(state) if row.params == self.review.settings.params => Some(state.clone()),
            Some(_) => {
                let reviews = states::of_card(conn, &self.review.cards, &row.card)?;
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
                params: &self.review.settings.params,
            };
            let after = match &before {
                Some(state) => state.after(&answer, &weights),
                None => CardState::first(&answer, &weights),
            };
            if rating > 1 {
                let due = due(&row.card, &after, &weights, &self.review.due_settings);
                *days = due.day.saturating_sub(self.now.day).max(0).unsigned_abs();
            }
        }
        Ok(days)
    }
}
