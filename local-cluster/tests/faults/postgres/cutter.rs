//! A way to PostgreSQL that is cut at the worst moment: when a transaction asks to be committed.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What a client says first when it begins a session. What comes before, such as asking for TLS, looks the same but
/// for this number.
const PROTOCOL_3: u32 = 3 << 16;
/// The message that commits, as a client writes it: its kind, its length, its text.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// The kind of the messages that carry parameters.
const BIND: u8 = b'B';

/// Where a connection is cut.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// The server is never asked to commit.
    Before,
    /// The server is asked, and nobody waits for what comes of it.
    AtOnce,
    /// The server has committed, and nobody hears of it.
    After,
}

/// Passes bytes on between its port and another one of 127.0.0.1. It ends with this value.
pub struct Cutter {
    port: u16,
    orders: Orders,
    _passing: JoinSet<()>,
}

/// Where to cut the next transaction with a parameter that holds this text.
type Orders = Arc<Mutex<BTreeMap<String, Cut>>>;

impl Cutter {
    /// Before the server at this port.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let orders = Orders::default();
        let (mut passing, known) = (JoinSet::new(), Arc::clone(&orders));
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let orders = Arc::clone(&known);
                connections.spawn(async move {
                    // Whoever breaks off has reasons of their own.
                    let _ended = pass(near, server, &orders).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            port,
            orders,
            _passing: passing,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the next transaction with a parameter that holds `text`.
    pub fn cut(&self, text: &str, cut: Cut) {
        self.orders.lock().unwrap().insert(text.to_owned(), cut);
    }
}

/// Passes on what either side says, until one of them ends or a cut is due.
async fn pass(mut near: TcpStream, server: u16, orders: &Orders) -> io::Result<()> {
    let mut far = TcpStream::connect(("127.0.0.1", server)).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut asked, mut answered) = (BytesMut::new(), BytesMut::new());
    let (mut has_begun, mut due) = (false, None);
    loop {
        tokio::select! {
            read = near.read_buf(&mut asked) => if read? == 0 {
                return Ok(());
            },
            read = far.read_buf(&mut answered) => {
                if read? == 0 {
                    return Ok(());
                }
                near.write_all_buf(&mut answered).await?;
            }
        }
        while let Some(message) = next(&mut asked, &mut has_begun) {
            if message[0] == BIND {
                due = due.or_else(|| ordered(orders, &message));
            }
            match due {
                Some(Cut::Before) if message == COMMIT => return Ok(()),
                Some(Cut::AtOnce) if message == COMMIT => return far.write_all(&message).await,
                Some(Cut::After) if message == COMMIT => {
                    far.write_all(&message).await?;
                    return far.read_buf(&mut answered).await.map(drop);
                }
                _ => far.write_all(&message).await?,
            }
        }
    }
}

/// Takes the next whole message of a client, if it has come.
fn next(asked: &mut BytesMut, has_begun: &mut bool) -> Option<Bytes> {
    // Messages have a kind, except those before the session.
    let kind = usize::from(*has_begun);
    let length = asked.get(kind..)?.get(..4)?.get_u32() as usize + kind;
    if asked.len() < length {
        return None;
    }
    let message = asked.split_to(length).freeze();
    *has_begun |= message
        .get(4..)
        .is_some_and(|mut rest| rest.remaining() >= 4 && rest.get_u32() == PROTOCOL_3);
    Some(message)
}

/// Takes the order for a message, if there is one.
fn ordered(orders: &Orders, message: &[u8]) -> Option<Cut> {
    let mut orders = orders.lock().unwrap();
    let holds = |text: &String| message.windows(text.len()).any(|part| part == text.as_bytes());
    let text = orders.keys().find(|text| holds(text))?.clone();
    orders.remove(&text)
}
