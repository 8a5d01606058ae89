//! The ways in which a network goes wrong, and how often each does.

use std::collections::BTreeMap;

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The request never arrives.
    LoseRequest,
    /// The request arrives and is answered; the answer does not.
    LoseReply,
    /// The request arrives twice; the second answer comes back.
    Duplicate,
    /// The caller gives up, and the request arrives later, after others.
    Late,
    /// The answer ends in the middle.
    CutBody,
    /// 401 with problem details, from a server that forgot the token.
    Unauthorized,
    /// 413 with problem details.
    TooLarge,
    /// 429 with `Retry-After`.
    RateLimited,
    /// 500 with problem details.
    Internal,
    /// 503 of a proxy: HTML.
    Unavailable,
    /// 200 and the sign-in page of a Wi-Fi.
    Portal,
    /// 302 to the sign-in page of a Wi-Fi.
    Redirect,
    /// 200 and JSON of something else.
    WrongJson,
    /// The right answer, called `text/plain`.
    WrongType,
    /// A body without end.
    Endless,
    /// A body that drips, and then stops.
    Drip,
    /// The right answer to a push, but one result is missing. For other requests: the answer without its last field.
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
        Self::Endless,
        Self::Drip,
        Self::WrongCount,
    ];
}

/// How often each fault happens, in permille of the requests. They are drawn one after the other: the sum should stay under 1,000.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    rates: BTreeMap<Fault, u32>,
}

impl Faults {
    /// A healthy network.
    pub fn none() -> Self {
        Self::default()
    }
    /// Every fault, each this often. Bodies without end cost time to read: they come at a quarter of that.
    pub fn all(permille: u32) -> Self {
        let rate = |f: Fault| if f == Fault::Endless { permille.div_ceil(4) } else { permille };
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
    /// The fault for a draw of 0 to 999.
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
