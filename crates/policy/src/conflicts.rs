//! Rules that concern several keys. Runs after all sources were read.

use crate::{
    check::Value,
    policies::{InForce, Values},
    problem::{Effect, Problem, ProblemCode},
    server_pattern::ServerPattern,
};

/// Removes values that contradict others, and reports them and those without effect.
pub fn resolve(values: &mut Values, problems: &mut Vec<Problem>) {
    if let Some(Value::List(allowed)) = value(values, "AllowedServers")
        && let Some(Value::Text(address)) = value(values, "ServerAddress")
        && !allowed.iter().any(|item| ServerPattern::parse(item).is_ok_and(|p| p.matches(address)))
    {
        let hint = "add the server to AllowedServers, or remove ServerAddress";
        let message = "the server is not one of AllowedServers";
        ignore(values, problems, "ServerAddress", message, hint);
    }
    if is_true(values, "ServerAddressLocked") && !values.contains_key("ServerAddress") {
        let hint = "set ServerAddress, or remove ServerAddressLocked";
        let message = "there is no ServerAddress in force that could be locked";
        ignore(values, problems, "ServerAddressLocked", message, hint);
    }
    for (mode, address) in [("manual", "ProxyUrl"), ("pac", "ProxyPacUrl")] {
        if is(values, "ProxyMode", mode) && !values.contains_key(address) {
            let message = format!("the mode is {mode}, but there is no {address} in force");
            let hint = format!("set {address}; until then, the proxy of the system is used");
            ignore(values, problems, "ProxyMode", &message, &hint);
        }
    }
    for (key, mode) in [("ProxyUrl", "manual"), ("ProxyBypass", "manual"), ("ProxyPacUrl", "pac")] {
        if !is(values, "ProxyMode", mode) {
            let hint = format!("set ProxyMode to {mode}, or remove {key}");
            report_idle(values, problems, key, &format!("ProxyMode is not {mode}"), &hint);
        }
    }
    if is(values, "UpdateMode", "off") {
        for key in ["UpdateChannel", "UpdateUrl", "SelfUpdateManagedPackages"] {
            let hint = format!("remove {key}, or choose another UpdateMode");
            report_idle(values, problems, key, "UpdateMode is off", &hint);
        }
    }
    if is_true(values, "ServerAddressLocked") {
        let hint = "remove AllowedServers, or ServerAddressLocked";
        report_idle(values, problems, "AllowedServers", "the server address is locked", hint);
    }
}

fn value<'a>(values: &'a Values, key: &str) -> Option<&'a Value> {
    values.get(key).map(|in_force| &in_force.value)
}

fn is_true(values: &Values, key: &str) -> bool {
    value(values, key) == Some(&Value::Bool(true))
}

fn is(values: &Values, key: &str, text: &str) -> bool {
    matches!(value(values, key), Some(Value::Text(value)) if value == text)
}

fn ignore(values: &mut Values, problems: &mut Vec<Problem>, key: &str, message: &str, hint: &str) {
    if let Some(in_force) = values.remove(key) {
        problems.push(problem(&in_force, key, ProblemCode::Conflict, message.to_owned(), hint));
    }
}

fn report_idle(values: &Values, problems: &mut Vec<Problem>, key: &str, why: &str, hint: &str) {
    if let Some(in_force) = values.get(key)
        && in_force.value != Value::Bool(false)
    {
        let message = format!("the key has no effect: {why}");
        let idle = problem(in_force, key, ProblemCode::NoEffect, message, hint);
        problems.push(Problem { effect: Effect::InForce, ..idle });
    }
}

fn problem(
    in_force: &InForce,
    key: &str,
    code: ProblemCode,
    message: String,
    hint: &str,
) -> Problem {
    Problem {
        code,
        effect: Effect::KeyIgnored,
        source: in_force.source.clone(),
        key: Some(key.to_owned()),
        position: in_force.position,
        message,
        expected: String::new(),
        hint: hint.to_owned(),
    }
}
