use super::*;

#[test]
fn every_rule_decides_as_documented() {
    let mains = |network| Conditions { network, power: Power::Mains };
    let battery = |network, left| Conditions { network, power: Power::Battery(left) };
    let rules = |metered| Rules { metered, ..Rules::default() };
    let fixed = |metered| Rules { metered_fixed: true, ..rules(metered) };
    let charging =
        Rules { only_charging: true, metered: super::Metered::Always, ..Rules::default() };
    let requested =
        |missing| PolicyInput { missing: Some(missing), anyway: false, is_requested: true };
    let anyway = PolicyInput { anyway: true, ..requested(SMALL_DOWNLOAD * 9) };
    let update = PolicyInput { is_requested: false, ..requested(1) };
    use Network::{Offline, Unmetered};

    use super::Metered::{Always, Never, Small};
    for (n, (conditions, rules, input, expected)) in [
        (mains(Unmetered), rules(Never), requested(SMALL_DOWNLOAD * 9), Ok(MAX_TRANSFERS)),
        (mains(Unmetered), rules(Never), update, Ok(MAX_TRANSFERS)),
        (mains(Offline), rules(Always), requested(1), Err(Reason::Offline)),
        (mains(Offline), rules(Always), anyway, Err(Reason::Offline)),
        (mains(Network::Metered), rules(Never), requested(1), Err(Reason::Metered)),
        (
            mains(Network::Metered),
            rules(Small),
            requested(SMALL_DOWNLOAD),
            Ok(MAX_TRANSFERS_METERED),
        ),
        (
            mains(Network::Metered),
            rules(Small),
            requested(SMALL_DOWNLOAD + 1),
            Err(Reason::Metered),
        ),
        (
            mains(Network::Metered),
            rules(Small),
            PolicyInput { missing: None, ..requested(0) },
            Ok(MAX_TRANSFERS_METERED),
        ),
        (
            mains(Network::Metered),
            rules(Always),
            requested(SMALL_DOWNLOAD * 9),
            Ok(MAX_TRANSFERS_METERED),
        ),
        (mains(Network::Metered), rules(Always), update, Err(Reason::Metered)),
        (mains(Network::Metered), rules(Never), anyway, Ok(MAX_TRANSFERS_METERED)),
        (mains(Network::Metered), fixed(Never), anyway, Err(Reason::Metered)),
        (mains(Network::Metered), fixed(Small), anyway, Err(Reason::Metered)),
        (mains(Network::Metered), fixed(Always), anyway, Ok(MAX_TRANSFERS_METERED)),
        (battery(Network::Metered, 1), fixed(Always), anyway, Ok(MAX_TRANSFERS_METERED)),
        (battery(Unmetered, 1), fixed(Never), anyway, Ok(MAX_TRANSFERS)),
        (battery(Unmetered, 80), rules(Never), requested(1), Ok(MAX_TRANSFERS)),
        (battery(Unmetered, LOW_BATTERY), rules(Never), requested(1), Ok(MAX_TRANSFERS)),
        (battery(Unmetered, LOW_BATTERY - 1), rules(Never), requested(1), Err(Reason::Battery)),
        (battery(Unmetered, LOW_BATTERY - 1), rules(Never), anyway, Ok(MAX_TRANSFERS)),
        (battery(Unmetered, 100), charging, requested(1), Err(Reason::Battery)),
        (mains(Unmetered), charging, requested(1), Ok(MAX_TRANSFERS)),
        (mains(Unmetered), Rules { forbidden: true, ..charging }, anyway, Err(Reason::Policy)),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(allow(conditions, rules, input), expected, "row {n}");
    }
}
