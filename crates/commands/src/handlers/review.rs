//! Commands for reviews: queue, answers, undo, cards, settings, forecast, training.
//!
//! Not here: the review list (`learning`).

use carrel_client::{
    OpenAccount,
    content::library::Library,
    learning::{self, Absence, CardDetails, ReviewAnswer},
};
use carrel_model::ItemId;

use super::{Result, reading};
use crate::{
    api::{
        app::Empty,
        error::CommandError,
        reading::WordView,
        review::{
            AnswerCard, AwayDays, CardRef, CardView, DueReason, ForecastRequest, QueueRequest,
            RecentReview, RecentReviews, ReviewButton, ReviewCard, ReviewCounts, ReviewForecast,
            ReviewQueue, ReviewSettings, SetCardState, SetReviewSettings, TrainingReport,
            UndoReview, WorkloadCurve, WorkloadPoint,
        },
    },
    host::{Host, account},
};

/// Maximum number of cards in one reply.
const MAX_CARDS: u32 = 100;

pub async fn get_review_queue(host: &dyn Host, request: QueueRequest) -> Result<ReviewQueue> {
    let account = account(host)?;
    let limit = request.limit.clamp(1, MAX_CARDS) as usize;
    let queue = account.learning.review_queue(limit).await?;
    let library = account.content.library.without_waiting();
    let mut cards = Vec::with_capacity(queue.cards.len());
    for card in queue.cards {
        let word = word(&account, &library, &card.item).await;
        let buttons = (1..).zip(card.days).map(|(rating, days)| ReviewButton { rating, days });
        cards.push(ReviewCard {
            card: card.card,
            event: card.event,
            kind: card.kind,
            item: card.item,
            word,
            buttons: buttons.collect(),
            due_day: card.due_day,
            retrievability: card.retrievability,
            lapses: card.lapses,
            is_leech: card.is_leech,
        });
    }
    Ok(ReviewQueue { day: queue.day, counts: counts_view(queue.counts), cards })
}

/// Returns the entry of a word; `None` if it is not on this device.
async fn word(account: &OpenAccount, library: &Library, item: &ItemId) -> Option<WordView> {
    reading::word(account, library, item).await.ok()
}

fn counts_view(counts: learning::ReviewCounts) -> ReviewCounts {
    ReviewCounts {
        due: counts.due,
        new: counts.new,
        again_today: counts.again_today,
        done_today: counts.done_today,
        backlog: counts.backlog,
        backlog_days: counts.backlog_days,
        next_due_day: counts.next_due_day,
    }
}

async fn counts(account: &OpenAccount) -> Result<ReviewCounts> {
    Ok(counts_view(account.learning.review_counts().await?))
}

pub async fn get_review_counts(host: &dyn Host, _: Empty) -> Result<ReviewCounts> {
    let account = account(host)?;
    counts(&account).await
}

pub async fn answer_card(host: &dyn Host, request: AnswerCard) -> Result<ReviewCounts> {
    let account = account(host)?;
    let answer = ReviewAnswer {
        event: request.event,
        card: request.card,
        item: request.item,
        kind: request.kind,
        rating: request.rating,
        duration_ms: request.duration_ms,
    };
    account.learning.answer_card(answer).await?;
    counts(&account).await
}

pub async fn undo_review(host: &dyn Host, request: UndoReview) -> Result<ReviewCounts> {
    let account = account(host)?;
    account.learning.undo_review(request.event).await?;
    counts(&account).await
}

pub async fn list_recent_reviews(host: &dyn Host, _: Empty) -> Result<RecentReviews> {
    let reviews = account(host)?.learning.recent_reviews().await?;
    let view = |review: learning::RecentReview| RecentReview {
        event: review.event,
        card: review.card,
        item: review.item,
        rating: review.rating,
        at_ms: review.at_ms,
        day: review.day,
    };
    Ok(RecentReviews { reviews: reviews.into_iter().map(view).collect() })
}

pub async fn get_card(host: &dyn Host, request: CardRef) -> Result<CardView> {
    let account = account(host)?;
    let details = account.learning.card(&request.card).await?;
    card_view(&account, details).await
}

async fn card_view(account: &OpenAccount, details: CardDetails) -> Result<CardView> {
    let library = account.content.library.without_waiting();
    let mut shown = None;
    for item in &details.sources {
        shown = word(account, &library, item).await;
        if shown.is_some() {
            break;
        }
    }
    let retention = account.learning.review_settings().await?.retention;
    let (state, due) = (details.state.as_ref(), details.due.as_ref());
    Ok(CardView {
        sources: details.sources,
        word: shown,
        listed: details.is_listed,
        suspended: details.marks.suspended,
        known: details.marks.known,
        buried_until: details.marks.buried_until,
        leech_dismissed: details.marks.leech_dismissed.is_some(),
        is_leech: details.is_leech,
        reviews: state.map_or(0, |s| s.reviews),
        lapses: state.map_or(0, |s| s.lapses),
        mastery: details.mastery,
        first_day: state.map(|s| s.first_day),
        last_day: state.map(|s| s.last_day),
        due_day: due.map(|due| due.day),
        why: state.zip(due).map(|(state, due)| DueReason {
            stability: state.memory.stability,
            difficulty: state.memory.difficulty,
            retention,
            exact_days: due.exact_days,
            from_day: due.from_day,
            to_day: due.to_day,
            is_capped: due.is_capped,
            easy_day: due.has_easy_days,
            params: details.params,
        }),
        card: details.card,
    })
}

pub async fn set_card_state(host: &dyn Host, request: SetCardState) -> Result<CardView> {
    let account = account(host)?;
    let card = request.card.clone();
    let details = account.learning.mark_card(&card, move |marks, lapses| {
        marks.suspended = request.suspended.unwrap_or(marks.suspended);
        marks.known = request.known.unwrap_or(marks.known);
        if let Some(day) = request.buried_until {
            marks.buried_until = Some(day).filter(|day| *day != 0);
        }
        match request.leech_dismissed {
            Some(true) => marks.leech_dismissed = Some(lapses),
            Some(false) => marks.leech_dismissed = None,
            None => {}
        }
    });
    let details = details.await?;
    card_view(&account, details).await
}

fn settings_view(settings: learning::ReviewSettings) -> ReviewSettings {
    let away = settings.away.iter();
    ReviewSettings {
        retention: settings.retention,
        max_interval_days: settings.max_interval_days,
        day_start_minutes: settings.day_start_minutes,
        new_per_day: settings.new_per_day,
        reviews_per_day: settings.reviews_per_day,
        easy_days: settings.easy_days.to_vec(),
        rest_days: settings.rest_days.to_vec(),
        away: away.map(|a| AwayDays { from_day: a.from_day, to_day: a.to_day }).collect(),
        leech_lapses: settings.leech_lapses,
        params: settings.params,
        two_buttons: settings.two_buttons,
        audio_first: settings.audio_first,
    }
}

pub async fn get_review_settings(host: &dyn Host, _: Empty) -> Result<ReviewSettings> {
    Ok(settings_view(account(host)?.learning.review_settings().await?))
}

/// Returns an array with one element for each day of the week.
fn week<T: Copy>(days: Option<Vec<T>>, name: &str) -> Result<Option<[T; 7]>> {
    let week = days.map(|days| <[T; 7]>::try_from(days.as_slice()));
    week.transpose().map_err(|_| CommandError::invalid(format!("{name} needs seven values")))
}

pub async fn set_review_settings(
    host: &dyn Host,
    request: SetReviewSettings,
) -> Result<ReviewSettings> {
    let easy_days = week(request.easy_days, "easyDays")?;
    let rest_days = week(request.rest_days, "restDays")?;
    let away: Option<Vec<Absence>> = request.away.map(|away| {
        away.into_iter().map(|a| Absence { from_day: a.from_day, to_day: a.to_day }).collect()
    });
    let account = account(host)?;
    let changed = account.learning.set_review_settings(move |s| {
        s.retention = request.retention.unwrap_or(s.retention);
        s.max_interval_days = request.max_interval_days.unwrap_or(s.max_interval_days);
        s.day_start_minutes = request.day_start_minutes.unwrap_or(s.day_start_minutes);
        s.new_per_day = request.new_per_day.unwrap_or(s.new_per_day);
        s.reviews_per_day = request.reviews_per_day.unwrap_or(s.reviews_per_day);
        s.easy_days = easy_days.unwrap_or(s.easy_days);
        s.rest_days = rest_days.unwrap_or(s.rest_days);
        s.leech_lapses = request.leech_lapses.unwrap_or(s.leech_lapses);
        s.two_buttons = request.two_buttons.unwrap_or(s.two_buttons);
        s.audio_first = request.audio_first.unwrap_or(s.audio_first);
        if let Some(away) = &away {
            s.away.clone_from(away);
        }
        if let Some(params) = &request.params {
            s.params.clone_from(params);
        }
    });
    let changed = changed.await?;
    Ok(settings_view(changed))
}

pub async fn get_forecast(host: &dyn Host, request: ForecastRequest) -> Result<ReviewForecast> {
    let (from_day, due) = account(host)?.learning.review_forecast(request.days).await?;
    Ok(ReviewForecast { from_day, due })
}

pub async fn get_workload(host: &dyn Host, _: Empty) -> Result<WorkloadCurve> {
    let points = account(host)?.learning.workload().await?;
    let view = |point: learning::Workload| WorkloadPoint {
        retention: point.retention,
        reviews_per_day: point.reviews_per_day,
        minutes_per_day: point.minutes_per_day,
        remembered: point.remembered,
    };
    Ok(WorkloadCurve { points: points.into_iter().map(view).collect() })
}

pub async fn train_parameters(host: &dyn Host, _: Empty) -> Result<TrainingReport> {
    let training = account(host)?.learning.train_parameters().await?;
    Ok(TrainingReport {
        reviews: training.reviews,
        is_better: training.is_better,
        log_loss_before: training.log_loss_before,
        log_loss_after: training.log_loss_after,
        params: training.params,
    })
}

pub async fn apply_parameters_to_all(host: &dyn Host, _: Empty) -> Result<ReviewCounts> {
    let account = account(host)?;
    account.learning.apply_parameters().await?;
    counts(&account).await
}
