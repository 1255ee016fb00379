//! Where do the lines come from: files one after the other, or standard input?
//!
//! Reading blocks, so it happens off the async threads, a chunk of lines at a time. A line has at
//! most [`LINE_BYTES_MAX`] bytes.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use sprawl_io::disk::OpenMode;
use sprawl_io::{File, Io};
use sprawl_model::limits::BATCH_BYTES_MAX;
use tokio::sync::mpsc;

/// The longest line.
const LINE_BYTES_MAX: usize = BATCH_BYTES_MAX;

/// Lines handed over at once.
const CHUNK_LINE_COUNT: usize = 512;

/// Bytes after which a chunk is handed over early.
const CHUNK_BYTES: usize = 256 * 1024;

/// Chunks that wait.
const CHUNK_COUNT_MAX: usize = 4;

type Chunk = io::Result<Vec<Bytes>>;

/// The lines, without their ends.
#[derive(Debug)]
pub(super) struct Lines {
    chunks: mpsc::Receiver<Chunk>,
    ready: VecDeque<Bytes>,
    size_bytes: Option<u64>,
}

impl Lines {
    /// Opens every file before the first line is read, so that a wrong name is told at once.
    pub(super) fn open(io: &Io, files: &[PathBuf]) -> anyhow::Result<Self> {
        let mut opened = Vec::new();
        let mut size_bytes = 0;
        for path in files {
            let cannot = |error| anyhow::anyhow!("cannot read {}: {error}", path.display());
            let file = io.disk.open(path, OpenMode::Read).map_err(cannot)?;
            size_bytes += file.size().map_err(cannot)?;
            opened.push(FileReader { file, position: 0 });
        }
        let (sender, chunks) = mpsc::channel(CHUNK_COUNT_MAX);
        let reading = io.spawn.blocking_boxed(Box::new(move || {
            let result = if opened.is_empty() {
                read_lines(&mut io::stdin().lock(), &sender)
            } else {
                opened
                    .into_iter()
                    .try_for_each(|file| read_lines(&mut BufReader::new(file), &sender))
            };
            if let Err(error) = result {
                // The reader of the lines may have enough; then nobody wants the error.
                drop(sender.blocking_send(Err(error)));
            }
        }));
        io.spawn.task(reading);
        let size_bytes = (!files.is_empty()).then_some(size_bytes);
        Ok(Self {
            chunks,
            ready: VecDeque::new(),
            size_bytes,
        })
    }

    /// Returns the size of all files, or `None` for standard input.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// Returns the next line. Cancel: safe.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            match self.chunks.recv().await {
                Some(chunk) => self.ready.extend(chunk?),
                None => return Ok(None),
            }
        }
    }
}

fn read_lines(reader: &mut impl BufRead, sender: &mpsc::Sender<Chunk>) -> io::Result<()> {
    let mut chunk = Vec::new();
    let mut chunk_bytes = 0_usize;
    while let Some(line) = read_line(reader)? {
        chunk_bytes = chunk_bytes.saturating_add(line.len());
        chunk.push(line);
        // A slow writer's lines are not held back until a chunk is full.
        let full = chunk.len() >= CHUNK_LINE_COUNT || chunk_bytes >= CHUNK_BYTES;
        if full || reader.fill_buf()?.is_empty() {
            chunk_bytes = 0;
            if sender
                .blocking_send(Ok(std::mem::take(&mut chunk)))
                .is_err()
            {
                return Ok(());
            }
        }
    }
    if !chunk.is_empty() {
        // A closed channel means that nobody wants more lines.
        drop(sender.blocking_send(Ok(chunk)));
    }
    Ok(())
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Bytes>> {
    let mut line = Vec::new();
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    if reader.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() >= LINE_BYTES_MAX {
        let message =
            format!("expected lines of at most {LINE_BYTES_MAX} bytes, found a longer one");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(Some(Bytes::from(line)))
}

/// A file from its start.
struct FileReader {
    file: Arc<dyn File>,
    position: u64,
}

impl Read for FileReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(bytes, self.position)?;
        self.position = self
            .position
            .saturating_add(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_newlines_and_the_last_needs_none() {
        let mut reader = BufReader::new(&b"a\n\nb c"[..]);
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut reader).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, [&b"a"[..], b"", b"b c"]);
    }
}
