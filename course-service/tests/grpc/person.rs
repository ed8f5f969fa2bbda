//! A person's own data: for services alone.

mod erasure;
mod export;

use proto::course::v1::{
    EraseUserRequest, EraseUserResponse, ExportUserRequest, ExportUserResponse, Instructor,
    person_service_client::PersonServiceClient,
};
use service_runtime::grpc::channel::Channel;
use tonic::{Code, Request, Status};

use crate::{
    caller::{Caller, Refused},
    support::{Place, on_both},
    world::{SERVICE_TOKEN, World},
};

on_both![only_services_may_call];

type People = PersonServiceClient<Channel>;

fn shown<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("x-service-token", token.parse().unwrap());
    request
}

fn heir(of: &Caller, name: &str) -> Instructor {
    Instructor {
        id: of.id.to_string(),
        username: format!("{name}@example.org"),
        first_name: name.to_owned(),
        last_name: "Doe".to_owned(),
    }
}

fn wish(user_id: impl ToString, heir: Option<Instructor>) -> EraseUserRequest {
    EraseUserRequest {
        user_id: user_id.to_string(),
        heir,
    }
}

async fn erase(world: &World, user: &Caller, heir: Option<Instructor>) -> Result<EraseUserResponse, Refused> {
    let mut people: People = world.people();
    let erased = people.erase_user(shown(wish(user.id, heir), SERVICE_TOKEN)).await;
    Ok(erased.map_err(Refused::from)?.into_inner())
}

async fn held(world: &World, user: &Caller) -> ExportUserResponse {
    let message = ExportUserRequest {
        user_id: user.id.to_string(),
    };
    let mut people: People = world.people();
    people
        .export_user(shown(message, SERVICE_TOKEN))
        .await
        .unwrap()
        .into_inner()
}

async fn only_services_may_call(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let denied = |status: Status| {
        let refused = Refused::from(status);
        assert_eq!(refused.what(), (Code::PermissionDenied, "SERVICE_TOKEN_REQUIRED"));
    };
    for token in ["", "made-up", &SERVICE_TOKEN[1..]] {
        let mut people = world.people();
        denied(
            people
                .erase_user(shown(wish(ann.id, None), token))
                .await
                .unwrap_err(),
        );
        let message = ExportUserRequest {
            user_id: ann.id.to_string(),
        };
        denied(people.export_user(shown(message, token)).await.unwrap_err());
    }
    let mut people = world.people();
    denied(
        people
            .erase_user(ann.request(wish(ann.id, None)))
            .await
            .unwrap_err(),
    );
    assert_eq!(ann.instructors("rust").await.unwrap(), ["ann"]);
}
