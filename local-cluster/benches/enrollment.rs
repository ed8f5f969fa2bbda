//! How many people can enrol at once: all of them in one course, whose row they count in; each in another of many; and
//! people who are enrolled already, as who clicks twice. By the rules of course-service, which are called directly, on
//! both databases; side by side in alternating rounds.
//!
//! `cargo bench -p local-cluster --bench enrollment`. The database shares the cores.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has nothing to say"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use auth_client::authorize::{AuthClient, Caller};
use course_service::{
    domain::{Call, Courses},
    model::{
        course::Course,
        currency::Currency,
        description::Description,
        instructor::{Instructor, Person},
        price::Price,
        slug::Slug,
        state::State,
        title::Title,
    },
    store::{Created, Store},
};
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    grpc::{
        channel::Channel,
        context::{KnownCaller, RequestContext},
    },
    mac::Mac,
    page_token::PageTokens,
    secret::Secret,
};
use test_support::ground::Ground;
use tokio::task::JoinSet;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// People who each wait for their answer before the next one comes.
const AT_ONCE: usize = 48;
/// Courses, of which the first is the one that everybody wants.
const COURSES: usize = 200;
/// How long one round takes.
const ROUND: Duration = Duration::from_secs(2);
/// Rounds of each; the median counts.
const ROUNDS: usize = 5;

/// Where people enrol.
#[derive(Debug, Clone, Copy)]
enum Rush {
    OneCourse,
    ManyCourses,
    Again,
}

#[tokio::main]
async fn main() {
    println!("{AT_ONCE} people at once, median of {ROUNDS} rounds");
    println!("| database | who enrols | enrolments/s | p50 ms | p99 ms |\n|---|---|---|---|---|");
    measure("SQLite", &Ground::sqlite()).await;
    if let Some(ground) = Ground::postgres().await {
        measure("PostgreSQL", &ground).await;
    }
}

async fn measure(database: &str, ground: &Ground) {
    let store = Store::connect(&ground.database_url("course.db"))
        .await
        .expect("the database");
    store.migrate().await.expect("the tables");
    let nowhere = Channel::to("http://127.0.0.1:1").expect("an address");
    let courses = Courses {
        store,
        auth: AuthClient::new(nowhere, &Secret::new("nobody asks".to_owned())).expect("a token"),
        clock: Clock::system(),
        entropy: Entropy::default(),
        page_tokens: PageTokens::new(Mac::derive(&[], "page-token")),
        currency: Currency::parse("USD").expect("a currency"),
    };
    let mut slugs = Vec::new();
    for number in 0..COURSES {
        slugs.push(publish(&courses, &format!("Course {number}")).await);
    }
    let slugs: Arc<[String]> = slugs.into();
    let candidates = [
        ("new ones, in one course", Rush::OneCourse),
        ("new ones, each in another course", Rush::ManyCourses),
        ("who are enrolled already", Rush::Again),
    ];
    let mut figures = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((_, rush), figures) in candidates.iter().zip(&mut figures) {
            figures.push(round(&courses, &slugs, *rush).await);
        }
    }
    for ((name, _), mut figures) in candidates.into_iter().zip(figures) {
        figures.sort_by(|one: &(f64, f64, f64), other| one.0.total_cmp(&other.0));
        let (per_second, p50, p99) = figures[ROUNDS / 2];
        println!("| {database} | {name} | {per_second:.0} | {p50:.1} | {p99:.1} |");
    }
}

/// Makes a free course that everybody sees.
async fn publish(courses: &Courses, title: &str) -> String {
    let now = courses.clock.now();
    let id = || courses.entropy.new_id(now).expect("chance");
    let title = Title::parse(title).expect("a title");
    let person = Person {
        id: id(),
        username: "ann@example.org".to_owned(),
        first_name: String::new(),
        last_name: String::new(),
    };
    let course = Course {
        id: id(),
        slug: Slug::from_title(&title),
        title,
        subtitle: None,
        description: Description::parse("What there is to learn.".to_owned()).expect("a description"),
        price: Price::FREE,
        currency: courses.currency.clone(),
        state: State::Published,
        instructors: vec![Instructor { person, position: 1 }],
        student_count: 0,
        created_at: now,
        updated_at: now,
        deleted_at: None,
        revision: 1,
    };
    match courses.store.create(course, None, now).await.expect("a course") {
        Created::Done(course) => course.slug.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// A call by this user.
fn call(courses: &Courses, user_id: Uuid) -> Call {
    Call {
        context: RequestContext {
            request_id: "bench".into(),
            method: "bench".into(),
            deadline: Instant::now() + Duration::from_secs(10),
            traceparent: None,
            peer: None,
            caller: KnownCaller::default(),
        },
        caller: Some(Arc::new(Caller {
            user_id,
            username: "sam@example.org".to_owned(),
            is_staff: false,
            session_id: user_id,
            auth_time: courses.clock.now(),
            factors: Vec::new(),
            revision: 0,
        })),
        second_factor: None,
    }
}

/// Lets people enrol for the length of a round: how many a second, and how long it takes half and 99 of 100 of them.
async fn round(courses: &Courses, slugs: &Arc<[String]>, rush: Rush) -> (f64, f64, f64) {
    let stop = Arc::new(AtomicBool::new(false));
    let turn = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut enrolling = JoinSet::new();
    for number in 0..AT_ONCE {
        let (courses, slugs) = (courses.clone(), Arc::clone(slugs));
        let (stop, turn) = (Arc::clone(&stop), Arc::clone(&turn));
        enrolling.spawn(async move {
            let mut times = Vec::with_capacity(8192);
            while !stop.load(Ordering::Relaxed) {
                let new = courses.entropy.new_id(courses.clock.now()).expect("chance");
                let (user_id, slug) = match rush {
                    Rush::OneCourse => (new, &slugs[0]),
                    Rush::ManyCourses => (new, &slugs[turn.fetch_add(1, Ordering::Relaxed) % slugs.len()]),
                    Rush::Again => (Uuid::from_u128(1 + number as u128), &slugs[0]),
                };
                let (call, asked) = (call(&courses, user_id), Instant::now());
                courses
                    .enroll(&call, slug, String::new())
                    .await
                    .expect("an enrolment");
                times.push(asked.elapsed());
            }
            times
        });
    }
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    let mut times: Vec<Duration> = enrolling.join_all().await.into_iter().flatten().collect();
    let took = begun.elapsed();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    (times.len() as f64 / took.as_secs_f64(), at(50), at(99))
}
