//! Passwords are changed while people work: the database's, and the mail server's.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{postgres::Cluster, smtp::SmtpServer};
use tokio::time::sleep;

use crate::{
    asking::{creates, logins, reads},
    fleet::{Filter, Fleet, Ground, Summary, Writers, free_ports, millis, people::Person, row},
};

/// How long it may take until something is as it is to be.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a service logs when it follows.
const FOLLOWED: &str = "the address of the database has changed";

pub async fn run(filter: &Filter) {
    // They mostly wait.
    tokio::join!(database(filter), mail(filter));
}

/// The database, as its operator has it, and the file that tells the services how to log in.
struct Office<'a> {
    cluster: &'a Cluster,
    fleet: Fleet,
    file: &'a Path,
    database: &'a str,
    changes: usize,
}

impl Office<'_> {
    async fn tell(&self, statement: &str) {
        let mut operator = PgConnection::connect(&self.cluster.url("postgres"))
            .await
            .unwrap();
        let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        statement.execute(&mut operator).await.unwrap();
    }

    fn url(&self, role: &str, password: &str) -> String {
        format!(
            "postgres://{role}:{password}@127.0.0.1:{}/{}",
            self.cluster.port(),
            self.database
        )
    }

    fn write(&self, role: &str, password: &str) {
        fs::write(self.file, self.url(role, password) + "\n").unwrap();
    }

    /// Both services open connections as the file says now.
    async fn is_followed(&mut self) {
        self.changes += 1;
        let begun = Instant::now();
        for part in ["auth-service", "course-service"] {
            while self.fleet.part(part).log().matches(FOLLOWED).count() < self.changes {
                assert!(
                    begun.elapsed() < PATIENCE,
                    "{part} does not follow{}",
                    self.fleet.complaints()
                );
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Every connection of the services is ended, and what they are asked then is done by new ones.
    async fn serves_by_new_connections(&self, staff: &Person) {
        self.tell("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'edu%'")
            .await;
        let read = staff.send(Method::GET, "/courses", None, &[]).await.unwrap();
        let course = json!({"title": format!("After {}", self.changes), "description": "d", "price": "1.50"});
        let made = staff
            .send(Method::POST, "/courses", Some(course), &[])
            .await
            .unwrap();
        assert_eq!(
            (read.status, made.status),
            (200, 201),
            "{read:?}, {made:?}{}",
            self.fleet.complaints()
        );
    }
}

async fn database(filter: &Filter) {
    if filter.wants("secrets_of_the_database")
        && let Some(cluster) = Cluster::start().await
    {
        password(&cluster).await;
    }
}

async fn password(cluster: &Cluster) {
    let database = cluster.database().await;
    let rules = cluster.directory().join("data/pg_hba.conf");
    let former = fs::read_to_string(&rules).unwrap();
    // It is kept for SCRAM, and the server does the computing: our side takes a tenth of a second for it where it is
    // built without optimisation.
    fs::write(
        &rules,
        format!("host {} edu,edu_b all password\n{former}", database.name()),
    )
    .unwrap();
    let ground = Ground::sqlite();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut operator = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    for statement in [
        "SELECT pg_reload_conf()".to_owned(),
        "CREATE ROLE edu LOGIN PASSWORD 'first'".to_owned(),
        format!("ALTER DATABASE {} OWNER TO edu", database.name()),
    ] {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        statement.execute(&mut operator).await.unwrap();
    }
    let url = format!(
        "postgres://edu:first@127.0.0.1:{}/{}",
        cluster.port(),
        database.name()
    );
    fs::write(file.path(), url).unwrap();
    let settings = [("DATABASE_URL_FILE", file.path().display().to_string())];
    let mut office = Office {
        cluster,
        fleet: Fleet::start_with(ground, 1, &settings).await,
        file: file.path(),
        database: database.name(),
        changes: 0,
    };
    let staff = Person::staff(&office.fleet.gateways, 0).await;
    let writers = Writers::start(&office.fleet.gateways, 4).await;
    let (reads, logins) = (reads(&office.fleet.gateways), logins(&office.fleet.gateways));
    sleep(Duration::from_secs(1)).await;

    let from = Instant::now();
    // The file first: for a while it opens nothing, and the former password goes on.
    office.write("edu", "second");
    sleep(Duration::from_millis(1500)).await;
    office.tell("ALTER ROLE edu PASSWORD 'second'").await;
    office.is_followed().await;
    // The server first.
    office.tell("ALTER ROLE edu PASSWORD 'third'").await;
    office.write("edu", "third");
    office.is_followed().await;
    let former = PgConnection::connect(&office.url("edu", "second")).await;
    assert!(former.is_err(), "the former password still opens connections");
    let to = Instant::now();
    let (read, login) = (reads.between(from, to).await, logins.between(from, to).await);
    let found = writers.finish().await;
    drop((reads, logins));
    office.serves_by_new_connections(&staff).await;
    row(
        "the password of the database's role is changed, twice, in the file and on the server",
        "served as ever, but for 503 to who needs a new connection in the second until the file is read; new \
         connections use the new one without a restart",
        &format!("reads: {read}; logins: {login}; {}", found.told()),
    );
    found.is_whole(&office.fleet);
    let outages = Summary::of(&found.failures);
    assert!(found.writes > 5 * outages.refused, "{outages:?}");
    read.is_served_or_refused_within(PATIENCE);
    assert!(read.served > 5 * read.refused, "{read:?}");
    login.is_served_or_refused_within(PATIENCE);

    second_role(&mut office, &staff).await;
    office.fleet.is_whole();
}

/// Two roles take turns: there is no moment in which the file and the server disagree.
async fn second_role(office: &mut Office<'_>, staff: &Person) {
    let (reads, writes) = (
        reads(&office.fleet.gateways),
        creates(staff, Duration::from_millis(100)),
    );
    writes.served_again(Instant::now(), PATIENCE).await;
    let from = Instant::now();
    office
        .tell("CREATE ROLE edu_b LOGIN PASSWORD 'fourth' IN ROLE edu")
        .await;
    office.write("edu_b", "fourth");
    office.is_followed().await;
    // Connections may just be being opened.
    sleep(Duration::from_secs(1)).await;
    office.tell("ALTER ROLE edu NOLOGIN").await;
    let to = Instant::now();
    let (read, written) = (reads.between(from, to).await, writes.between(from, to).await);
    drop((reads, writes));
    office.serves_by_new_connections(staff).await;
    row(
        "another role takes the place of the database's role, in the file",
        "no request fails; new connections are the new role's within 1 s without a restart",
        &format!("reads: {read}; writes: {written}"),
    );
    read.is_served_as_ever();
    written.is_served_as_ever();
}

async fn mail(filter: &Filter) {
    if !filter.wants("secrets_of_the_mail_server") {
        return;
    }
    // A port that nobody takes while the server is away.
    let address = (Ipv4Addr::LOCALHOST, free_ports()[0]).into();
    let server = async |password: &str| {
        let server = SmtpServer::builder()
            .address(address)
            .credentials("edu", password);
        server.start().await
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "first\n").unwrap();
    let settings = [
        ("EMAIL_HOST", "localhost".to_owned()),
        ("EMAIL_PORT", address.port().to_string()),
        ("EMAIL_USE_TLS", "false".to_owned()),
        ("EMAIL_USERNAME", "edu".to_owned()),
        ("EMAIL_PASSWORD_FILE", file.path().display().to_string()),
    ];
    let first = server("first").await;
    let mut fleet = Fleet::start_with(Ground::sqlite(), 1, &settings).await;
    register(&fleet, "first@example.org").await;
    first.next_to("first@example.org", PATIENCE).await;
    first.stop().await;
    let second = server("second").await;
    fs::write(file.path(), "second\n").unwrap();
    let begun = Instant::now();
    register(&fleet, "second@example.org").await;
    second.next_to("second@example.org", PATIENCE).await;
    let took = begun.elapsed();
    let put_off = "mail_attempts_total{outcome=\"put_off\"}";
    let put_off = fleet.part("auth-service").number(put_off).await;
    fleet.is_whole();
    let refused = second.logins().iter().filter(|login| !login.accepted).count();
    row(
        "the password of the mail server is changed, there and in the file",
        "the next mail is sent with the new one, without a restart",
        &format!(
            "sent {} after registering began; {refused} logins refused, {put_off} mails put off",
            millis(took)
        ),
    );
    assert_eq!((refused, put_off), (0, 0.0));
}

async fn register(fleet: &Fleet, address: &str) {
    let person = json!({
        "username": address,
        "password": "gravel lantern octopus", "confirm_password": "gravel lantern octopus",
    });
    let stranger = Person::stranger(&fleet.gateways, 0);
    let answer = stranger
        .send(Method::POST, "/auth/register", Some(person), &[])
        .await
        .unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
}
