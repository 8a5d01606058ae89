//! A simulated learner, driven by a seed: reads, listens, answers, saves words, changes settings,
//! enrols.
//!
//! Each action is reported to the oracle after it is complete and before the next one starts.

use std::collections::BTreeMap;

use carrel_learning::{ReviewAnswer, Step};
use carrel_model::{
    BlobHash, CardKey, ItemId, Slug,
    content::{QuestionKind, Quiz, Response},
    lattice::{ItemKind, PARAMS, ReviewKind, Row, RowKey, RowType, params_id},
};
use carrel_system::Clock;
use serde_json::{Value, json};

use crate::{
    Device, SeededRng, content,
    oracle::{Oracle, Rows},
};

/// Predicts the start times of study sessions of one device, according to docs/SYNC.md: if the clock
/// was set back by at most two hours, a session starts at the end of the previous one.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionPredictor {
    last_end: i64,
}

impl SessionPredictor {
    const CHAIN_MS: i64 = 2 * 3_600_000;

    fn start(&self, wall: i64) -> i64 {
        if (0..=Self::CHAIN_MS).contains(&(self.last_end - wall)) { self.last_end } else { wall }
    }
}

/// A simulated learner on one device. All devices of a learner share the oracle.
pub struct SimulatedLearner {
    rng: SeededRng,
    quizzes: Vec<(ItemId, BlobHash, Quiz)>,
    sessions: SessionPredictor,
}

impl SimulatedLearner {
    pub fn new(rng: SeededRng, quizzes: Vec<(ItemId, BlobHash, Quiz)>) -> Self {
        Self { rng, quizzes, sessions: SessionPredictor::default() }
    }
    /// Discards the previous session after the app was closed.
    pub fn app_restarted(&mut self) {
        self.sessions = SessionPredictor::default();
    }

    /// Performs a random action and reports the changed rows.
    pub async fn act(&mut self, device: &Device, oracle: &mut Oracle) {
        let before = device.rows().await;
        let done = match self.rng.below(100) {
            0..=29 => self.step_section(device, oracle).await,
            30..=39 => self.step_story(device, oracle).await,
            40..=59 => self.study(device, oracle).await,
            60..=74 => self.quiz(device).await,
            75..=79 => self.word(device).await,
            80..=87 => self.review(device).await,
            88..=93 => self.setting(device).await,
            _ => self.enrol(device).await,
        };
        done.unwrap_or_else(|e| panic!("{}: a learner's action failed: {e}", device.name));
        let after = device.rows().await;
        oracle.record_write(changed(&before, after));
    }

    /// Performs a step in a section, for use during another operation.
    pub async fn act_in_section(&mut self, device: &Device, oracle: &mut Oracle) {
        let before = device.rows().await;
        self.step_section(device, oracle)
            .await
            .unwrap_or_else(|e| panic!("{}: a step in a section failed: {e}", device.name));
        let after = device.rows().await;
        oracle.record_write(changed(&before, after));
    }

    async fn step_section(
        &mut self,
        device: &Device,
        oracle: &mut Oracle,
    ) -> carrel_learning::Result<()> {
        let item = self.rng.pick(&content::sections()).clone();
        let mut step = Step::at(ItemKind::Section, item);
        match self.rng.below(10) {
            0..=3 => step.percent = Some(self.rng.below(10_001) as u16),
            4..=6 => step.done = true,
            7 | 8 => step.pos = Some(format!("b{}", self.rng.below(40))),
            _ => step.restart = true,
        }
        self.record(device, oracle, step).await
    }

    async fn step_story(
        &mut self,
        device: &Device,
        oracle: &mut Oracle,
    ) -> carrel_learning::Result<()> {
        let mut step = Step::at(ItemKind::Story, content::item(content::STORY));
        step.percent = Some(self.rng.below(10_001) as u16);
        step.pos = Some(format!("p{}.s{}", self.rng.below(3), self.rng.below(3)));
        self.record(device, oracle, step).await
    }

    /// Records the step and checks the resulting progress.
    async fn record(
        &mut self,
        device: &Device,
        oracle: &mut Oracle,
        step: Step,
    ) -> carrel_learning::Result<()> {
        let learning = device.learning();
        let before = learning.progress(step.kind, &step.item).await?.map(|p| p.row);
        let (mut generation, mut percent) =
            before.as_ref().map_or((0, 0), |p| (p.generation, p.percent));
        if step.restart {
            (generation, percent) = (generation + 1, 0);
        }
        percent = if step.done { 10_000 } else { percent.max(step.percent.unwrap_or(0)) };
        let shown = learning.record(step.clone()).await?.row;
        assert_eq!(
            (shown.generation, shown.percent),
            (generation, percent),
            "{}: after {step:?}",
            device.name
        );
        assert!(!step.done || shown.done_ms.is_some(), "{}: {step:?} is not finished", device.name);
        oracle.record_step(
            RowKey::of(RowType::Progress, &[step.kind.as_str(), step.item.as_str()]),
            generation,
            percent,
        );
        Ok(())
    }

    /// Studies a section: some heartbeats at random intervals, then leaves the page.
    async fn study(&mut self, device: &Device, oracle: &mut Oracle) -> carrel_learning::Result<()> {
        let item = self.rng.pick(&content::sections()).clone();
        let from = self.sessions.start(device.clock.now_ms());
        device.learning().study_heartbeat(&item, true).await?;
        let mut sum = 0;
        for _ in 0..=self.rng.below(4) {
            let ms = self.rng.between(1, 15_000);
            device.time.advance(ms);
            sum += ms;
            device.learning().study_heartbeat(&item, true).await?;
        }
        let ms = self.rng.between(0, 15_000);
        device.time.advance(ms);
        sum += ms;
        device.learning().study_heartbeat(&item, false).await?;
        self.sessions.last_end = from + sum;
        oracle.record_study(&item, from, sum);
        Ok(())
    }

    async fn quiz(&mut self, device: &Device) -> carrel_learning::Result<()> {
        if self.quizzes.is_empty() {
            return Ok(());
        }
        let (item, hash, quiz) = self.rng.pick(&self.quizzes).clone();
        let attempt = device.learning().start_attempt(&item, hash).await?;
        for _ in 0..=self.rng.below(3) {
            let question = self.rng.pick(&quiz.questions);
            let response = match &question.kind {
                QuestionKind::Single { choices } => {
                    Response::Choice { chosen: vec![self.rng.pick(choices).id.clone()] }
                }
                QuestionKind::Multiple { choices } => {
                    let chosen = choices
                        .iter()
                        .filter(|_| self.rng.permille(600))
                        .map(|c| c.id.clone())
                        .collect();
                    Response::Choice { chosen }
                }
                _ => Response::Fill {
                    texts: vec![(*self.rng.pick(&["oxbow", "ox-bow", "deep"])).to_owned()],
                },
            };
            device.learning().save_answer(attempt.attempt.id, &question.id, &response).await?;
        }
        if self.rng.permille(500) {
            device.learning().submit_attempt(attempt.attempt.id).await?;
        }
        Ok(())
    }

    async fn word(&mut self, device: &Device) -> carrel_learning::Result<()> {
        let word = self.rng.pick(&content::words()).clone();
        let card =
            CardKey::of_word("en", None, word.as_str().rsplit('/').next().unwrap_or_default());
        let saved = self.rng.permille(650);
        device.learning().save_word(&word, Some(&card), saved).await
    }

    /// Answers the next card or practises one, undoes a recent answer, also of another device, changes
    /// what is set for a card, or adds a set of parameters.
    async fn review(&mut self, device: &Device) -> carrel_learning::Result<()> {
        let learning = device.learning();
        match self.rng.below(10) {
            0..=5 => {
                let limit = 1 + self.rng.below(3) as usize;
                let queue = learning.review_queue(limit).await?;
                let Some(shown) = queue.cards.last() else { return Ok(()) };
                let answer = ReviewAnswer {
                    event: shown.event,
                    card: shown.card.clone(),
                    item: shown.item.clone(),
                    kind: if self.rng.permille(100) { ReviewKind::Cram } else { shown.kind },
                    rating: 1 + self.rng.below(4) as u8,
                    duration_ms: self.rng.between(500, 20_000),
                };
                learning.answer_card(answer).await
            }
            6 | 7 => match learning.recent_reviews().await?.as_slice() {
                [] => Ok(()),
                recent => learning.undo_review(self.rng.pick(recent).event).await,
            },
            8 => {
                let words = learning.words().await?;
                if words.is_empty() {
                    return Ok(());
                }
                let (card, suspended) =
                    (self.rng.pick(&words).card.clone(), self.rng.permille(300));
                learning.mark_card(&card, move |marks, _| marks.suspended = suspended).await?;
                Ok(())
            }
            _ => {
                let set = format!(r#"{{"algo":"fsrs6","w":[{}]}}"#, self.rng.below(3));
                let write = move |tx: &mut carrel_learning::store::Tx<'_>| {
                    let id = params_id(&set);
                    tx.set_register_text(PARAMS, &id, set.clone()).map(|_| ())
                };
                device.app().store.write("params", write).await
            }
        }
    }

    async fn setting(&mut self, device: &Device) -> carrel_learning::Result<()> {
        let setting: (&str, Value) = match self.rng.below(3) {
            0 => ("theme", json!(self.rng.pick(&["light", "dark", "system"]))),
            1 => ("textSize", json!(self.rng.between(80, 200))),
            _ => ("language", json!(self.rng.pick(&["en", "fr", "sw"]))),
        };
        device.learning().set_settings(BTreeMap::from([(setting.0.to_owned(), setting.1)])).await
    }

    async fn enrol(&mut self, device: &Device) -> carrel_learning::Result<()> {
        let course = if self.rng.permille(800) {
            content::course()
        } else {
            Slug::new("no-such-course").expect("a valid slug")
        };
        device.learning().request_enrolment(&course, self.rng.permille(700)).await.map(|_| ())
    }
}

fn changed(before: &Rows, after: Rows) -> Vec<Row> {
    after
        .into_iter()
        .filter(|(key, row)| before.get(key) != Some(row))
        .map(|(_, row)| row)
        .collect()
}
