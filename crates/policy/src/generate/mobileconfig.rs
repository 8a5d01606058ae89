//! A configuration profile for macOS with the sample keys.

use serde_json::Value;

use super::{example, sample_keys, xml};

pub fn profile() -> String {
    let mut keys = String::new();
    for key in sample_keys() {
        keys += &format!("      <key>{}</key>\n      {}\n", key.name, value(&example(key)));
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- Written by `cargo xtask gen`: a sample. Give each profile identifiers (UUID) of its own. -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadType</key>
  <string>Configuration</string>
  <key>PayloadVersion</key>
  <integer>1</integer>
  <key>PayloadIdentifier</key>
  <string>org.carrel.app.policies</string>
  <key>PayloadUUID</key>
  <string>5B1F3E0C-6B0E-4E0B-9C0D-2A5B6E8F7C01</string>
  <key>PayloadDisplayName</key>
  <string>Carrel</string>
  <key>PayloadScope</key>
  <string>System</string>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadType</key>
      <string>org.carrel.app</string>
      <key>PayloadVersion</key>
      <integer>1</integer>
      <key>PayloadIdentifier</key>
      <string>org.carrel.app.policies.keys</string>
      <key>PayloadUUID</key>
      <string>5B1F3E0C-6B0E-4E0B-9C0D-2A5B6E8F7C02</string>
{keys}    </dict>
  </array>
</dict>
</plist>
"#
    )
}

fn value(value: &Value) -> String {
    match value {
        Value::Bool(true) => "<true/>".into(),
        Value::Bool(false) => "<false/>".into(),
        Value::Number(number) => format!("<integer>{number}</integer>"),
        Value::Array(items) => {
            format!("<array>{}</array>", items.iter().map(self::value).collect::<String>())
        }
        other => format!("<string>{}</string>", xml(other.as_str().unwrap_or_default())),
    }
}
