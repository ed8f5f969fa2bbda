//! What people see in a real browser: the pages that mail links open, the kept mail of development, and the
//! page about the API. Nothing may appear in the browser's console but what the pages are meant to say.

mod driver;

use serde_json::json;

use self::driver::Browser;
use crate::support::{Ground, PASSWORD, World};

const NEW: &str = "otter lantern meadow";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_opened_and_its_button_pressed() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = World::on_sqlite().await;
    let anonymous = world.anonymous();
    world.register("ada@example.org").await;

    browser.open(&world.link_to("ada@example.org").await).await;
    browser.shows("h1", "Verify your e-mail address").await;
    browser.shows("button", "Verify my address").await;
    anonymous.try_login("ada@example.org", PASSWORD).await.is(401);
    browser.click("button").await;
    browser
        .shows("[role=status]", "Your account is active. You can log in now.")
        .await;
    let ada = anonymous.login("ada@example.org", PASSWORD).await;

    let body = json!({"username": "ada@example.org"});
    anonymous
        .post("/api/v1/auth/request-password-reset", body)
        .await
        .is(202);
    browser.open(&world.link_to("ada@example.org").await).await;
    for (password, confirm, refusal) in [
        (NEW, "something else", "Passwords are not matching."),
        (
            "password",
            "password",
            "The password is too easy to guess. Use more or rarer words.",
        ),
    ] {
        browser.type_into("#password", password).await;
        browser.type_into("#confirm_password", confirm).await;
        browser.click("button").await;
        browser.shows("[role=alert]", refusal).await;
        assert!(ada.is_known().await, "nothing has happened yet");
    }
    browser.type_into("#password", NEW).await;
    browser.type_into("#confirm_password", NEW).await;
    browser.click("button").await;
    browser
        .shows("[role=status]", "You can log in with your new password now.")
        .await;
    assert!(!ada.is_known().await);
    let ada = anonymous.login("ada@example.org", NEW).await;
    world.mail_to("ada@example.org").await;

    let body = json!({"username": "countess@example.org"});
    ada.patch("/api/v1/me", body).await.is(200);
    browser.open(&world.link_to("countess@example.org").await).await;
    browser.click("button").await;
    browser.shows("h1", "Your new address is confirmed").await;
    anonymous.login("countess@example.org", NEW).await;

    browser
        .open(&format!("{}/verify-email?token=wrong", world.url()))
        .await;
    browser.click("button").await;
    browser.shows("[role=alert]", "Token is invalid or expired").await;
    // A page with a refusal is a 400, which the console mentions; nothing else may be there.
    for line in browser.console().await {
        assert!(line.contains("status of 400"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_finds_the_mail_and_clicks_its_link() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = World::with(Ground::sqlite(), |values| values.with("EMAIL_HOST", "")).await;
    let mail = format!("{}/dev/mail", world.url());
    browser.open(&mail).await;
    browser.shows("[role=status]", "There is no mail yet.").await;
    world.register("ada@example.org").await;
    browser.open_until(&mail, "ul a").await;
    browser.shows("ul a", "Confirm your e-mail address").await;
    browser.click("ul a").await;
    browser.shows("h1", "Confirm your e-mail address").await;
    browser.click("pre a[href*='/verify-email?token=']").await;
    browser.shows("h1", "Verify your e-mail address").await;
    browser.click("button").await;
    browser.shows("h1", "Your address is verified").await;
    world.anonymous().login("ada@example.org", PASSWORD).await;
    assert_eq!(browser.console().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_can_be_read_and_tried() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = World::on_sqlite().await;
    browser.open(&format!("{}/docs", world.url())).await;
    browser
        .text("#operations[aria-busy=false], #operations:not([aria-busy])")
        .await;
    let routes = gateway::transcode::table();
    assert_eq!(browser.count("#operations details").await, routes.len());
    let listed = browser.text("#operations").await;
    for route in routes {
        assert!(listed.contains(route.path), "{} in {listed}", route.path);
    }
    // Opened and sent, an operation shows what really comes back.
    let part = |selector: &str| format!("[id='CourseService.ListCourses'] {selector}");
    browser.click(&part("summary")).await;
    browser.click(&part("button")).await;
    let shown = browser.text_with(&part("pre"), "200").await;
    assert!(shown.contains("\"courses\": []"), "{shown}");
    assert_eq!(browser.console().await, [""; 0]);
}
