//! Tests of the HTTP client over loopback connections: TLS, proxies, and the causes of failures.

mod causes;
mod proxies;
mod system_proxies;
