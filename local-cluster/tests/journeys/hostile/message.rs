//! Messages over gRPC, past everything that the gateway holds back.

use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MethodDescriptor, Value};
use tonic::{Code, Request};

use super::assert_goes_on;
use crate::{
    course::created,
    support::{World, dynamic},
};

crate::on_both_databases!(no_text_in_any_field_breaks_a_service);

async fn no_text_in_any_field_breaks_a_service(world: &World) {
    let course = created(&world.staff().await, "A course").await;
    let long = "x".repeat(100_000);
    let texts = [
        "\0", "a\0b", "\u{202e}", "..", "%", "'", "\\", "-1", "{}", "🦀", &long,
    ];
    for method in dynamic::methods() {
        let access = world.staff().await.access().to_owned();
        let input = method.input();
        let texts_of = input
            .fields()
            .filter(|field| field.kind() == Kind::String && !field.is_list());
        for field in texts_of {
            for text in texts {
                let mut message = DynamicMessage::new(input.clone());
                if input.get_field_by_name("slug").is_some() {
                    message.set_field_by_name("slug", Value::String(course.clone()));
                }
                message.set_field(&field, Value::String(text.to_owned()));
                let what = format!(
                    "{} {}={}",
                    method.full_name(),
                    field.name(),
                    &text[..text.len().min(20)]
                );
                assert_answers(world, &method, message.encode_to_vec(), &access, &what).await;
            }
        }
    }
    assert_goes_on(world).await;
}

/// Makes a call; anything is fine but a fault of ours.
async fn assert_answers(world: &World, method: &MethodDescriptor, bytes: Vec<u8>, access: &str, what: &str) {
    let mut request = Request::new(bytes);
    let metadata = request.metadata_mut();
    metadata.insert("authorization", format!("Bearer {access}").parse().unwrap());
    metadata.insert("x-service-token", world.cluster.service_token.parse().unwrap());
    if let Err(status) = dynamic::call(world, method, request).await {
        let broken = [
            Code::Internal,
            Code::Unknown,
            Code::Unavailable,
            Code::DataLoss,
            Code::DeadlineExceeded,
        ];
        assert!(!broken.contains(&status.code()), "{what}: {status:?}");
    }
}
