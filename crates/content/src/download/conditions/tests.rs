use super::*;

fn supplies(of: &[(&str, &[(&str, &str)])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    for (name, files) in of {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).expect("the folder is created");
        for (file, text) in *files {
            fs::write(folder.join(file), format!("{text}\n")).expect("the file is written");
        }
    }
    dir
}

#[test]
fn batteries_are_read_from_sysfs() {
    let mains: (&str, &[_]) = ("AC", &[("type", "Mains"), ("online", "0")]);
    let mouse: (&str, &[_]) = (
        "hid-1",
        &[("type", "Battery"), ("scope", "Device"), ("status", "Discharging"), ("capacity", "5")],
    );
    let first = |status| -> [(&'static str, &'static str); 3] {
        [("type", "Battery"), ("status", status), ("capacity", "41")]
    };
    let second = [("type", "Battery"), ("status", "Discharging"), ("capacity", "62")];
    let (drains, charges, full) = (first("Discharging"), first("Charging"), first("Full"));
    for (list, expected) in [
        (vec![], None),
        (vec![mains, mouse], None),
        (vec![mains, ("BAT0", &drains[..])], Some(Power::Battery(41))),
        (vec![("BAT0", &charges[..])], Some(Power::Mains)),
        (vec![("BAT0", &full[..]), mouse], Some(Power::Mains)),
        (vec![("BAT0", &drains[..]), ("BAT1", &second[..])], Some(Power::Battery(62))),
        (vec![("BAT0", &full[..]), ("BAT1", &second[..])], Some(Power::Battery(62))),
    ] {
        assert_eq!(power(supplies(&list).path()), expected, "{list:?}");
    }
    assert_eq!(power(Path::new("/nowhere")), None);
}

#[test]
fn conditions_of_the_ui_override_those_of_the_system() {
    let ui = ReportedConditions { metered: Some(true), ..ReportedConditions::default() };
    let system =
        ReportedConditions { online: None, metered: Some(false), power: Some(Power::Battery(7)) };
    let both = ui.or(system).conditions();
    assert_eq!(both, Conditions { network: Network::Metered, power: Power::Battery(7) });
    assert_eq!(ReportedConditions::default().conditions(), Conditions::default());
    let offline = ReportedConditions { online: Some(false), ..ui };
    assert_eq!(offline.conditions().network, Network::Offline);
}
