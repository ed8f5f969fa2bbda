//! The call itself: any unary RPC by its path, with a deadline that travels along.

use std::time::Duration;

use http::uri::PathAndQuery;
use service_runtime::{grpc::channel::Channel, telemetry::RpcCall};
use tokio::time;
use tonic::{Request, Response, Status, client::Grpc, metadata::MetadataMap};
use tonic_prost::ProstCodec;

/// How long an answer may take.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// The largest answer: a page of 100 courses with descriptions of 30,000 four-byte characters each.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// One RPC of a service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstream {
    grpc: Grpc<Channel>,
    rpc: &'static str,
}

impl Upstream {
    /// The RPC `/package.Service/Method` behind a channel.
    pub fn new(channel: Channel, rpc: &'static str) -> Self {
        Self {
            grpc: Grpc::new(channel).max_decoding_message_size(LARGEST_ANSWER),
            rpc,
        }
    }

    /// Calls it.
    ///
    /// # Errors
    /// The status of the service, or of the client library when the service cannot be reached.
    pub async fn call<In, Out>(&self, metadata: MetadataMap, message: In) -> Result<Response<Out>, Status>
    where
        In: prost::Message + 'static,
        Out: prost::Message + Default + 'static,
    {
        let mut request = Request::from_parts(metadata, tonic::Extensions::new(), message);
        request.set_timeout(LONGEST_ANSWER);
        let mut grpc = self.grpc.clone();
        let codec = ProstCodec::<In, Out>::default();
        // The channel bounds the wait for the beginning of an answer, this the wait for its end.
        let call = RpcCall::begin(self.rpc, &mut request);
        let path = PathAndQuery::from_static(self.rpc);
        let answer = time::timeout(LONGEST_ANSWER, grpc.unary(request, path, codec))
            .await
            .unwrap_or_else(|_elapsed| Err(Status::deadline_exceeded("no answer in time")));
        call.end(&answer);
        answer
    }
}
