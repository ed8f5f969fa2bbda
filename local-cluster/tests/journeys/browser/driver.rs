//! Chromium without a window, driven by the WebDriver protocol (W3C) through ChromeDriver.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::left_out;
use tokio::time::{Instant, sleep};

const TESTS: &str = "browser tests";
/// The names that browsers of this family go by.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long a page may take to show something.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked at until then.
const GLANCE: Duration = Duration::from_millis(50);
/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one page. It goes away with this value.
pub struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `None` where there is none, which has been said.
    pub async fn start() -> Option<Self> {
        let Some((driver, browser)) = path_of("chromedriver").zip(BROWSERS.into_iter().find_map(path_of))
        else {
            let install = "install Chromium and its driver (on Debian: chromium and chromium-driver)";
            left_out::leave_out(TESTS, "there is no Chromium with a ChromeDriver", install);
            return None;
        };
        left_out::is_here(TESTS);
        let profile = tempfile::tempdir().unwrap();
        let (driver, address) = serving(&driver);
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let mut started = Self {
            driver,
            session: format!("{address}/session"),
            http,
            _profile: profile,
        };
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let mut flags = flags.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", started._profile.path().display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": browser, "args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = started.command("", wanted).await.expect("a browser starts");
        started.session = format!("{}/{}", started.session, session["sessionId"].as_str().unwrap());
        Some(started)
    }

    /// Opens an address and waits for the page.
    pub async fn open(&self, url: &str) {
        self.command("/url", json!({"url": url}))
            .await
            .expect("the page opens");
    }

    /// Opens an address again and again until the page holds an element.
    pub async fn open_until(&self, url: &str, selector: &str) {
        let deadline = Instant::now() + PATIENCE;
        self.open(url).await;
        while self.count(selector).await == 0 {
            assert!(Instant::now() < deadline, "no {selector} at {url}");
            sleep(GLANCE).await;
            self.open(url).await;
        }
    }

    /// How many elements there are now.
    pub async fn count(&self, selector: &str) -> usize {
        let found = self.command("/elements", css(selector)).await;
        found.expect("elements can be counted").as_array().unwrap().len()
    }

    /// The text of an element as a reader sees it, once it is there.
    pub async fn text(&self, selector: &str) -> String {
        self.text_with(selector, "").await
    }

    /// Waits until the text of an element is this: what was pressed may not have changed the page yet.
    pub async fn shows(&self, selector: &str, text: &str) {
        let shown = self.text_with(selector, text).await;
        assert_eq!(shown, text, "{selector}");
    }

    /// The text of an element, once it has this in it.
    pub async fn text_with(&self, selector: &str, part: &str) -> String {
        let read = async || {
            let element = self.element(selector).await?;
            let text = self.ask(&format!("/element/{element}/text")).await?;
            let text = text.as_str().unwrap_or_default();
            if text.contains(part) {
                Ok(text.to_owned())
            } else {
                Err(json!(text))
            }
        };
        until_done(&format!("read {selector}"), read).await
    }

    /// Presses an element, once it is there, and waits for the page that this may open.
    pub async fn click(&self, selector: &str) {
        let click = async || {
            let element = self.element(selector).await?;
            self.command(&format!("/element/{element}/click"), json!({}))
                .await
        };
        until_done(&format!("click {selector}"), click).await;
    }

    /// Types into an empty input.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let type_in = async || {
            let element = self.element(selector).await?;
            self.command(&format!("/element/{element}/value"), json!({"text": text}))
                .await
        };
        until_done(&format!("type into {selector}"), type_in).await;
    }

    /// What the browser's console has said since it was last asked: errors, warnings, violated policies.
    pub async fn console(&self) -> Vec<String> {
        let log = self
            .command("/se/log", json!({"type": "browser"}))
            .await
            .expect("a log");
        let entries = log.as_array().unwrap().iter();
        let grave =
            entries.filter(|entry| ["WARNING", "SEVERE"].iter().any(|level| entry["level"] == *level));
        grave
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn element(&self, selector: &str) -> Result<String, Value> {
        let element = self.command("/element", css(selector)).await?;
        Ok(element[ELEMENT].as_str().unwrap().to_owned())
    }

    async fn command(&self, path: &str, body: Value) -> Result<Value, Value> {
        let url = format!("{}{path}", self.session);
        answer(self.http.post(url).json(&body)).await
    }

    async fn ask(&self, path: &str) -> Result<Value, Value> {
        answer(self.http.get(format!("{}{path}", self.session))).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Only a session that is closed takes its browser with it; killing the driver would leave it behind.
        let _best_effort = close(&self.session);
        let _gone = self.driver.kill();
        let _ended = self.driver.wait();
    }
}

/// Closes a session, also where nothing can be awaited.
fn close(session: &str) -> std::io::Result<()> {
    let (address, path) = session
        .trim_start_matches("http://")
        .split_once('/')
        .unwrap_or_default();
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    write!(
        connection,
        "DELETE /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    // It answers when the browser is gone, and keeps the connection.
    connection.read_exact(&mut [0])
}

/// Starts ChromeDriver; where it listens.
fn serving(program: &str) -> (Child, String) {
    // The port it picks can be taken from it before it listens; then it ends.
    for _ in 0..5 {
        let mut driver = Command::new(program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ChromeDriver starts");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| Some(line.ok()?.split_once("successfully on port ")?.1.to_owned()));
        if let Some(port) = port {
            return (driver, format!("http://127.0.0.1:{}", port.trim_end_matches('.')));
        }
        let _ended = driver.wait();
    }
    panic!("ChromeDriver does not say where it listens")
}

/// Where a program is, if it is in the search path.
fn path_of(program: &str) -> Option<String> {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .ok()?;
    let path = String::from_utf8(found.stdout).ok()?.trim().to_owned();
    (!path.is_empty()).then_some(path)
}

fn css(selector: &str) -> Value {
    json!({"using": "css selector", "value": selector})
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value, Value> {
    let response = request.send().await.expect("ChromeDriver answers");
    let succeeded = response.status().is_success();
    let value = response.json::<Value>().await.expect("ChromeDriver speaks JSON")["value"].take();
    if succeeded { Ok(value) } else { Err(value) }
}

/// Tries until it works: an element may not be there yet, or belong to a page that has just gone.
async fn until_done<T>(what: &str, attempt: impl AsyncFn() -> Result<T, Value>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(why) if Instant::now() > deadline => panic!("cannot {what}: {why}"),
            Err(_) => sleep(GLANCE).await,
        }
    }
}
