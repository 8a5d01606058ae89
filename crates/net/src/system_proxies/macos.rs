//! Settings of macOS: the script. The fixed proxies are read by the HTTP library.

use super::{SystemSettings, address::script_address};

/// Converts the values `ProxyAutoConfigEnable` and `ProxyAutoConfigURLString`.
fn settings(is_enabled: Option<i64>, script: Option<&str>) -> SystemSettings {
    let script = script.filter(|_| is_enabled == Some(1)).and_then(script_address);
    SystemSettings { script, ..SystemSettings::default() }
}

/// Reads the settings of the network in use.
#[cfg(target_os = "macos")]
pub(super) fn read() -> SystemSettings {
    use system_configuration::{
        core_foundation::{number::CFNumber, string::CFString},
        dynamic_store::SCDynamicStoreBuilder,
    };

    let store = SCDynamicStoreBuilder::new("carrel").build();
    let Some(values) = store.and_then(|store| store.get_proxies()) else {
        return SystemSettings::default();
    };
    let is_enabled = values
        .find(CFString::from_static_string("ProxyAutoConfigEnable"))
        .and_then(|value| value.downcast::<CFNumber>())
        .and_then(|number| number.to_i64());
    let script = values
        .find(CFString::from_static_string("ProxyAutoConfigURLString"))
        .and_then(|value| value.downcast::<CFString>())
        .map(|text| text.to_string());
    settings(is_enabled, script.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_used_if_it_is_switched_on() {
        let address = "http://wpad.school.example/proxy.pac";
        let found = settings(Some(1), Some(address)).script;
        assert_eq!(found.unwrap().unwrap().as_str(), address);
        for (is_enabled, script) in [
            (None, None),
            (Some(1), None),
            (Some(1), Some("")),
            (Some(0), Some(address)),
            (None, Some(address)),
            (Some(-1), Some(address)),
        ] {
            let found = settings(is_enabled, script);
            assert_eq!(found, SystemSettings::default(), "{is_enabled:?} {script:?}");
        }
        assert!(settings(Some(1), Some("data:,x")).script.unwrap().is_err());
    }
}
