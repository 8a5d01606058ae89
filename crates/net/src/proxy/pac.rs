//! Runs proxy configuration scripts (PAC) with QuickJS, within limits of time and memory.
//!
//! Not here: loading the script, and what is done with its result (`proxy`).

use std::{
    net::{IpAddr, Ipv4Addr, ToSocketAddrs, UdpSocket},
    sync::Arc,
};

use carrel_system::Clock;
use rquickjs::{Context, Ctx, Function, Object, Runtime};
use url::Url;

const MAX_MEMORY_BYTES: usize = 64 * 1024 * 1024;
const MAX_STACK_BYTES: usize = 512 * 1024;
/// Maximum number of steps of about 10,000 operations.
const MAX_STEPS: u32 = 2_000;
/// Maximum number of proxies read from a result.
const MAX_PROXIES: usize = 16;

const PRELUDE: &str = include_str!("pac.js");

/// Calls the script's function for `url`; returns proxies in order of preference, `None` for a direct connection.
/// Blocking: the script may resolve names.
///
/// # Errors
///
/// A message if the script is invalid, throws, exceeds a limit, or returns no usable result.
pub(super) fn run(
    script: &str,
    url: &Url,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Option<Url>>, String> {
    let runtime = Runtime::new().map_err(|e| e.to_string())?;
    runtime.set_memory_limit(MAX_MEMORY_BYTES);
    runtime.set_max_stack_size(MAX_STACK_BYTES);
    // Steps instead of time, which also passes while the script waits for a name server.
    let mut steps = 0;
    runtime.set_interrupt_handler(Some(Box::new(move || {
        steps += 1;
        steps > MAX_STEPS
    })));
    let context = Context::full(&runtime).map_err(|e| e.to_string())?;
    let result = context.with(|ctx| {
        let run = || -> rquickjs::Result<String> {
            add_functions(&ctx, clock.clone())?;
            ctx.eval::<(), _>(PRELUDE)?;
            let mut options = rquickjs::context::EvalOptions::default();
            options.strict = false;
            ctx.eval_with_options::<(), _>(script.trim_start_matches('\u{feff}'), options)?;
            let globals = ctx.globals();
            let find: Function<'_> =
                globals.get("FindProxyForURL").or_else(|_| globals.get("FindProxyForURLEx"))?;
            let result: Option<String> =
                find.call((visible_url(url), url.host_str().unwrap_or_default()))?;
            Ok(result.unwrap_or_default())
        };
        run().map_err(|e| match e {
            rquickjs::Error::Exception => thrown(&ctx),
            e => e.to_string(),
        })
    })?;
    parse(&result)
}

/// Returns the URL as a script may see it: without path and query, which can contain private data.
fn visible_url(url: &Url) -> String {
    format!("{}/", url.origin().ascii_serialization())
}

fn thrown(ctx: &Ctx<'_>) -> String {
    let value = ctx.catch();
    let text = match value.as_exception() {
        Some(exception) => exception.message().unwrap_or_default(),
        None => value.as_string().and_then(|text| text.to_string().ok()).unwrap_or_default(),
    };
    // An interrupted script throws an exception that cannot be caught.
    if text.is_empty() {
        "the script was stopped".to_owned()
    } else {
        text.chars().take(200).collect()
    }
}

fn add_functions(ctx: &Ctx<'_>, clock: Arc<dyn Clock>) -> rquickjs::Result<()> {
    let globals: Object<'_> = ctx.globals();
    globals.set(
        "dnsResolve",
        Function::new(ctx.clone(), |host: String| {
            resolve(&host).into_iter().find(IpAddr::is_ipv4).map(|ip| ip.to_string())
        })?,
    )?;
    globals.set(
        "__resolveAll",
        Function::new(ctx.clone(), |host: String| {
            resolve(&host).iter().map(IpAddr::to_string).collect::<Vec<_>>()
        })?,
    )?;
    globals.set(
        "__isInPrefix",
        Function::new(ctx.clone(), |host: String, prefix: String| is_in_prefix(&host, &prefix))?,
    )?;
    globals.set("myIpAddress", Function::new(ctx.clone(), || own_address().to_string())?)?;
    globals.set("__nowMs", Function::new(ctx.clone(), move || clock.now_ms() as f64)?)
}

fn resolve(host: &str) -> Vec<IpAddr> {
    if let Ok(ip) = host.parse() {
        return vec![ip];
    }
    (host, 0).to_socket_addrs().map_or_else(|_| Vec::new(), |found| found.map(|a| a.ip()).collect())
}

/// Returns the device's address in its default network; loopback without a network. Sends nothing.
fn own_address() -> IpAddr {
    let find = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // An address reserved for documentation (RFC 5737).
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        Ok(socket.local_addr()?.ip())
    };
    find().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Returns whether an address of `host` is in `prefix`, such as `10.0.0.0/8` or `fe80::/10`.
fn is_in_prefix(host: &str, prefix: &str) -> bool {
    let Some((base, bits)) = prefix.split_once('/') else { return false };
    let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    resolve(host).into_iter().any(|ip| match (ip, base) {
        (IpAddr::V4(ip), IpAddr::V4(base)) if bits <= 32 => {
            (ip.to_bits() ^ base.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(base)) if bits <= 128 => {
            (ip.to_bits() ^ base.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    })
}

/// Parses a result such as `PROXY a:8080; SOCKS5 b:1080; DIRECT`. Unknown entries are skipped. An empty result means
/// `DIRECT`.
fn parse(result: &str) -> Result<Vec<Option<Url>>, String> {
    if result.trim().is_empty() {
        return Ok(vec![None]);
    }
    let mut proxies = Vec::new();
    for entry in
        result.split(';').map(str::trim).filter(|entry| !entry.is_empty()).take(MAX_PROXIES)
    {
        let (kind, address) = entry.split_once(char::is_whitespace).unwrap_or((entry, ""));
        let scheme = match kind.to_ascii_uppercase().as_str() {
            "DIRECT" if address.trim().is_empty() => {
                proxies.push(None);
                continue;
            }
            "PROXY" | "HTTP" => "http",
            "HTTPS" => "https",
            "SOCKS5" => "socks5h",
            "SOCKS" | "SOCKS4" => "socks4a",
            _ => continue,
        };
        let default_port = if scheme.starts_with("socks") { 1080 } else { 80 };
        let Ok(mut url) = Url::parse(&format!("{scheme}://{}", address.trim())) else { continue };
        // `PROXY host` without a port means port 80, also for https.
        if url.port_or_known_default().is_none() && url.set_port(Some(default_port)).is_err() {
            continue;
        }
        if url.host().is_some() && matches!(url.path(), "" | "/") && url.query().is_none() {
            proxies.push(Some(url));
        }
    }
    match proxies.is_empty() {
        true => {
            Err(format!("the script returned {:?}", result.chars().take(200).collect::<String>()))
        }
        false => Ok(proxies),
    }
}

#[cfg(test)]
mod tests;
