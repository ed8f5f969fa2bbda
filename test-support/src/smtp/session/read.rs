//! Reading what a client sends: lines, and the mail between them.

use std::io::{self, ErrorKind};

use tokio::io::AsyncBufReadExt;

use super::Session;

impl Session {
    pub(super) async fn read_line(&mut self) -> io::Result<String> {
        let line = self.read_raw_line().await?;
        Ok(String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned())
    }

    /// Reads up to the line with nothing but a dot, and takes away the dots that were stuffed in front of
    /// others.
    pub(super) async fn read_mail(&mut self) -> io::Result<Vec<u8>> {
        let mut mail = Vec::new();
        loop {
            let line = self.read_raw_line().await?;
            if line == b".\r\n" {
                return Ok(mail);
            }
            mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    async fn read_raw_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        // Half a line is what a client leaves behind that dies while writing: no command, and no end of a
        // mail.
        if line.ends_with(b"\n") {
            Ok(line)
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }
}
