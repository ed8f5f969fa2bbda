//! Who may do what: one row for each RPC, and a test that no RPC is without one.

use proto::course::v1::{
    AddInstructorRequest, Course, DeleteCourseRequest, GetCourseRequest, ListCoursesRequest,
    ListInstructorsRequest, RemoveInstructorRequest, UndeleteCourseRequest,
};
use tonic::{Code, Status};

use crate::{
    caller::Caller,
    support::{Place, on_both},
    world::{SERVICE_TOKEN, World, new_course, update},
};

on_both![
    every_rpc_answers_as_its_row_says,
    whoever_is_refused_for_want_of_rights_is_told_to_the_trail,
    what_is_hidden_is_no_way_around_the_trail,
    who_names_somebody_without_rights_has_them,
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

/// The methods that these have not the rights for, a user and staff who do not teach the course, whether they may know
/// of the course or not.
const TOLD: [(&str, &str); 11] = [
    ("CreateCourse", "ben"),
    ("UpdateCourse", "ben"),
    ("UpdateCourse", "bob"),
    ("DeleteCourse", "ben"),
    ("DeleteCourse", "bob"),
    ("UndeleteCourse", "ben"),
    ("UndeleteCourse", "bob"),
    ("AddInstructor", "ben"),
    ("AddInstructor", "bob"),
    ("RemoveInstructor", "ben"),
    ("RemoveInstructor", "bob"),
];

/// The methods and callers in what the trail was told, once it was told so much.
async fn told(world: &World, count: usize) -> Vec<(String, String)> {
    let begun = std::time::Instant::now();
    while world.auth.recorded().len() < count {
        assert!(begun.elapsed().as_secs() < 30, "{:?}", world.auth.recorded());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let told = world.auth.recorded().into_iter();
    told.map(|told| (told.method, told.actor_id)).collect()
}

/// The same, as it should be.
fn full(told: &[(&str, &Caller)]) -> Vec<(String, String)> {
    let method = |rpc: &str| format!("onlineedu.course.v1.CourseService/{rpc}");
    told.iter()
        .map(|(rpc, caller)| (method(rpc), caller.id.to_string()))
        .collect()
}

async fn whoever_is_refused_for_want_of_rights_is_told_to_the_trail(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, ben) = (world.staff("ann"), world.staff("bob"), world.user("ben"));
    ann.create("Rust").await.unwrap();
    for (rpc, _) in ROWS {
        for caller in [&world.impostor(), &world.anyone(), &ben, &bob, &ann] {
            drop(call(rpc, caller, &ann).await);
        }
    }
    let who = |name| if name == "ben" { &ben } else { &bob };
    let expected = TOLD.map(|(rpc, name)| (rpc, who(name)));
    assert_eq!(told(&world, TOLD.len()).await, full(&expected));
    for told in world.auth.recorded() {
        assert_eq!((told.kind.as_str(), told.times), ("access_denied", 1));
        // The fake gives sessions the ids of their users.
        assert_eq!(told.session_id, told.actor_id);
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

async fn what_is_hidden_is_no_way_around_the_trail(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, ben) = (world.staff("ann"), world.staff("bob"), world.user("ben"));
    ann.create("Rust").await.unwrap();
    let archived = Course {
        is_archived: true,
        ..Course::default()
    };
    ann.update("rust", &["is_archived"], archived).await.unwrap();
    call("UpdateCourse", &ben, &ann).await.unwrap_err();
    let fresh = world.with_second_factor(&ann, chrono::TimeDelta::zero());
    let etag = ann.get("rust").await.unwrap().etag;
    fresh.delete("rust", &etag).await.unwrap();
    for (rpc, caller) in [
        ("DeleteCourse", &ben),
        ("AddInstructor", &bob),
        ("UndeleteCourse", &bob),
    ] {
        assert_eq!(call(rpc, caller, &ann).await.unwrap_err().code(), HIDDEN, "{rpc}");
    }
    // Who teaches it has the rights, who reads is no offender, and nobody can change what is not there.
    for (rpc, caller) in [
        ("UpdateCourse", &ann),
        ("DeleteCourse", &fresh),
        ("AddInstructor", &ann),
        ("GetCourse", &ben),
        ("ListInstructors", &bob),
    ] {
        assert_eq!(call(rpc, caller, &ann).await.unwrap_err().code(), HIDDEN, "{rpc}");
    }
    let absent = bob.delete("go", &etag).await.unwrap_err();
    assert_eq!(absent.reason, "COURSE_NOT_FOUND");
    // What comes last shows that nothing else does.
    call("RemoveInstructor", &ben, &ann).await.unwrap_err();
    let expected = [
        ("UpdateCourse", &ben),
        ("DeleteCourse", &ben),
        ("AddInstructor", &bob),
        ("UndeleteCourse", &bob),
        ("RemoveInstructor", &ben),
    ];
    assert_eq!(told(&world, expected.len()).await, full(&expected));
}

async fn who_names_somebody_without_rights_has_them(place: &Place) {
    let world = World::at(place).await;
    let (ann, ben) = (world.staff("ann"), world.user("ben"));
    ann.create("Rust").await.unwrap();
    let refused = ann.add("rust", ben.id).await.unwrap_err();
    assert_eq!(refused.what(), (DENIED, "INSTRUCTOR_NOT_STAFF"));
    // What comes last shows that nothing came before.
    call("RemoveInstructor", &ben, &ann).await.unwrap_err();
    assert_eq!(told(&world, 1).await, full(&[("RemoveInstructor", &ben)]));
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
