"""Makes reference.csv: states of random histories, computed by two other implementations of FSRS-6.

    pip install fsrs==6.3.2 fsrs-rs-python==0.9.3
    python3 make_reference.py > reference.csv

A line is: ratings, days between them (0 first), stability and difficulty by `fsrs` (Python, MIT) and by
`fsrs-rs-python` (the Rust crate `fsrs`, BSD-3-Clause), with the default weights.
"""

import random
from datetime import datetime, timedelta, timezone

import fsrs
import fsrs_rs_python as rs

rng = random.Random(20777)
scheduler = fsrs.Scheduler(learning_steps=(), relearning_steps=(), enable_fuzzing=False)
model = rs.FSRS(list(scheduler.parameters))

print("ratings,days,python_stability,python_difficulty,rust_stability,rust_difficulty")
for _ in range(150):
    count = rng.randint(1, 14)
    ratings = [rng.choices([1, 2, 3, 4], [2, 1, 5, 2])[0] for _ in range(count)]
    days = [0] + [rng.choice([0, 1, 1, 2, 3, 5, 8, 13, 21, 60, 365]) for _ in range(count - 1)]
    card, at = fsrs.Card(), datetime(2026, 1, 1, tzinfo=timezone.utc)
    for rating, passed in zip(ratings, days):
        # Some seconds, so that answers on one day have an order.
        at += timedelta(days=passed, seconds=1)
        card, _log = scheduler.review_card(card, fsrs.Rating(rating), at)
    reviews = [rs.FSRSReview(rating, passed) for rating, passed in zip(ratings, days)]
    state = model.memory_state(rs.FSRSItem(reviews))
    print(
        "".join(map(str, ratings)),
        " ".join(map(str, days)),
        repr(card.stability),
        repr(card.difficulty),
        repr(state.stability),
        repr(state.difficulty),
        sep=",",
    )
