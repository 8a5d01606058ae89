//! Kinds of network faults, and their rates.

use std::collections::BTreeMap;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The request does not reach the server.
    LoseRequest,
    /// The request is processed, but the reply is lost.
    LoseReply,
    /// The request is processed twice; the second reply is returned.
    Duplicate,
    /// The request times out, and is processed later.
    Late,
    /// The connection breaks within the body of the reply.
    CutBody,
    /// 401 with problem details, as if the server had lost the token.
    Unauthorized,
    /// 413 with problem details.
    TooLarge,
    /// 429 with `Retry-After`.
    RateLimited,
    /// 500 with problem details.
    Internal,
    /// 503 from a proxy: HTML.
    Unavailable,
    /// 200 and the page of a captive portal.
    Portal,
    /// 302 to the page of a captive portal.
    Redirect,
    /// 200 and JSON of another form.
    WrongJson,
    /// The correct reply with the type `text/plain`.
    WrongType,
    /// An endless body.
    EndlessBody,
    /// A slow body that times out.
    SlowBody,
    /// The correct reply to a push without its last result; for other requests, the correct reply
    /// without its last field.
    WrongCount,
}

impl Fault {
    pub const ALL: [Self; 17] = [
        Self::LoseRequest,
        Self::LoseReply,
        Self::Duplicate,
        Self::Late,
        Self::CutBody,
        Self::Unauthorized,
        Self::TooLarge,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
        Self::Portal,
        Self::Redirect,
        Self::WrongJson,
        Self::WrongType,
        Self::EndlessBody,
        Self::SlowBody,
        Self::WrongCount,
    ];
}

/// Rates of faults, in permille of the requests. Each request has at most one fault, so that the sum
/// should stay below 1,000.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultRates {
    rates: BTreeMap<Fault, u32>,
}

impl FaultRates {
    /// Returns the rates of a network without faults.
    pub fn none() -> Self {
        Self::default()
    }
    /// Returns this rate for each fault, and a quarter of it for endless bodies, which are slow to read.
    pub fn all(permille: u32) -> Self {
        let rate = |f: Fault| if f == Fault::EndlessBody { permille.div_ceil(4) } else { permille };
        Self { rates: Fault::ALL.into_iter().map(|f| (f, rate(f))).collect() }
    }
    #[must_use]
    pub fn with(mut self, fault: Fault, permille: u32) -> Self {
        self.rates.insert(fault, permille);
        self
    }
    pub fn kinds(&self) -> impl Iterator<Item = Fault> + '_ {
        self.rates.iter().filter(|(_, rate)| **rate > 0).map(|(fault, _)| *fault)
    }
    /// Returns the fault for a random number from 0 to 999.
    pub(crate) fn draw(&self, draw: u64) -> Option<Fault> {
        let mut left = draw;
        for (fault, rate) in &self.rates {
            let rate = u64::from(*rate);
            if left < rate {
                return Some(*fault);
            }
            left -= rate;
        }
        None
    }
}
