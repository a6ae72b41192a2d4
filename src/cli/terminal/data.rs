//! Data on stdout: bytes as they are, or on a terminal lines as people may see them.

use std::io::{self, IsTerminal, Write};

use crate::base::shown;

/// Takes data. A line is never shown in part.
pub(crate) struct DataOut {
    line: Vec<u8>,
    is_watched: bool,
}

/// Whether people see stdout.
pub(crate) fn is_data_watched() -> bool {
    io::stdout().is_terminal()
}

impl DataOut {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { line: Vec::new(), is_watched: is_data_watched() }
    }
}

impl Write for DataOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_watched {
            io::stdout().lock().write_all(bytes)?;
            return Ok(bytes.len());
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.flush()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.line.is_empty() {
            let text = String::from_utf8_lossy(&self.line);
            writeln!(out, "{}", shown(text.trim_end_matches('\n')))?;
            self.line.clear();
        }
        out.flush()
    }
}
