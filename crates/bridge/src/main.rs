//! The program `carrel-bridge`: serves Carrel's client to a browser, for tests and development only.
//!
//! Not here: the HTTP server (`lib.rs`).

use std::{path::PathBuf, sync::Arc};

use carrel_bridge::Bridge;
use carrel_client::{
    Client, Config,
    account::FileSecrets,
    carrel_policy::Source,
    net::{LiveHttp, SecretStore},
    system::{SystemClock, SystemIds},
};
use carrel_diagnostics::{Diagnostics, actions::SpanLayer, memory};
use clap::Parser;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Serves Carrel's client and the built UI on the loopback address.
#[derive(Parser)]
struct Args {
    /// Folder for accounts, learning records and content.
    #[arg(long)]
    data: PathBuf,
    /// Folder with the built UI: `ui/dist`.
    #[arg(long)]
    ui: PathBuf,
    /// Folder with the demo library, exported by `carrel-server export-library`.
    #[arg(long)]
    demo: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A policy file.
    #[arg(long)]
    policies: Option<PathBuf>,
    #[arg(long, default_value = "A browser")]
    device_name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let diagnostics = Arc::new(Diagnostics::new(Arc::new(SystemClock::new())));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(tracing_subscriber::EnvFilter::from_default_env());
    let spans = SpanLayer::new(diagnostics.clone()).with_filter(SpanLayer::filter());
    tracing_subscriber::registry().with(lines).with(spans).init();
    let args = Args::parse();
    std::fs::create_dir_all(&args.data)?;
    let ids = Arc::new(SystemIds);
    // Browser tests must not write to the desktop's keychain.
    let secrets: Arc<dyn SecretStore> = Arc::new(FileSecrets::new(&args.data, ids.clone()));
    let client = Client::open(Config {
        cache_dir: args.data.join("cache"),
        space: Default::default(),
        data_dir: args.data,
        demo_dir: args.demo,
        network: Default::default(),
        http: Arc::new(LiveHttp::new(concat!("Carrel/", env!("CARGO_PKG_VERSION")))?),
        clock: Arc::new(SystemClock::new()),
        ids,
        secrets: Some(secrets),
        device_name: args.device_name,
        policies: args
            .policies
            .map(|path| Source::File { path, of_machine: false })
            .into_iter()
            .collect(),
        app_version: env!("CARGO_PKG_VERSION").to_owned(),
        event_stream: true,
    })
    .await?;
    let bridge = Bridge::start(client.clone(), diagnostics.clone(), &args.ui, args.port).await?;
    tokio::spawn(memory::sample(Arc::downgrade(&diagnostics)));
    tracing::info!(bridge.addr = %bridge.addr, "ready");
    print_line(&format!("http://{}/", bridge.addr));
    tokio::signal::ctrl_c().await?;
    client.close().await;
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "the process that starts the bridge reads its address from standard output"
)]
fn print_line(line: &str) {
    println!("{line}");
}
