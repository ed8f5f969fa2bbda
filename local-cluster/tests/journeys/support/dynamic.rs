//! Calls of any RPC of the contract by its descriptor, without generated clients: messages are bytes.

use bytes::{Buf, BufMut};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tonic::{
    Request, Response, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::World;

/// Every RPC of the contract.
pub fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let services: Vec<_> = pool.services().collect();
    let own = services
        .iter()
        .filter(|service| service.full_name().starts_with("onlineedu."));
    own.flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
}

/// Calls one at its service; of a stream it takes the first message.
///
/// # Errors
/// What the service answers.
pub async fn call(
    world: &World,
    method: &MethodDescriptor,
    request: Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Status> {
    assert!(
        !method.is_client_streaming(),
        "{}: these tests send no streams yet",
        method.full_name()
    );
    let service = method.parent_service();
    let channel = match service.package_name() {
        "onlineedu.auth.v1" => world.auth(),
        _ => world.courses(),
    };
    let path = format!("/{}/{}", service.full_name(), method.name());
    let mut client = Grpc::new(channel);
    client.ready().await.expect("the service is there");
    let path = path.parse().unwrap();
    if !method.is_server_streaming() {
        return client.unary(request, path, Raw).await;
    }
    let (metadata, mut stream, extensions) = client.server_streaming(request, path, Raw).await?.into_parts();
    let first = stream.message().await?;
    let first = first.ok_or_else(|| Status::internal("the stream ended at once"))?;
    Ok(Response::from_parts(metadata, first, extensions))
}

/// Messages as the bytes they are.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
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
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}
