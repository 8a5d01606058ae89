//! Parameter sets: the 21 weights of FSRS-6 and where they come from.

use carrel_model::lattice::params_id;
use serde::{Deserialize, Serialize};

/// Name of the algorithm in a parameter set.
const ALGORITHM: &str = "fsrs6";

/// The weights of FSRS-6, each within its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights([f64; 21]);

impl Weights {
    /// The default weights, which fit an average learner.
    pub const DEFAULT: Self = Self([
        0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796,
        1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542,
    ]);
    /// The least and the greatest value of each weight.
    const LIMITS: [(f64, f64); 21] = [
        (0.001, 100.0),
        (0.001, 100.0),
        (0.001, 100.0),
        (0.001, 100.0),
        (1.0, 10.0),
        (0.001, 4.0),
        (0.001, 4.0),
        (0.001, 0.75),
        (0.0, 4.5),
        (0.0, 0.8),
        (0.001, 3.5),
        (0.001, 5.0),
        (0.001, 0.25),
        (0.001, 0.9),
        (0.0, 4.0),
        (0.0, 1.0),
        (1.0, 6.0),
        (0.0, 2.0),
        (0.0, 2.0),
        (0.0, 0.8),
        (0.1, 0.8),
    ];

    /// Returns the weights, limited to their ranges; `None` unless there are 21 finite numbers.
    pub fn new(weights: &[f64]) -> Option<Self> {
        let mut found: [f64; 21] = weights.try_into().ok()?;
        if found.iter().any(|w| !w.is_finite()) {
            return None;
        }
        for (w, (low, high)) in found.iter_mut().zip(Self::LIMITS) {
            *w = w.clamp(low, high);
        }
        Some(Self(found))
    }
    /// Returns the weights in their usual order.
    pub fn as_array(&self) -> &[f64; 21] {
        &self.0
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A parameter set as it is stored: identified by its content, never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParamSet {
    /// The algorithm: `fsrs6`. Sets of other algorithms are kept for later releases.
    pub algo: String,
    /// The weights.
    pub w: Vec<f64>,
    /// Number of reviews from which they were trained.
    pub reviews: u32,
    /// The last study day of these reviews.
    pub through_day: i32,
    /// Name and version of the trainer.
    pub trainer: String,
}

impl ParamSet {
    /// Returns the set of weights that were trained from `reviews` reviews up to a study day.
    pub fn trained(weights: &Weights, reviews: u32, through_day: i32, trainer: &str) -> Self {
        Self {
            algo: ALGORITHM.to_owned(),
            w: weights.0.to_vec(),
            reviews,
            through_day,
            trainer: trainer.to_owned(),
        }
    }
    /// Returns the stored text and the id that is derived from it.
    pub fn to_text(&self) -> (String, String) {
        let text = serde_json::to_string(self).unwrap_or_default();
        (params_id(&text), text)
    }
    /// Returns the weights of a stored set; `None` for a set that this release cannot use.
    pub fn weights(text: &str) -> Option<Weights> {
        let set: Self = serde_json::from_str(text).ok()?;
        Weights::new(&set.w).filter(|_| set.algo == ALGORITHM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_as_it_was_written() {
        let mut w = *Weights::DEFAULT.as_array();
        w[0] = 0.1 + 0.2;
        w[20] = f64::from(0.154_201_12_f32);
        let weights = Weights::new(&w).unwrap();
        let set = ParamSet::trained(&weights, 6_276, 20_777, "fsrs 6.6.2");
        let (id, text) = set.to_text();
        assert_eq!(ParamSet::weights(&text), Some(weights));
        assert_eq!(id, params_id(&text));
        assert_eq!(set.clone().to_text().0, id);
    }

    #[test]
    fn a_set_that_cannot_be_used_is_refused() {
        let text = |algo: &str, w: &str| {
            format!(r#"{{"algo":"{algo}","w":{w},"reviews":1,"throughDay":1,"trainer":"t"}}"#)
        };
        let good = serde_json::to_string(&Weights::DEFAULT.0).unwrap();
        assert!(ParamSet::weights(&text("fsrs6", &good)).is_some());
        for bad in [text("fsrs7", &good), text("fsrs6", "[1,2]"), "null".into(), "{}".into()] {
            assert_eq!(ParamSet::weights(&bad), None, "{bad}");
        }
        assert_eq!(Weights::new(&[f64::NAN; 21]), None);
        let limited = Weights::new(&[1e9; 21]).unwrap();
        assert_eq!((limited.0[0], limited.0[20]), (100.0, 0.8));
        assert_eq!(Weights::new(Weights::DEFAULT.as_array()), Some(Weights::DEFAULT));
    }
}
