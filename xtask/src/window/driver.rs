//! A W3C WebDriver client for the app's own window, over plain HTTP/1.1 on loopback.
//!
//! Uses WebKitWebDriver (Debian: webkit2gtk-driver). Source: https://www.w3.org/TR/webdriver2/

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::screen::Screen;
use crate::sh::{self, Background, Result};

/// Key of an element's id in WebDriver replies.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Time limit of each wait for the page.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running app and its driver; both are stopped when this value is dropped.
pub struct Window {
    driver: Background,
    port: u16,
    session: String,
}

/// An element of the page.
#[derive(Clone, Debug)]
pub struct Element(String);

impl Window {
    /// Starts `app` on `screen` with its files in `data` and the additional variables `env`. Writes logs to `logs`.
    pub fn open(
        screen: &Screen,
        app: &Path,
        data: &Path,
        env: &[(&str, &str)],
        logs: &Path,
    ) -> Result<Self> {
        let mut command = Command::new("WebKitWebDriver");
        command.env("CARREL_DATA_DIR", data).envs(env.iter().copied());
        screen.configure(&mut command);
        let name =
            data.file_name().map_or("window".into(), |name| name.to_string_lossy().into_owned());
        Self::start(command, app, &logs.join(format!("{name}.log")))
    }

    /// Starts the driver by `command`, which has the environment of a screen, and `app` by the driver.
    pub fn start(mut command: Command, app: &Path, log: &Path) -> Result<Self> {
        let port = sh::free_port()?;
        command.arg(format!("--port={port}")).env("TAURI_WEBVIEW_AUTOMATION", "true");
        let mut driver = Background::start("WebKitWebDriver", &command, log)?;
        driver
            .wait_until(Duration::from_secs(20), || request(port, "GET", "/status", None).ok())?;
        let options = json!({ "capabilities": { "alwaysMatch": {
            "webkitgtk:browserOptions": { "binary": app, "args": [] },
        } } });
        let reply = request(port, "POST", "/session", Some(&options))?;
        let session =
            reply["sessionId"].as_str().ok_or_else(|| format!("no session: {reply}"))?.to_owned();
        Ok(Self { driver, port, session })
    }

    fn command(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        request(self.port, method, &format!("/session/{}{path}", self.session), body)
    }

    /// Runs JavaScript in the page; `script` is a function body and may `return`.
    pub fn script(&self, script: &str, args: &[Value]) -> Result<Value> {
        self.command("POST", "/execute/sync", Some(&json!({ "script": script, "args": args })))
    }

    /// Runs JavaScript that calls its last argument with the result.
    pub fn script_async(&self, script: &str) -> Result<Value> {
        self.command("POST", "/execute/async", Some(&json!({ "script": script, "args": [] })))
    }

    /// Calls a command of the app's registry, as the page does, and returns its reply.
    pub fn call(&self, name: &str, request: Value) -> Result<Value> {
        let script = "const [payload, done] = arguments; \
            window.__TAURI_INTERNALS__.invoke('call', payload).then((ok) => done({ ok }), (error) => done({ error }))";
        let args = json!([{ "name": name, "payload": request }]);
        let mut reply = self.command(
            "POST",
            "/execute/async",
            Some(&json!({ "script": script, "args": args })),
        )?;
        match reply.get("error") {
            Some(error) => Err(format!("{name}: {error}")),
            None => Ok(reply["ok"].take()),
        }
    }

    /// Opens an address of the app, such as `#/sync`.
    pub fn navigate(&self, hash: &str) -> Result {
        self.script("location.hash = arguments[0]", &[json!(hash)]).map(drop)
    }

    /// Returns the first element that matches a CSS selector now.
    pub fn find(&self, css: &str) -> Result<Element> {
        let found = self.command(
            "POST",
            "/element",
            Some(&json!({ "using": "css selector", "value": css })),
        )?;
        found[ELEMENT]
            .as_str()
            .map(|id| Element(id.to_owned()))
            .ok_or_else(|| format!("no element for `{css}`"))
    }

    /// Waits until the first matching element is visible and returns it.
    pub fn wait_for(&self, css: &str) -> Result<Element> {
        self.wait_until(&format!("`{css}` to be visible"), || {
            // The driver's own `displayed` reports a heading inside a sticky header as hidden.
            let script = "return document.querySelector(arguments[0])?.checkVisibility() ?? false";
            let shown = self.script(script, &[json!(css)]).is_ok_and(|shown| shown == true);
            if shown { self.find(css).ok() } else { None }
        })
    }

    /// Repeats a command until `good` accepts its reply, and returns the reply.
    pub fn wait_call(
        &self,
        what: &str,
        name: &str,
        request: Value,
        good: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.wait_until(what, || self.call(name, request.clone()).ok().filter(&good))
    }

    /// Waits until a JavaScript expression is true.
    pub fn wait_true(&self, what: &str, expression: &str) -> Result {
        let script = format!("return Boolean({expression})");
        self.wait_until(what, || self.script(&script, &[]).is_ok_and(|it| it == true).then_some(()))
    }

    fn wait_until<T>(&self, what: &str, mut poll: impl FnMut() -> Option<T>) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(found) = poll() {
                return Ok(found);
            }
            if start.elapsed() > TIMEOUT {
                let text =
                    self.script("return location.href + '\\n' + document.body.innerText", &[]);
                let shown =
                    text.ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default();
                return Err(format!(
                    "waited {} s for {what}; the window shows:\n{shown}",
                    TIMEOUT.as_secs()
                ));
            }
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits until the first matching element is visible and clicks it.
    pub fn click(&self, css: &str) -> Result {
        let element = self.wait_for(css)?;
        self.command("POST", &format!("/element/{}/click", element.0), Some(&json!({}))).map(drop)
    }

    /// Clears a field and types into it.
    pub fn fill(&self, css: &str, text: &str) -> Result {
        let element = self.wait_for(css)?;
        self.command("POST", &format!("/element/{}/clear", element.0), Some(&json!({})))?;
        self.command(
            "POST",
            &format!("/element/{}/value", element.0),
            Some(&json!({ "text": text })),
        )
        .map(drop)
    }

    /// Sends keys to the focused element. Special keys are WebDriver's code points, such as `\u{e007}` for Enter.
    pub fn send_keys(&self, keys: &str) -> Result {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let actions =
            json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.command("POST", "/actions", Some(&actions)).map(drop)
    }

    /// Returns the text of the first matching element, once it is visible.
    pub fn text(&self, css: &str) -> Result<String> {
        self.wait_for(css)?;
        let script = "return document.querySelector(arguments[0]).textContent.trim()";
        let text = self.script(script, &[json!(css)])?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Resizes the window to `width` x `height` pixels.
    pub fn resize(&self, width: u32, height: u32) -> Result {
        let size = json!({ "x": 0, "y": 0, "width": width, "height": height });
        self.command("POST", "/window/rect", Some(&size)).map(drop)
    }

    /// Closes the window, then stops the driver.
    pub fn close(self) -> Result {
        self.command("DELETE", "", None)?;
        self.driver.stop();
        Ok(())
    }
}

/// Sends one request on its own connection and returns the `value` of the reply.
fn request(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let failed = |e: std::io::Error| format!("{method} {path}: {e}");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(120))).map_err(failed)?;
    stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()))
        .map_err(failed)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).map_err(failed)?;
    value(&String::from_utf8_lossy(&reply)).map_err(|e| format!("{method} {path}: {e}"))
}

fn value(reply: &str) -> Result<Value> {
    let (head, body) = reply.split_once("\r\n\r\n").ok_or("the driver closed the connection")?;
    let mut json: Value = serde_json::from_str(body.trim()).map_err(|e| format!("{e}: {body}"))?;
    let value = json["value"].take();
    if head.split_whitespace().nth(1) == Some("200") {
        return Ok(value);
    }
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Err(format!("{}: {}", text("error"), text("message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_values_or_errors_with_the_drivers_message() {
        assert_eq!(
            value("HTTP/1.1 200 OK\r\nX: y\r\n\r\n{\"value\":{\"ready\":true}}").unwrap()["ready"],
            true
        );
        let error = value(
            "HTTP/1.1 404 Not Found\r\n\r\n{\"value\":{\"error\":\"no such element\",\"message\":\"#a\"}}",
        );
        assert_eq!(error.unwrap_err(), "no such element: #a");
        assert!(value("").unwrap_err().contains("closed"));
    }
}
