//! `cargo run -p carrel-commands --example gen -- DIR`: writes the TypeScript types and client of the commands to DIR.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).ok_or("usage: gen DIR")?;
    carrel_commands::typescript::generate(std::path::Path::new(&dir))
}
