//! The frames of HTTP/2 that ask for nothing: whoever sends too many of them is let go.
//!
//! A ping or a setting costs its sender nothing and us an answer, and the library answers as many as come: sixteen
//! connections of nothing else take every core. An honest client sends a few a second, or, as some do to measure the
//! way, one for each answer; so each request allows for one more.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The length of what precedes each frame.
const HEAD: usize = 9;
// Types and flags of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
/// How many frames that ask for nothing may come within one [`SPAN`].
const MOST: u32 = 1000;
const SPAN: Duration = Duration::from_secs(10);

/// A connection whose frames are counted as they are read.
#[derive(Debug)]
pub(super) struct Counted<I> {
    stream: I,
    frames: Frames,
}

impl<I> Counted<I> {
    pub(super) fn new(stream: I) -> Self {
        Self {
            stream,
            frames: Frames::default(),
        }
    }
}

/// Where in the frames the connection is. Types and lengths are all that is looked at.
#[derive(Debug, Default)]
struct Frames {
    not_http2: bool,
    /// How much of the preface has come.
    preface: usize,
    head: [u8; HEAD],
    head_length: usize,
    /// How much of a frame's payload is still to come.
    payload: usize,
    /// How many asked for nothing since then, less the requests.
    idle: u32,
    since: Option<Instant>,
}

impl Frames {
    /// Takes note of what came; says whether it is too much.
    fn note(&mut self, mut bytes: &[u8]) -> bool {
        while !self.not_http2 && !bytes.is_empty() {
            if self.preface < PREFACE.len() {
                self.not_http2 = bytes[0] != PREFACE[self.preface];
                self.preface += 1;
                bytes = &bytes[1..];
            } else if self.payload > 0 {
                let skipped = self.payload.min(bytes.len());
                self.payload -= skipped;
                bytes = &bytes[skipped..];
            } else {
                let taken = (HEAD - self.head_length).min(bytes.len());
                self.head[self.head_length..self.head_length + taken].copy_from_slice(&bytes[..taken]);
                self.head_length += taken;
                bytes = &bytes[taken..];
                if self.head_length == HEAD {
                    self.head_length = 0;
                    let [high, middle, low, kind, flags, ..] = self.head;
                    self.payload = u32::from_be_bytes([0, high, middle, low]) as usize;
                    let many = match kind {
                        HEADERS => {
                            self.idle = self.idle.saturating_sub(1);
                            false
                        }
                        // The library counts cancellations and heads in pieces; room for answers is what they need.
                        RST_STREAM | WINDOW_UPDATE | CONTINUATION => false,
                        DATA if self.payload > 0 || flags & END_STREAM != 0 => false,
                        _ => self.too_many(),
                    };
                    if many {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn too_many(&mut self) -> bool {
        let now = Instant::now();
        if self.since.is_none_or(|since| now - since > SPAN) {
            (self.since, self.idle) = (Some(now), 0);
        }
        self.idle += 1;
        self.idle > MOST
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = read
            && self.frames.note(&buffer.filled()[before..])
        {
            let told = "too many frames that ask for nothing";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, told)));
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, 0, 0, 0, 0, 0];
        [&head, payload].concat()
    }

    /// Whether these frames pass, however they are cut into pieces.
    fn passing(begin: &[u8], frame: &[u8], count: usize, piece: usize) -> bool {
        let mut frames = Frames::default();
        let bytes = [begin.to_vec(), frame.repeat(count)].concat();
        !bytes.chunks(piece).any(|piece| frames.note(piece))
    }

    #[test]
    fn a_thousand_pings_or_settings_are_enough() {
        for idle in [
            frame(6, &[0; 8]),
            frame(4, &[0; 6]),
            frame(2, &[0; 5]),
            frame(0, b""),
            frame(99, b"x"),
        ] {
            for piece in [1, 7, 16_384] {
                assert!(passing(PREFACE, &idle, 1000, piece));
                assert!(!passing(PREFACE, &idle, 1001, piece));
            }
        }
    }

    #[test]
    fn requests_bodies_and_room_are_not_counted() {
        for (kind, length) in [(HEADERS, 50), (DATA, 100), (WINDOW_UPDATE, 4), (RST_STREAM, 4)] {
            assert!(passing(PREFACE, &frame(kind, &vec![0; length]), 5000, 1000));
        }
    }

    #[test]
    fn a_ping_for_each_request_and_an_empty_end_of_each_body_are_well() {
        let mut end = frame(DATA, b"");
        end[4] = END_STREAM;
        let request = [frame(HEADERS, &[0; 50]), end, frame(6, &[0; 8])].concat();
        assert!(passing(PREFACE, &request, 5000, 1000));
    }

    #[test]
    fn http_1_is_none_of_its_business() {
        assert!(passing(
            b"POST / HTTP/1.1\r\n\r\n",
            &frame(6, &[0; 8]),
            5000,
            1000
        ));
    }
}
