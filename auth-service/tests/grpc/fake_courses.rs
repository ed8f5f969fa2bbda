//! A course-service on a real socket, as far as it is about people: it answers, fails or says nothing, as the test
//! wants.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use proto::course::v1::{
    EnrolledCourse, EraseUserRequest, EraseUserResponse, ExportUserRequest, ExportUserResponse,
    HeldEnrollment, HeldPayment, Instructor, TaughtCourse,
    person_service_server::{PersonService, PersonServiceServer},
};
use service_runtime::{grpc, lifecycle::Tasks, listen, telemetry::Tracer};
use tonic::{Request, Response, Status, service::Routes};
use uuid::Uuid;

use crate::support::SERVICE_TOKEN;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// It has done as told, and its answer is lost.
    Forgetful,
    /// As a proxy before a dead process does.
    Unavailable,
    /// Never within any deadline.
    Asleep,
    /// As with a bug.
    Broken,
    /// As if the heir were no heir.
    Heirless,
    /// It has more to do.
    Busy,
}

/// Running for as long as this lives. Clones are the same.
#[derive(Clone)]
pub struct FakeCourses {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    mood: Mutex<Mood>,
    erased: Mutex<Vec<EraseUserRequest>>,
    heirs: Mutex<BTreeMap<String, Heirs>>,
    tasks: Tasks,
}

/// To whom the courses of somebody went, who has as many as it takes calls to erase them.
#[derive(Default)]
struct Heirs {
    ids: BTreeSet<String>,
    are_all: bool,
}

impl Drop for State {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl FakeCourses {
    pub fn start() -> Self {
        let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(State {
                mood: Mutex::new(Mood::Well),
                erased: Mutex::default(),
                heirs: Mutex::default(),
                tasks: Tasks::default(),
            }),
        };
        let routes = Routes::new(PersonServiceServer::new(fake.clone()));
        grpc::server::serve(listener, None, routes, Tracer::default(), &fake.state.tasks).unwrap();
        fake
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn feel(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// What it was told to erase, also when nobody learnt that it did.
    pub fn erased(&self) -> Vec<EraseUserRequest> {
        self.state.erased.lock().unwrap().clone()
    }

    /// A course of somebody went to an heir.
    pub fn bequeath(&self, user_id: Uuid, heir_id: Uuid) {
        let mut heirs = self.state.heirs.lock().unwrap();
        let heirs = heirs.entry(user_id.to_string()).or_default();
        heirs.ids.insert(heir_id.to_string());
    }

    /// It knows of no erasure any more, as one that was restored from a backup.
    pub fn forget(&self) {
        self.state.heirs.lock().unwrap().clear();
    }

    async fn mood<T>(&self, request: &Request<T>) -> Result<Mood, Status> {
        let token = request.metadata().get("x-service-token");
        assert_eq!(
            token.map(|token| token.as_bytes()),
            Some(SERVICE_TOKEN.as_bytes())
        );
        let mood = *self.state.mood.lock().unwrap();
        match mood {
            Mood::Unavailable => Err(Status::unavailable("down")),
            Mood::Broken => Err(Status::internal("SELECT oops")),
            Mood::Heirless => Err(Status::failed_precondition("no heir")),
            Mood::Asleep => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Err(Status::internal("nobody waits for this"))
            }
            Mood::Well | Mood::Forgetful | Mood::Busy => Ok(mood),
        }
    }
}

/// What it holds about everybody.
pub fn course() -> TaughtCourse {
    TaughtCourse {
        id: Uuid::from_u128(7).to_string(),
        slug: "rust".to_owned(),
        title: "Rust".to_owned(),
        state: "draft".to_owned(),
        created_at: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 5_000,
        }),
        deleted_at: Some(prost_types::Timestamp {
            seconds: 1_700_000_100,
            nanos: 0,
        }),
    }
}

/// What everybody is enrolled in.
pub fn enrollment() -> HeldEnrollment {
    HeldEnrollment {
        id: Uuid::from_u128(8).to_string(),
        course: Some(EnrolledCourse {
            slug: "go".to_owned(),
            title: "Go".to_owned(),
        }),
        state: "active".to_owned(),
        price: "10.99".to_owned(),
        currency: "USD".to_owned(),
        enrolled_at: Some(prost_types::Timestamp {
            seconds: 1_700_000_200,
            nanos: 6_000,
        }),
        updated_at: Some(prost_types::Timestamp {
            seconds: 1_700_000_300,
            nanos: 0,
        }),
        payments: vec![HeldPayment {
            reference: "INV-1".to_owned(),
            confirmed_at: Some(prost_types::Timestamp {
                seconds: 1_700_000_250,
                nanos: 7_000,
            }),
        }],
    }
}

#[tonic::async_trait]
impl PersonService for FakeCourses {
    async fn erase_user(
        &self,
        request: Request<EraseUserRequest>,
    ) -> Result<Response<EraseUserResponse>, Status> {
        let mood = self.mood(&request).await?;
        let wish = request.into_inner();
        self.state.erased.lock().unwrap().push(wish.clone());
        let heir_ids = {
            let mut heirs = self.state.heirs.lock().unwrap();
            let heirs = heirs.entry(wish.user_id).or_default();
            let heir = wish.heir.filter(|_| !heirs.are_all);
            heirs.ids.extend(heir.map(|heir| heir.id));
            heirs.are_all |= mood != Mood::Busy;
            heirs.ids.iter().cloned().collect()
        };
        if mood == Mood::Forgetful {
            return Err(Status::unavailable("the connection was lost"));
        }
        Ok(Response::new(EraseUserResponse {
            is_complete: mood != Mood::Busy,
            heir_ids,
        }))
    }

    async fn export_user(
        &self,
        request: Request<ExportUserRequest>,
    ) -> Result<Response<ExportUserResponse>, Status> {
        self.mood(&request).await?;
        let id = request.into_inner().user_id;
        Ok(Response::new(ExportUserResponse {
            names: Some(Instructor {
                id,
                username: "ada@example.org".to_owned(),
                first_name: "Ada".to_owned(),
                last_name: String::new(),
            }),
            courses: vec![course()],
            has_more: true,
            enrollments: vec![enrollment()],
            has_more_enrollments: true,
        }))
    }
}
