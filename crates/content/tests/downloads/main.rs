//! Downloads against a library on paper: cuts, hostile answers, rules, fairness, editions, a store of the machine. Nothing here waits for real time.

mod cuts;
mod desk;
mod editions;
mod fair;
mod hostile;
mod machine;
mod net;
mod pauses;
mod proof;
mod recovery;
mod stalls;
