//! `/dev/mail`, where development shows the mail it keeps.

use std::{fs, path::Path};

use crate::support::Gateway;

const MAIL: &str = "From: Online Edu <noreply@example.com>\r\nTo: ada@example.com\r\nSubject: Verify <your> address\r\n\
    Date: Sat, 21 Nov 2026 20:00:00 +0000\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/alternative; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    Open http://127.0.0.1:8080/verify-email?token=abc&x=1\r\nnot http://evil.test/ <script>\r\n\
    --b\r\nContent-Type: text/html\r\n\r\n<script>evil()</script>\r\n--b--\r\n";

fn with_mail(folder: &Path) -> Gateway {
    fs::create_dir_all(folder.join("mail")).unwrap();
    fs::write(folder.join("mail/0001.eml"), MAIL).unwrap();
    fs::write(folder.join("mail/0002.eml"), MAIL.replace("Verify", "Newer")).unwrap();
    fs::write(folder.join("mail/0003.tmp"), MAIL).unwrap();
    fs::write(folder.join("secret.eml"), MAIL).unwrap();
    let folder = folder.to_str().unwrap().to_owned();
    Gateway::start_with(|values| values.with("DATA_DIR", folder))
}

async fn page(gateway: &Gateway, path: &str) -> (u16, String) {
    let response = gateway.request("GET", path).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn mail_is_listed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = with_mail(folder.path());
    let (status, list) = page(&gateway, "/dev/mail").await;
    assert_eq!(status, 200);
    let newer = list.find("Newer &#60;your&#62; address").unwrap();
    assert!(
        newer < list.find("Verify &#60;your&#62; address").unwrap(),
        "{list}"
    );
    assert!(
        list.contains("href=\"/dev/mail/0002.eml\"") && !list.contains("0003"),
        "{list}"
    );

    let (status, mail) = page(&gateway, "/dev/mail/0001.eml").await;
    assert_eq!(status, 200);
    let link = "href=\"http://127.0.0.1:8080/verify-email?token=abc&#38;x=1\"";
    assert!(mail.contains(link), "{mail}");
    assert!(!mail.contains("href=\"http://evil.test"), "{mail}");
    assert!(
        !mail.contains("<script>") && mail.contains("&#60;script&#62;"),
        "{mail}"
    );
    assert!(
        mail.contains("noreply@example.com") && mail.contains("ada@example.com"),
        "{mail}"
    );
}

#[tokio::test]
async fn nothing_else_of_the_disk_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = with_mail(folder.path());
    for name in [
        "0003.tmp",
        "..%2fsecret.eml",
        "%2e%2e%2fsecret.eml",
        "0009.eml",
        "0001%2eeml",
        "mail",
    ] {
        assert_eq!(
            page(&gateway, &format!("/dev/mail/{name}")).await.0,
            404,
            "{name}"
        );
    }
}

#[tokio::test]
async fn no_mail_yet_is_an_empty_list() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let gateway = Gateway::start_with(|values| values.with("DATA_DIR", folder));
    let (status, list) = page(&gateway, "/dev/mail").await;
    assert_eq!(status, 200);
    assert!(list.contains("There is no mail yet."), "{list}");
}

#[tokio::test]
async fn it_is_not_there_when_mail_is_sent_or_in_production() {
    let sending = Gateway::start_with(|values| values.with("EMAIL_HOST", "smtp.example.com"));
    assert_eq!(page(&sending, "/dev/mail").await.0, 404);
    let production = Gateway::start_with(|values| {
        values
            .with("ENVIRONMENT", "production")
            .with("ALLOWED_HOSTS", "127.0.0.1")
    });
    assert_eq!(page(&production, "/dev/mail").await.0, 404);
    assert_eq!(page(&production, "/dev/mail/0001.eml").await.0, 404);
}
