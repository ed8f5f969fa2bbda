//! The way of log lines to standard error: a queue with an end, and a thread that writes. Whoever reads the lines may
//! be slow or gone; no request waits for them. A line that finds the queue full is dropped and counted.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How many lines wait at most: some seconds of a busy process, a few megabytes.
const MOST: usize = 8192;
/// How long the end of a process waits for its last lines.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How often the end of a process looks whether the queue has room.
const LOOK: Duration = Duration::from_millis(10);

static STANDARD_ERROR: LazyLock<Queue> = LazyLock::new(|| {
    // The handle of the library has a lock, which a write that nobody reads would hold for good.
    match io::stderr().as_fd().try_clone_to_owned() {
        Ok(sink) => Queue::to(File::from(sink), MOST),
        Err(_) => Queue::to(io::stderr(), MOST),
    }
});

/// Writes to standard error by the queue.
pub(crate) fn stderr() -> &'static Queue {
    &STANDARD_ERROR
}

/// What a process does with its lines: none of them, nor a panic's, may hold it up.
pub(crate) fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let told = match backtrace.status() {
            BacktraceStatus::Captured => format!("{panic}\n{backtrace}\n"),
            _ => format!("{panic}\n"),
        };
        stderr().put(told.into_bytes());
        // Whatever panicked may be the end of the process.
        stderr().flushed();
    }));
}

enum Message {
    Line(Vec<u8>),
    /// Asks to be told when everything before it is written.
    Flush(SyncSender<()>),
}

/// Lines on their way.
#[derive(Debug)]
pub(crate) struct Queue {
    messages: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Queue {
    fn to(sink: impl Write + Send + 'static, most: usize) -> Self {
        let (messages, queued) = sync_channel(most);
        let dropped = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&dropped);
        // Without the thread nobody takes lines, and they are dropped: nothing to end a process for.
        let _thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(sink, &queued, &counted));
        Self { messages, dropped }
    }

    /// Queues a line, or drops it.
    pub(crate) fn put(&self, line: Vec<u8>) {
        if self.messages.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("log_lines_dropped_total").increment(1);
        }
    }

    /// Waits, not for long, until every line that was queued is written.
    pub(crate) fn flushed(&self) {
        let deadline = Instant::now() + LAST_LINES;
        let (done, flushed) = sync_channel(1);
        let mut message = Message::Flush(done);
        while Instant::now() < deadline {
            match self.messages.try_send(message) {
                Ok(()) => {
                    let _in_time = flushed.recv_timeout(deadline.saturating_duration_since(Instant::now()));
                    return;
                }
                Err(TrySendError::Full(back)) => message = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            thread::sleep(LOOK);
        }
    }
}

/// Each write is one line, as the formatter of the log writes.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut sink: impl Write, queued: &Receiver<Message>, dropped: &AtomicU64) {
    while let Ok(message) = queued.recv() {
        match message {
            Message::Line(line) => {
                // A closed pipe: there is nobody to tell.
                let _closed = sink.write_all(&line);
                let lost = dropped.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::warn!(lost, "log lines were dropped: nobody read them fast enough");
                }
            }
            Message::Flush(done) => {
                let _closed = sink.flush();
                let _gone = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Keeps what is written, and lets nothing pass while it is held.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn put(queue: &Queue, lines: std::ops::Range<usize>) {
        lines.for_each(|line| queue.put(format!("{line}\n").into_bytes()));
    }

    #[test]
    fn nobody_waits_for_a_sink_that_takes_nothing_and_the_rest_is_dropped_and_counted() {
        let sink = Sink::default();
        let queue = Queue::to(sink.clone(), 4);
        let held = sink.0.lock().unwrap();
        put(&queue, 0..100);
        // Four wait, and the thread holds one at most.
        let dropped = queue.dropped.load(Ordering::Relaxed);
        assert!((95..=96).contains(&dropped), "{dropped}");
        queue.flushed();
        drop(held);
        queue.flushed();
        let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(written.starts_with("0\n1\n2\n3\n"), "{written}");
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 0, "they were told of");
    }

    #[test]
    fn what_was_queued_is_written_in_order_before_the_end() {
        let sink = Sink::default();
        let queue = Queue::to(sink.clone(), 1000);
        put(&queue, 0..500);
        queue.flushed();
        let expected: String = (0..500).map(|line| format!("{line}\n")).collect();
        assert_eq!(sink.0.lock().unwrap().as_slice(), expected.as_bytes());
    }
}
