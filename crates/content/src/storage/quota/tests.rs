use super::*;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

#[test]
fn the_budget_is_the_minimum_of_its_limits() {
    let at = |free, used| Measured { free, used, reserved: 0 };
    let none = Limits::default();
    assert_eq!(none.budget(at(100 * GIB, 0)), 2 * GIB, "the default");
    assert_eq!(none.budget(at(5 * GIB, 0)), GIB / 2, "a tenth of the free space");
    assert_eq!(none.budget(at(9 * GIB, GIB)), GIB, "a tenth of free and used space");
    let chosen = Limits { budget: Some(8 * GIB), policy: Some(3 * GIB), floor: None };
    assert_eq!(chosen.budget(at(200 * GIB, 0)), 3 * GIB, "the policy limits the budget");
    assert_eq!(chosen.budget(at(10 * GIB, 0)), GIB);
    assert_eq!(Limits { policy: None, ..chosen }.budget(at(200 * GIB, 0)), 8 * GIB);
}

#[test]
fn a_shortage_has_the_missing_bytes_and_the_limit() {
    let limits = Limits { budget: Some(GIB), floor: Some(100 * MIB), policy: None };
    let now = Measured { free: 50 * GIB, used: GIB - 10 * MIB, reserved: 4 * MIB };
    assert_eq!(limits.shortage(now, 6 * MIB), None, "fits exactly");
    let short = limits.shortage(now, 7 * MIB).unwrap();
    assert_eq!((short.missing, short.limit), (MIB, Limit::Budget));
    assert_eq!(short.evict, MIB + GIB / 10, "down to nine tenths");
    let full = Measured { free: 101 * MIB, ..now };
    let short = Limits { budget: Some(0), ..limits }.shortage(full, 0).unwrap();
    assert_eq!(short.limit, Limit::Budget);
    let short = limits.shortage(Measured { free: 90 * MIB, used: 0, reserved: 0 }, 0).unwrap();
    assert_eq!(
        (short.missing, short.limit),
        (10 * MIB, Limit::Disk),
        "below the floor nothing is written"
    );
}
