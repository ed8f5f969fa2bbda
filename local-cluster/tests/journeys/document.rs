//! The OpenAPI document against the services that it describes.

use serde_json::{Value, json};

use crate::{course::published, support::World};

/// What the document says may not be changed is what the service refuses to change, key by key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_read_only_is_what_a_service_refuses_to_change() {
    let world = World::on_sqlite().await;
    let staff = world.staff().await;
    let slug = published(&staff, "Rust").await;
    let document = world.anonymous().get("/openapi.json").await.is(200).json();
    let mut compared = 0;
    for (template, methods) in document["paths"].as_object().unwrap() {
        let schema = &methods["patch"]["requestBody"]["content"]["application/json"]["schema"];
        let Some(properties) = schema["properties"].as_object() else {
            continue;
        };
        let path = template.replace("{slug}", &slug).replace("{id}", staff.id());
        // What it is now is of the right type for each key.
        let now = staff.get(&path).await.is(200).json();
        for (key, property) in properties {
            let body = json!({ key: now[key] });
            let answer = staff.patch(&path, body).await;
            let refused = answer.status == 400
                && answer
                    .errors()
                    .contains(&(key.as_str(), "This field is read-only."));
            let shown = property["readOnly"] == Value::Bool(true);
            assert_eq!(shown, refused, "{key} of {template}: {answer:?}");
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared} keys");
}
