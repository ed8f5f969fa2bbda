//! A gRPC service that answers every RPC: with the default message, or with what a test told it to.
//! It remembers every call.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use bytes::{Buf, BufMut, Bytes};
use http::Request as HttpRequest;
use tonic::{
    Request, Response, Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::{MetadataMap, MetadataValue},
    server::{Grpc, UnaryService},
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

/// One call that arrived.
#[derive(Debug, Clone)]
pub struct Call {
    /// `/package.Service/Method`.
    pub rpc: String,
    /// What came beside the message.
    pub metadata: MetadataMap,
    message: Bytes,
}

impl Call {
    /// The message, as the type that the test knows it to be.
    pub fn message<M: prost::Message + Default>(&self) -> M {
        M::decode(self.message.clone()).unwrap()
    }

    /// A metadata value.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(|value| value.to_str().unwrap())
    }
}

/// The service. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Fake(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    answers: HashMap<String, Result<Bytes, Status>>,
    /// The RPCs whose answers say that what they tell of was there already.
    existing: HashSet<String>,
    calls: Vec<Call>,
    delay: Duration,
}

impl Fake {
    /// Starts it on a free port.
    pub fn start() -> (Self, SocketAddr) {
        let listener = service_runtime::listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Self::default();
        let service = fake.clone();
        let answer = move |request: HttpRequest<axum::body::Body>| {
            let service = service.clone();
            async move { service.answer(request).await }
        };
        let routes = Routes::from(Router::new().fallback(answer));
        let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
        #[allow(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
        (fake, address)
    }

    /// From now on the RPC `Service/Method` answers with this message.
    pub fn reply(&self, rpc: &str, message: &impl prost::Message) {
        self.put(rpc, Ok(message.encode_to_vec().into()));
    }

    /// The same, and says that what it tells of was there already.
    pub fn reply_existing(&self, rpc: &str, message: &impl prost::Message) {
        self.reply(rpc, message);
        self.0.lock().unwrap().existing.insert(rpc.to_owned());
    }

    /// From now on the RPC `Service/Method` refuses.
    pub fn refuse(&self, rpc: &str, status: impl Into<Status>) {
        self.put(rpc, Err(status.into()));
    }

    /// From now on every answer takes this long.
    pub fn delay(&self, delay: Duration) {
        self.0.lock().unwrap().delay = delay;
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().calls.clone()
    }

    /// The last call.
    pub fn last(&self) -> Call {
        self.calls().pop().expect("a call")
    }

    fn put(&self, rpc: &str, answer: Result<Bytes, Status>) {
        self.0.lock().unwrap().answers.insert(rpc.to_owned(), answer);
    }

    async fn answer(
        &self,
        request: HttpRequest<axum::body::Body>,
    ) -> Result<http::Response<Body>, Infallible> {
        let rpc = request.uri().path().to_owned();
        let method = Method {
            fake: self.clone(),
            rpc,
        };
        Ok(Grpc::new(Raw).unary(method, request).await)
    }
}

struct Method {
    fake: Fake,
    rpc: String,
}

impl UnaryService<Bytes> for Method {
    type Response = Bytes;
    type Future = futures_util::future::BoxFuture<'static, Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (metadata, _, message) = request.into_parts();
        let mut state = self.fake.0.lock().unwrap();
        state.calls.push(Call {
            rpc: self.rpc.clone(),
            metadata,
            message,
        });
        let delay = state.delay;
        let answer = state
            .answers
            .iter()
            .find(|(rpc, _)| self.rpc.ends_with(rpc.as_str()))
            .map(|(_, answer)| answer.clone());
        let is_existing = state.existing.iter().any(|rpc| self.rpc.ends_with(rpc.as_str()));
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            let mut answer = answer.unwrap_or_else(|| Ok(Bytes::new())).map(Response::new)?;
            if is_existing {
                answer
                    .metadata_mut()
                    .insert("x-existing", MetadataValue::from_static("true"));
            }
            Ok(answer)
        })
    }
}

/// Messages as the bytes they are.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
