//! Trains the parameters of the schedule from the learner's own answers, and estimates the workload at several
//! retentions. The crate `fsrs` does both, with `f32`: its results are stored values, never computed again on another
//! device.
//!
//! Not here: the schedule itself (`carrel-scheduling`).

use std::sync::Arc;

use carrel_model::lattice::{PARAMS, REVIEW};
use carrel_scheduling::{APPLIED, Applied, Event, ParamSet, ReviewSettings, Weights};
use fsrs::{
    Card, ComputeParametersInput, FSRS, FSRSItem, FSRSReview, SimulatorConfig, compute_parameters,
    simulate,
};
use rusqlite::Connection;

use super::{settings, states};
use crate::{Error, Learning, Result, store::study_day, words::load_cards};

/// Name and version in the stored sets.
const TRAINER: &str = "fsrs 6.6.2";
/// A set is kept only if its log loss is smaller by more than rounding.
const MIN_GAIN: f64 = 1e-5;
/// Retentions of the workload estimate.
const RETENTIONS: [f64; 4] = [0.80, 0.85, 0.90, 0.95];
/// Days of the workload estimate.
const SPAN_DAYS: usize = 90;
/// Longer histories of one card add nothing.
const MAX_HISTORY: usize = 256;

/// Result of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Number of answers that could be predicted.
    pub reviews: u32,
    /// The new set predicts better than the chosen one, and is now the chosen one.
    pub is_better: bool,
    /// Mean log loss of the set that was chosen before; smaller is better.
    pub log_loss_before: f64,
    /// Mean log loss of the new set.
    pub log_loss_after: f64,
    /// Id of the chosen set; empty for the default one.
    pub params: String,
}

/// An estimate of the daily work at a retention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// Probability of recall on the due day.
    pub retention: f64,
    /// Answers a day.
    pub reviews_per_day: f64,
    /// Minutes a day.
    pub minutes_per_day: f64,
    /// Cards that are remembered at the end.
    pub remembered: f64,
}

/// The answers of a learner, for the trainer.
struct Log {
    items: Vec<FSRSItem>,
    card_ids: Vec<i64>,
    through_day: i32,
    settings: ReviewSettings,
    weights: Weights,
}

impl Learning {
    /// Trains the parameters, and chooses the new set if it predicts the learner's answers better. Due days do not
    /// change: a card uses the new set after its next answer.
    pub async fn train_parameters(&self) -> Result<Training> {
        let log = self.store.read(log).await?;
        let before_params = log.settings.params.clone();
        let (mut result, trained) = carrel_system::blocking(move || train(log)).await?;
        result.params = before_params;
        if let Some(set) = trained.filter(|_| result.is_better) {
            let (id, text) = set.to_text();
            result.params.clone_from(&id);
            self.store
                .write("train_parameters", move |tx| {
                    tx.set_register_text(PARAMS, &id, text.clone())?;
                    let before = settings::load(tx.conn())?;
                    let after = ReviewSettings { params: id.clone(), ..before.clone() };
                    settings::store(tx, &before, &after)
                })
                .await?;
        }
        Ok(result)
    }

    /// Applies the chosen set to all cards now, which moves due days. Only on the learner's request.
    pub async fn apply_parameters(&self) -> Result<()> {
        self.store
            .write("apply_parameters", |tx| {
                let params = settings::load(tx.conn())?.params;
                let through_ms = tx.moment()?.at_ms;
                let applied = serde_json::to_value(Applied { params, through_ms })?;
                tx.set_register(REVIEW, APPLIED, &applied)?;
                Ok(())
            })
            .await
    }

    /// Estimates the work of the next 90 days at retentions of 80, 85, 90 and 95 %.
    pub async fn workload(&self) -> Result<Vec<Workload>> {
        let clock = self.store.clock().clone();
        let (config, cards, weights) = self
            .with_day(move |conn, day| {
                let now = study_day::now(conn, clock.as_ref())?;
                let weights = to_f32(&day.review.sets.weights(&day.review.settings.params));
                let parameters = Arc::new(weights.clone());
                let cards: Vec<Card> = day
                    .review
                    .scheduled()
                    .filter_map(|(due, row)| {
                        let state = row.state.as_ref()?;
                        let last = (state.last_day - now.day) as f32;
                        Some(Card {
                            difficulty: state.memory.difficulty as f32,
                            stability: state.memory.stability as f32,
                            last_date: last,
                            due: (due.day - now.day).max(0) as f32,
                            interval: (due.day - state.last_day) as f32,
                            lapses: state.lapses,
                            parameters: parameters.clone(),
                            ..Card::default()
                        })
                    })
                    .collect();
                Ok((config(conn, &day.review.settings, cards.len())?, cards, weights))
            })
            .await?;
        carrel_system::blocking(move || {
            RETENTIONS
                .into_iter()
                .map(|retention| estimate(&config, &weights, retention, &cards))
                .collect()
        })
        .await
    }
}

fn to_f32(weights: &Weights) -> Vec<f32> {
    weights.as_array().iter().map(|w| *w as f32).collect()
}

fn failed(e: &fsrs::FSRSError) -> Error {
    Error::Internal(format!("the trainer failed: {e}"))
}

/// Reads the answers: for each one on a later day than the one before, the history of the card up to it.
fn log(conn: &Connection) -> Result<Log> {
    let (cards, settings) = (load_cards(conn)?, settings::load(conn)?);
    let weights = states::param_sets(conn)?.weights(&settings.params);
    let mut log =
        Log { items: Vec::new(), card_ids: Vec::new(), through_day: 0, settings, weights };
    for (card_id, reviews) in (0..).zip(states::by_card(conn, &cards)?.values()) {
        let mut events: Vec<Event<'_>> = reviews.iter().filter_map(Event::of).collect();
        events.retain(Event::counts);
        events.sort_unstable();
        let mut history: Vec<FSRSReview> = Vec::new();
        let mut last_day = None;
        for event in events.into_iter().take(MAX_HISTORY) {
            let days = last_day.map_or(0, |last: i32| event.day.saturating_sub(last).max(0));
            last_day = Some(event.day);
            log.through_day = log.through_day.max(event.day);
            history.push(FSRSReview { rating: event.rating.into(), delta_t: days.unsigned_abs() });
            if days > 0 {
                log.items.push(FSRSItem { reviews: history.clone() });
                log.card_ids.push(card_id);
            }
        }
    }
    Ok(log)
}

/// Returns the comparison, and the new set if there were enough answers.
fn train(log: Log) -> Result<(Training, Option<ParamSet>)> {
    let count = u32::try_from(log.items.len()).unwrap_or(u32::MAX);
    let mut result = Training {
        reviews: count,
        is_better: false,
        log_loss_before: 0.0,
        log_loss_after: 0.0,
        params: String::new(),
    };
    if log.items.is_empty() {
        return Ok((result, None));
    }
    let loss = |weights: &[f32], items: Vec<FSRSItem>| -> Result<f64> {
        let model = FSRS::new(weights).map_err(|e| failed(&e))?;
        let evaluation = model.evaluate(items, |_| true).map_err(|e| failed(&e))?;
        Ok(evaluation.log_loss.into())
    };
    let trained = compute_parameters(ComputeParametersInput {
        train_set: log.items.clone(),
        // Without the ids of the cards, the result would be another one.
        card_ids: Some(log.card_ids),
        ..ComputeParametersInput::default()
    });
    let trained: Vec<f64> = trained.map_err(|e| failed(&e))?.into_iter().map(f64::from).collect();
    let Some(trained) = Weights::new(&trained) else { return Ok((result, None)) };
    result.log_loss_before = loss(&to_f32(&log.weights), log.items.clone())?;
    result.log_loss_after = loss(&to_f32(&trained), log.items)?;
    result.is_better = result.log_loss_after < result.log_loss_before - MIN_GAIN;
    Ok((result, Some(ParamSet::trained(&trained, count, log.through_day, TRAINER))))
}

/// Returns the simulation of a learner who continues as before: the same number of new cards a day, and answers that
/// take as long as so far.
fn config(conn: &Connection, settings: &ReviewSettings, cards: usize) -> Result<SimulatorConfig> {
    let sql = "SELECT count(*), coalesce(avg(duration_ms), 0) FROM review \
               WHERE rating > 0 AND duration_ms BETWEEN 1 AND 120000";
    let (answers, mean_ms): (u32, f64) =
        conn.prepare_cached(sql)?.query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let new_per_day = settings.new_per_day as usize;
    let mut config = SimulatorConfig {
        deck_size: cards + new_per_day * SPAN_DAYS,
        learn_span: SPAN_DAYS,
        max_cost_perday: f32::MAX,
        max_ivl: settings.max_interval_days as f32,
        learn_limit: new_per_day,
        ..SimulatorConfig::default()
    };
    const ENOUGH_ANSWERS: u32 = 50;
    if answers >= ENOUGH_ANSWERS {
        let typical = config.state_rating_costs[1][2];
        let factor = mean_ms as f32 / 1000.0 / typical;
        for cost in config.state_rating_costs.iter_mut().flatten() {
            *cost *= factor;
        }
    }
    Ok(config)
}

fn estimate(
    config: &SimulatorConfig,
    weights: &[f32],
    retention: f64,
    cards: &[Card],
) -> Result<Workload> {
    if config.deck_size == 0 {
        return Ok(Workload {
            retention,
            reviews_per_day: 0.0,
            minutes_per_day: 0.0,
            remembered: 0.0,
        });
    }
    // The same seed for each retention, so that only the retention differs.
    let cards: Vec<Card> = cards
        .iter()
        .map(|card| Card { desired_retention: retention as f32, ..card.clone() })
        .collect();
    let result = simulate(config, weights, retention as f32, Some(1), Some(cards));
    let result = result.map_err(|e| failed(&e))?;
    let days = SPAN_DAYS as f64;
    let answers: usize = result.review_cnt_per_day.iter().chain(&result.learn_cnt_per_day).sum();
    let seconds: f64 = result.cost_per_day.iter().map(|cost| f64::from(*cost)).sum();
    let remembered = result.memorized_cnt_per_day.last().copied().unwrap_or_default();
    Ok(Workload {
        retention,
        reviews_per_day: answers as f64 / days,
        minutes_per_day: seconds / 60.0 / days,
        remembered: remembered.into(),
    })
}
