//! Somebody asks the same thing again and again at a steady pace, whether or not answers come, and notes each.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{millis, people::Answer, percent};

/// One request and what became of it.
#[derive(Debug, Clone)]
pub struct Sample {
    pub begun: Instant,
    pub took: Duration,
    /// The error: no answer came.
    pub answer: Result<Arc<Answer>, String>,
}

impl Sample {
    /// The request that began then and has just been answered.
    pub fn answered(begun: Instant, answer: Result<Answer, reqwest::Error>) -> Self {
        let answer = answer.map(Arc::new).map_err(|error| format!("{error:?}"));
        let took = begun.elapsed();
        Self { begun, took, answer }
    }

    /// Whether it was served.
    pub fn is_served(&self) -> bool {
        self.answer
            .as_ref()
            .is_ok_and(|answer| (200..300).contains(&answer.status))
    }

    /// Whether it was told of an outage as it should be.
    pub fn is_outage(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.is_outage())
    }

    /// When it was answered.
    pub fn ended(&self) -> Instant {
        self.begun + self.took
    }
}

/// Asks until it is dropped.
pub struct Probe {
    samples: Arc<Mutex<Vec<Sample>>>,
    /// When those requests began that are not answered yet.
    unanswered: Arc<Mutex<Vec<Instant>>>,
    _asking: JoinSet<()>,
}

impl Probe {
    /// Asks with this pause between the beginnings of two requests. `ask` is given the number of the request.
    pub fn every<A>(pause: Duration, ask: impl Fn(usize) -> A + Send + 'static) -> Self
    where
        A: Future<Output = Result<Answer, reqwest::Error>> + Send + 'static,
    {
        let (samples, unanswered) = (
            Arc::<Mutex<Vec<Sample>>>::default(),
            Arc::<Mutex<Vec<Instant>>>::default(),
        );
        let mut asking = JoinSet::new();
        let (noted, open) = (Arc::clone(&samples), Arc::clone(&unanswered));
        asking.spawn(async move {
            let (mut answers, mut tick) = (JoinSet::new(), tokio::time::interval(pause));
            for number in 0.. {
                tick.tick().await;
                let (asked, noted, open) = (ask(number), Arc::clone(&noted), Arc::clone(&open));
                let begun = Instant::now();
                open.lock().unwrap().push(begun);
                answers.spawn(async move {
                    let sample = Sample::answered(begun, asked.await);
                    noted.lock().unwrap().push(sample);
                    open.lock().unwrap().retain(|other| *other != begun);
                });
                while answers.try_join_next().is_some() {}
            }
        });
        Self {
            samples,
            unanswered,
            _asking: asking,
        }
    }

    /// What became of the requests that began between two moments, the earliest first; waits for their answers.
    pub async fn between(&self, from: Instant, to: Instant) -> Summary {
        let waits = || self.unanswered.lock().unwrap().iter().any(|begun| *begun < to);
        while waits() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Summary::of(&self.answered(from, to))
    }

    /// How long after `from` the last request began that was served; nothing when none was.
    pub fn last_served(&self, from: Instant) -> Duration {
        let samples = self.answered(from, Instant::now());
        let served = samples.iter().filter(|sample| sample.is_served());
        served.map(|sample| sample.begun - from).max().unwrap_or_default()
    }

    fn answered(&self, from: Instant, to: Instant) -> Vec<Sample> {
        let samples = self.samples.lock().unwrap();
        let mut found: Vec<Sample> = samples
            .iter()
            .filter(|sample| (from..to).contains(&sample.begun))
            .cloned()
            .collect();
        found.sort_by_key(|sample| sample.begun);
        found
    }

    /// Waits for the first request that begins after `from` and is served; says how long after `from` it was
    /// answered.
    pub async fn served_again(&self, from: Instant, within: Duration) -> Duration {
        self.first("served", Sample::is_served, from, within).await
    }

    /// Waits for the first request that begins after `from` and is refused as an outage is; says how long after
    /// `from` that was.
    pub async fn refused(&self, from: Instant, within: Duration) -> Duration {
        self.first("refused", Sample::is_outage, from, within).await
    }

    async fn first(&self, how: &str, is: fn(&Sample) -> bool, from: Instant, within: Duration) -> Duration {
        let waiting = async {
            loop {
                let samples = self.answered(from, Instant::now());
                let found = samples.iter().filter(|sample| is(sample));
                if let Some(first) = found.map(Sample::ended).min() {
                    return first - from;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let Ok(after) = tokio::time::timeout(within, waiting).await else {
            let samples = self.answered(from, Instant::now());
            panic!("nothing is {how} within {within:?}: {:#?}", samples.last());
        };
        after
    }
}

/// What samples have in common: how many were served, refused as an outage is, and answered otherwise; and how long
/// they took.
#[derive(Debug)]
pub struct Summary {
    pub served: usize,
    pub refused: usize,
    /// What was neither.
    pub others: Vec<Sample>,
    pub median: Duration,
    /// What 99 of 100 did not exceed.
    pub p99: Duration,
    pub longest: Duration,
}

impl Summary {
    /// Of these.
    pub fn of(samples: &[Sample]) -> Self {
        let count = |is: fn(&Sample) -> bool| samples.iter().filter(|sample| is(sample)).count();
        let others = samples
            .iter()
            .filter(|sample| !sample.is_served() && !sample.is_outage());
        let took = |part| percent(part, samples.iter().map(|sample| sample.took).collect());
        Self {
            served: count(Sample::is_served),
            refused: count(Sample::is_outage),
            others: others.cloned().collect(),
            median: took(50),
            p99: took(99),
            longest: took(100),
        }
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.served + self.refused + self.others.len()
    }

    /// That all were served, but for a few that are refused when the whole machine stands still for a second.
    pub fn is_served_as_ever(&self) {
        let as_ever = self.others.is_empty() && self.served > 20 * self.refused;
        assert!(as_ever, "{self:?}");
    }

    /// That each was refused as an outage is within this long.
    pub fn is_refused_within(&self, most: Duration) {
        assert!(self.served == 0 && self.refused > 0, "{self:?}");
        self.is_served_or_refused_within(most);
    }

    /// That each was served, or refused as an outage is within this long.
    pub fn is_served_or_refused_within(&self, most: Duration) {
        assert!(self.others.is_empty() && self.longest < most, "{self:?}");
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { served, refused, .. } = self;
        write!(formatter, "{served} served, {refused} refused, ")?;
        if !self.others.is_empty() {
            write!(formatter, "{} else, ", self.others.len())?;
        }
        write!(formatter, "longest {}", millis(self.longest))
    }
}
