use super::*;

#[test]
fn the_rate_matches_a_steady_transfer_and_falls_in_a_pause() {
    let meter = Meter::new(0);
    meter.set(0, 10_000_000);
    for n in 1..=100 {
        meter.received(10_000, n * 100);
    }
    let progress = meter.progress(10_000);
    assert_eq!(progress.done, 1_000_000);
    let rate = progress.rate.expect("the rate is known");
    assert!((98_000..=102_000).contains(&rate), "{rate}");
    let left = progress.left_ms.expect("the remaining time is known");
    assert!((88_000..=92_000).contains(&left), "{left}");
    let later = meter.progress(20_000).rate.expect("the rate is known");
    assert!(later < rate / 3, "after ten seconds without data: {later}");
}

#[test]
fn events_are_limited_to_four_per_second_and_the_first_second_has_no_rate() {
    let meter = Meter::new(0);
    meter.set(0, 1_000_000);
    let emitted = (0..2_000).filter(|ms| meter.received(10, *ms).emit).count();
    assert_eq!(emitted, 8);
    let new = Meter::new(0);
    new.received(1_000_000, 1);
    assert_eq!(new.progress(2).rate, None);
}

#[test]
fn local_bytes_do_not_affect_the_rate() {
    let meter = Meter::new(0);
    meter.set(500, 1_000);
    meter.correct(400);
    let progress = meter.progress(5_000);
    assert_eq!((progress.done, progress.rate, progress.left_ms), (900, Some(0), None));
    meter.correct(-2_000);
    assert_eq!(meter.progress(5_000).done, 0);
}
