//! `platforms`: the app on the systems it is not built on here.
use crate::sh::Result;
pub fn run(_args: &[String]) -> Result {
    Ok(())
}
