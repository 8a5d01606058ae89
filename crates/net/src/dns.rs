//! Name resolution with the system's resolver, with an error that is recognised as one of name resolution.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The name of a server has no address, or no name server replied.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve the name {name}: {error}")]
pub(crate) struct NotResolved {
    name: String,
    error: std::io::Error,
}

/// The system's resolver.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            // RFC 6761: never sent to a name server.
            if name.ends_with(".localhost") {
                let loopback: [IpAddr; 2] =
                    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                return Ok(Box::new(loopback.map(|ip| SocketAddr::new(ip, 0)).into_iter()) as Addrs);
            }
            // The port is replaced by that of the URL.
            let found: Result<Vec<_>, _> = match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(found) => Ok(found.collect()),
                Err(error) => Err(error),
            };
            match found {
                Ok(found) => Ok(Box::new(found.into_iter()) as Addrs),
                Err(error) => Err(NotResolved { name, error }.into()),
            }
        })
    }
}
