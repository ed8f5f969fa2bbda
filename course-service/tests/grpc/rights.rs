//! Who may do what: one row for each RPC, and a test that no RPC is without one.

use proto::course::v1::{
    AddInstructorRequest, Course, DeleteCourseRequest, GetCourseRequest, ListCoursesRequest,
    ListInstructorsRequest, RemoveInstructorRequest, UndeleteCourseRequest,
};
use tonic::{Code, Status};

use crate::{
    support::{Place, on_both},
    world::{Caller, SERVICE_TOKEN, World, new_course, update},
};

on_both![
    every_rpc_answers_as_its_row_says,
    whoever_is_refused_for_want_of_rights_is_told_to_the_trail,
];

const OK: Code = Code::Ok;
const UNKNOWN: Code = Code::Unauthenticated;
const HIDDEN: Code = Code::NotFound;
const DENIED: Code = Code::PermissionDenied;

/// An RPC on a draft, and what an impostor, anyone, a user, other staff and the instructor get. Nobody has proved a
/// second factor: only who is otherwise allowed is told that.
const ROWS: [(&str, [Code; 5]); 9] = [
    ("ListCourses", [UNKNOWN, OK, OK, OK, OK]),
    ("GetCourse", [UNKNOWN, HIDDEN, HIDDEN, OK, OK]),
    (
        "CreateCourse",
        [UNKNOWN, UNKNOWN, DENIED, OK, Code::AlreadyExists],
    ),
    ("UpdateCourse", [UNKNOWN, UNKNOWN, HIDDEN, DENIED, OK]),
    ("DeleteCourse", [UNKNOWN, UNKNOWN, HIDDEN, DENIED, UNKNOWN]),
    ("UndeleteCourse", [UNKNOWN, UNKNOWN, HIDDEN, DENIED, UNKNOWN]),
    ("ListInstructors", [UNKNOWN, HIDDEN, HIDDEN, OK, OK]),
    ("AddInstructor", [UNKNOWN, UNKNOWN, HIDDEN, DENIED, OK]),
    (
        "RemoveInstructor",
        [UNKNOWN, UNKNOWN, HIDDEN, DENIED, Code::FailedPrecondition],
    ),
];

async fn every_rpc_answers_as_its_row_says(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, ben) = (world.staff("ann"), world.staff("bob"), world.user("ben"));
    ann.create("Rust").await.unwrap();
    let callers = [&world.impostor(), &world.anyone(), &ben, &bob, &ann];
    for (rpc, row) in ROWS {
        for (place, (caller, expected)) in callers.into_iter().zip(row).enumerate() {
            let code = call(rpc, caller, &ann)
                .await
                .map_or_else(|status| status.code(), |()| OK);
            assert_eq!(code, expected, "{rpc} by caller {place}");
        }
    }
}

/// The methods that these refuse for want of rights: a user, and staff who do not teach the course.
const TOLD: [(&str, &str); 6] = [
    ("CreateCourse", "ben"),
    ("UpdateCourse", "bob"),
    ("DeleteCourse", "bob"),
    ("UndeleteCourse", "bob"),
    ("AddInstructor", "bob"),
    ("RemoveInstructor", "bob"),
];

async fn whoever_is_refused_for_want_of_rights_is_told_to_the_trail(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, ben) = (world.staff("ann"), world.staff("bob"), world.user("ben"));
    ann.create("Rust").await.unwrap();
    for (rpc, _) in ROWS {
        for caller in [&world.impostor(), &world.anyone(), &ben, &bob, &ann] {
            drop(call(rpc, caller, &ann).await);
        }
    }
    let begun = std::time::Instant::now();
    while world.auth.recorded().len() < TOLD.len() {
        assert!(begun.elapsed().as_secs() < 30, "{:?}", world.auth.recorded());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for ((rpc, name), told) in TOLD.iter().zip(world.auth.recorded()) {
        let who = if *name == "ben" { ben.id } else { bob.id };
        assert_eq!(told.method, format!("onlineedu.course.v1.CourseService/{rpc}"));
        assert_eq!((told.kind.as_str(), told.times), ("access_denied", 1));
        // The fake gives sessions the ids of their users.
        assert_eq!(
            (told.actor_id, told.session_id),
            (who.to_string(), who.to_string())
        );
        assert_eq!(told.ip_address, "127.0.0.1");
        assert!(!told.request_id.is_empty());
    }

    // Where a request comes from is believed of a service alone.
    for (token, address) in [(Some(SERVICE_TOKEN), "203.0.113.7"), (None, "127.0.0.1")] {
        let eve = world.user(&format!("eve-{}", token.is_some()));
        let mut request = eve.request(new_course("Go"));
        let metadata = request.metadata_mut();
        metadata.insert("x-client-address", "203.0.113.7".parse().unwrap());
        if let Some(token) = token {
            metadata.insert("x-service-token", token.parse().unwrap());
        }
        eve.client.clone().create_course(request).await.unwrap_err();
        let id = eve.id.to_string();
        let told = loop {
            if let Some(told) = world.auth.recorded().into_iter().find(|told| told.actor_id == id) {
                break told;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        };
        assert_eq!(told.ip_address, address);
    }
}

async fn call(rpc: &str, caller: &Caller, instructor: &Caller) -> Result<(), Status> {
    let mut client = caller.client.clone();
    let (slug, user_id) = ("rust".to_owned(), instructor.id.to_string());
    match rpc {
        "ListCourses" => client
            .list_courses(caller.request(ListCoursesRequest::default()))
            .await
            .map(drop),
        "GetCourse" => client
            .get_course(caller.request(GetCourseRequest { slug }))
            .await
            .map(drop),
        "CreateCourse" => client
            .create_course(caller.request(new_course("Go")))
            .await
            .map(drop),
        "UpdateCourse" => client
            .update_course(caller.request(update(&slug, &[], Course::default())))
            .await
            .map(drop),
        "DeleteCourse" => {
            let etag = String::new();
            let message = DeleteCourseRequest { slug, etag };
            client.delete_course(caller.request(message)).await.map(drop)
        }
        "UndeleteCourse" => {
            let etag = String::new();
            let message = UndeleteCourseRequest { slug, etag };
            client.undelete_course(caller.request(message)).await.map(drop)
        }
        "ListInstructors" => {
            let message = ListInstructorsRequest {
                slug,
                ..ListInstructorsRequest::default()
            };
            client.list_instructors(caller.request(message)).await.map(drop)
        }
        "AddInstructor" => {
            let message = AddInstructorRequest {
                slug,
                user_id,
                request_id: String::new(),
            };
            client.add_instructor(caller.request(message)).await.map(drop)
        }
        "RemoveInstructor" => {
            let message = RemoveInstructorRequest { slug, user_id };
            client.remove_instructor(caller.request(message)).await.map(drop)
        }
        _ => panic!("{rpc} has a row but no call"),
    }
}

#[test]
fn every_rpc_has_a_row() {
    let descriptors =
        <prost_types::FileDescriptorSet as prost::Message>::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let course = descriptors
        .file
        .iter()
        .filter(|file| file.package() == "onlineedu.course.v1");
    let methods = course
        .flat_map(|file| &file.service)
        .filter(|service| service.name() == "CourseService")
        .flat_map(|service| &service.method);
    let mut rpcs: Vec<_> = methods.map(|method| method.name()).collect();
    let mut rows: Vec<_> = ROWS.iter().map(|(rpc, _)| *rpc).collect();
    rpcs.sort_unstable();
    rows.sort_unstable();
    assert_eq!(rpcs, rows);
}
