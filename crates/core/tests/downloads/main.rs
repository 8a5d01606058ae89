//! Downloads against a library on paper: cuts, hostile answers, rules, fairness, editions. Nothing here waits for real time.

mod cuts;
mod desk;
mod editions;
mod fair;
mod hostile;
mod net;
mod pauses;
mod proof;
