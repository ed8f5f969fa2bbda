//! Kinds of calls that no clock shall tell apart.
//!
//! They take turns, so that whatever else the machine does falls on all of them alike, and are compared by rank, so that
//! a few slow ones decide nothing. Told apart counts as: different by more than a tenth of the time, surely (z > 4).

/// By which share of the time of a call two kinds may differ.
const TOLERANCE: f64 = 0.1;
/// From which score on a difference is no chance.
const SURE: f64 = 4.0;

/// Asserts that each kind takes as long as the first. `time` makes the call of a round and a kind, and says how many
/// milliseconds it took.
pub async fn assert_alike(rounds: usize, kinds: &[&str], time: impl AsyncFn(usize, usize) -> f64) {
    let mut times = vec![Vec::new(); kinds.len()];
    for round in 0..=rounds {
        for step in 0..kinds.len() {
            let kind = (round + step) % kinds.len();
            let took = time(round, kind).await;
            // The first round opens connections and makes first rows.
            if round > 0 {
                times[kind].push(took);
            }
        }
    }
    for (own, name) in times.iter().zip(kinds).skip(1) {
        let other = &times[0];
        let tolerance = median(other) * TOLERANCE;
        let (faster, slower) = (score(own, other, tolerance), score(other, own, tolerance));
        assert!(
            faster < SURE && slower < SURE,
            "{name}: {:.2} ms, {}: {:.2} ms; faster {faster:.1}, slower {slower:.1}",
            median(own),
            kinds[0],
            median(other)
        );
    }
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// How surely `one` is smaller than `other` by more than `by`: the standard score of Mann and Whitney's U.
fn score(one: &[f64], other: &[f64], by: f64) -> f64 {
    let smaller = |time: &f64| other.iter().filter(|other| time + by < **other).count();
    let count = one.iter().map(smaller).sum::<usize>();
    let (n, m) = (one.len() as f64, other.len() as f64);
    (count as f64 - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}
