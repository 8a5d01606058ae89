//! What a learner sets for cards and reviews, and the parameters that are trained.

use super::*;

#[tokio::test]
async fn what_a_learner_sets_for_a_card_is_kept_apart() {
    let clock = FakeClock::noon();
    let (a, b) = (device(1, &clock), device(2, &clock));
    for word in ["meander", "delta", "oxbow", "ford"] {
        a.add(word).await;
        clock.advance(1_000);
    }
    b.pull(a.rows().await.into_values()).await;
    let shown = async |d: &TestDevice| -> Vec<String> {
        let queue = d.learning.review_queue(9).await.unwrap();
        queue.cards.iter().map(|c| c.card.lemma().to_owned()).collect()
    };
    a.learning.mark_card(&card("meander"), |m, _| m.suspended = true).await.unwrap();
    b.learning.mark_card(&card("meander"), |m, _| m.buried_until = Some(TODAY + 1)).await.unwrap();
    b.learning.mark_card(&card("delta"), |m, _| m.buried_until = Some(TODAY + 1)).await.unwrap();
    let known = b.learning.mark_card(&card("oxbow"), |m, _| m.known = true).await.unwrap();
    assert_eq!(known.mastery, 1.0);
    let words = b.learning.word_mastery(30).await.unwrap();
    assert_eq!((words.classes, words.learned), ([3, 0, 0, 0, 0, 1], 0), "one is known by hand");
    assert_eq!(words.mean, 0.25);
    a.pull(b.rows().await.into_values()).await;
    assert_eq!(shown(&a).await, ["ford"]);
    let marks = a.details("meander").await.marks;
    assert!(marks.suspended && marks.buried_until.is_some(), "{marks:?}");
    clock.advance(DAY);
    assert_eq!(shown(&a).await, ["delta", "ford"], "buried until today");
    a.learning.mark_card(&card("meander"), |m, _| m.suspended = false).await.unwrap();
    assert_eq!(shown(&a).await, ["meander", "delta", "ford"]);
}

#[tokio::test]
async fn a_leech_is_marked_until_the_hint_is_dismissed() {
    let d = one();
    d.learning.set_review_settings(|s| s.leech_lapses = 2).await.unwrap();
    d.add("meander").await;
    d.answer_word("meander", 3).await;
    for lapses in 1..=2 {
        d.clock.advance(5 * DAY);
        d.answer_word("meander", 1).await;
        assert_eq!(d.details("meander").await.is_leech, lapses == 2);
    }
    let dismiss = |marks: &mut CardMarks, lapses| marks.leech_dismissed = Some(lapses);
    let dismissed = d.learning.mark_card(&card("meander"), dismiss).await.unwrap();
    assert_eq!((dismissed.is_leech, dismissed.marks.leech_dismissed), (false, Some(2)));
    d.clock.advance(5 * DAY);
    d.answer_word("meander", 1).await;
    assert!(d.details("meander").await.is_leech, "again after half as many");
}

#[tokio::test]
async fn daily_limits_and_the_plan_after_a_break() {
    let d = one();
    d.learning.set_review_settings(|s| (s.new_per_day, s.reviews_per_day) = (3, 4)).await.unwrap();
    for n in 0..12 {
        d.add(&format!("w{n:02}")).await;
    }
    assert_eq!(d.learning.review_counts().await.unwrap().new, 3);
    for n in 0..12 {
        d.clock.advance(1_000);
        d.answer_word(&format!("w{n:02}"), if n % 2 == 0 { 3 } else { 4 }).await;
    }
    let counts = d.learning.review_counts().await.unwrap();
    assert_eq!((counts.new, counts.done_today), (0, 12));
    // Three months later all are due: today four, those at risk first; the rest as days, not as a reproach.
    d.clock.advance(90 * DAY);
    let queue = d.learning.review_queue(50).await.unwrap();
    let counts = queue.counts;
    assert_eq!((counts.due, counts.backlog, counts.backlog_days), (4, 8, 2));
    assert_eq!(queue.cards.len(), 4);
    let shown = queue.cards[0].clone();
    d.answer(&shown, 3).await;
    let counts = d.learning.review_counts().await.unwrap();
    assert_eq!((counts.due, counts.backlog), (3, 8));
    let (from, forecast) = d.learning.review_forecast(5).await.unwrap();
    assert_eq!((from, forecast[0]), (TODAY + 90, 11));
}

#[tokio::test]
async fn settings_change_no_state_and_only_due_days() {
    let d = one();
    d.add("meander").await;
    d.answer_word("meander", 3).await;
    d.clock.advance(3 * DAY);
    d.answer_word("meander", 3).await;
    let before = d.details("meander").await;
    let changed = d
        .learning
        .set_review_settings(|s| {
            s.retention = 0.8;
            s.easy_days = [1.0, 0.5, 0.0, 1.0, 1.0, 1.0, 1.0];
            s.day_start_minutes = 0;
            s.retention = 0.75;
        })
        .await
        .unwrap();
    assert_eq!((changed.retention, changed.day_start_minutes), (0.75, 0));
    let after = d.details("meander").await;
    assert_eq!(after.state, before.state);
    assert!(after.due.unwrap().day > before.due.unwrap().day);
    // Out of range, and from another release.
    let limited = d.learning.set_review_settings(|s| s.retention = 3.0).await.unwrap();
    assert_eq!(limited.retention, 0.97);
    d.store
        .write("other", |tx| tx.set_register("review", "retention", &"much".into()))
        .await
        .unwrap();
    assert_eq!(d.learning.review_settings().await.unwrap().retention, 0.9);
}

#[tokio::test]
async fn parameters_are_trained_and_kept_only_if_they_are_better() {
    let d = one();
    let none = d.learning.train_parameters().await.unwrap();
    assert_eq!((none.reviews, none.is_better, none.params.as_str()), (0, false, ""));
    // A learner who forgets much faster than the default weights expect.
    let mut rows: Vec<Row> = Vec::new();
    let mut n = 0_u128;
    for c in 0..60_i64 {
        let key = card(&format!("w{c:02}"));
        for (i, after) in [0_i64, 1, 3, 8, 20, 40].into_iter().enumerate() {
            n += 1;
            let day = TODAY - 80 + (after + c % 7) as i32;
            let forgets = (c + i as i64) % 3 != 0;
            rows.push(
                Review {
                    id: EventId::from_u128(n),
                    word: item(&format!("rivers/w{c:02}")),
                    rating: if i > 0 && forgets { 1 } else { 3 },
                    at_ms: i64::from(day) * DAY + 12 * HOUR,
                    duration_ms: 3_000,
                    day: Some(day),
                    off_min: Some(0),
                    kind: Some(ReviewKind::Review),
                    card: Some(key.clone()),
                    params: Some(String::new()),
                    extra: Default::default(),
                }
                .into(),
            );
        }
    }
    d.pull(rows).await;
    for c in 0..60 {
        d.add(&format!("w{c:02}")).await;
    }
    let before = d.details("w01").await;
    let trained = d.learning.train_parameters().await.unwrap();
    assert_eq!(trained.reviews, 300);
    assert!(trained.is_better && trained.log_loss_after < trained.log_loss_before, "{trained:?}");
    assert_eq!(trained.params.len(), 16);
    let settings = d.learning.review_settings().await.unwrap();
    assert_eq!(settings.params, trained.params);
    assert_eq!(d.details("w01").await, before, "training moves no due day");
    // Trained again from the same answers: no better than itself.
    let again = d.learning.train_parameters().await.unwrap();
    assert_eq!((again.is_better, &again.params), (false, &trained.params), "{again:?}");
    // The next answer uses the new set, and its preview too.
    let shown = d.learning.review_queue(50).await.unwrap().cards;
    let shown = shown.iter().find(|c| c.card == card("w01")).unwrap();
    d.answer(shown, 3).await;
    let after = d.details("w01").await;
    assert_eq!(after.params, trained.params);
    assert_eq!(after.due.unwrap().day, TODAY + shown.days[2] as i32);
    // On request for all cards, on each device.
    let untouched = d.details("w02").await;
    d.learning.apply_parameters().await.unwrap();
    let applied = d.details("w02").await;
    assert_eq!((untouched.params.as_str(), &applied.params), ("", &trained.params));
    assert_ne!(untouched.state, applied.state);
    let other = device(2, &d.clock);
    other.pull(d.rows().await.into_values()).await;
    assert_eq!(other.details("w02").await, applied);
    let sets = d
        .rows()
        .await
        .into_values()
        .filter(|row| matches!(row, Row::Kv(Kv { ns, .. }) if ns == "params"));
    assert_eq!(sets.count(), 1);
    let workload = d.learning.workload().await.unwrap();
    let retentions: Vec<f64> = workload.iter().map(|w| w.retention).collect();
    assert_eq!(retentions, [0.80, 0.85, 0.90, 0.95]);
    assert!(workload[3].reviews_per_day > workload[0].reviews_per_day, "{workload:?}");
    assert!(workload.iter().all(|w| w.minutes_per_day > 0.0 && w.remembered > 0.0), "{workload:?}");
}

#[tokio::test]
async fn a_set_that_has_not_arrived_yet_is_replaced_by_the_default_one() {
    let clock = FakeClock::noon();
    let (a, b) = (device(1, &clock), device(2, &clock));
    a.add("meander").await;
    let w: Vec<f64> = (0..21).map(|n| 0.2 + f64::from(n) * 0.01).collect();
    let text = format!(r#"{{"algo":"fsrs6","w":{w:?},"reviews":9,"throughDay":1,"trainer":"t"}}"#);
    let id = carrel_model::lattice::params_id(&text);
    let chosen = id.clone();
    a.store
        .write("set", move |tx| tx.set_register_text("params", &chosen, text.clone()))
        .await
        .unwrap();
    let chosen = id.clone();
    a.learning.set_review_settings(move |s| s.params = chosen.clone()).await.unwrap();
    a.answer_word("meander", 3).await;
    let (sets, others): (Vec<Row>, Vec<Row>) = a
        .rows()
        .await
        .into_values()
        .partition(|row| matches!(row, Row::Kv(kv) if kv.ns == "params"));
    b.pull(others).await;
    assert!(b.details("meander").await.state.is_some());
    b.pull(sets).await;
    assert_eq!(b.details("meander").await, a.details("meander").await);
}
