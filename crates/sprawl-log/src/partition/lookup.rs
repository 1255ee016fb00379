//! Look-ups by timestamp, and the walk over batch headers. Blocking where records are in segments.
//!
//! Source: ListOffsets as Kafka answers it: the first record whose timestamp is at least the one
//! asked for, found down to the record; -3 is the record with the largest timestamp (KIP-734).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use sprawl_model::batch::{BatchHeader, Delivery, Records, delivery_of, payload, visible_part};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;
use sprawl_model::{LeaderEpoch, Offset};

use super::PartitionLog;
use crate::error::{DiskError, ReadError};
use crate::segment::Segment;
use crate::segment::walk::Walk;

/// Headers read in one go by [`Headers`].
const HEADERS_PER_STEP: usize = 1024;

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's offset.
    pub offset: Offset,
    /// Its timestamp, ms since the Unix epoch.
    pub timestamp: i64,
    /// The leader epoch of its batch.
    pub leader_epoch: LeaderEpoch,
}

impl PartitionLog {
    /// Returns the first record below `end` whose timestamp is at least `timestamp`. Blocks.
    pub fn offset_for_timestamp(
        &self,
        timestamp: i64,
        end: Offset,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let (segments, hot) = self.snapshot();
        for segment in segments {
            if let Some(found) = self.find_in_segment(&segment, timestamp, end)? {
                return Ok(Some(found));
            }
        }
        for (max_timestamp, batch) in hot {
            if max_timestamp >= timestamp
                && let Some(found) = self.find_in_batch(&batch, timestamp, end)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Returns the first record with the largest timestamp, or `None` in an empty log. Blocks.
    pub fn max_timestamp(&self) -> Option<TimestampOffset> {
        let (segments, hot) = self.snapshot();
        let in_segments = segments.iter().map(|segment| segment.meta().max_timestamp);
        let in_hot = hot.iter().map(|(max_timestamp, _)| *max_timestamp);
        let largest = in_segments
            .chain(in_hot)
            .max()
            .filter(|largest| *largest >= 0)?;
        let found = match self.offset_for_timestamp(largest, self.log_end()) {
            // The batch that bore it was emptied by compaction, or waits for its delivery.
            Ok(None) => self.max_kept_timestamp(),
            found => found,
        };
        found.unwrap_or_else(|error| {
            tracing::warn!(partition = %self.key, %error, "cannot look up the largest timestamp");
            None
        })
    }

    /// Returns the first record with the largest timestamp, found by the headers of all batches.
    fn max_kept_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        let mut largest = -1;
        let mut offset = self.log_start();
        loop {
            let headers = self.some_headers(offset)?;
            let Some(last) = headers.last() else { break };
            offset = last.next_offset();
            for header in headers {
                largest = largest.max(self.visible_timestamp(&header)?);
            }
        }
        if largest < 0 {
            return Ok(None);
        }
        self.offset_for_timestamp(largest, self.log_end())
    }

    /// Returns the largest timestamp of what consumers see of a batch; -1 where that is nothing.
    fn visible_timestamp(&self, header: &BatchHeader) -> Result<i64, ReadError> {
        if header.record_count == 0 || is_hidden(header) {
            return Ok(-1);
        }
        if !header.attributes.holds_delayed() {
            return Ok(header.max_timestamp);
        }
        let batch = self.read_batch(header.base_offset)?;
        let seen = visible_part(&batch).map_err(|_| ReadError::Damaged {
            from: header.base_offset,
            to: header.next_offset(),
        })?;
        let seen = seen.and_then(|seen| BatchHeader::parse(&seen).ok());
        Ok(seen.map_or(-1, |seen| seen.max_timestamp))
    }

    /// Returns the headers of all batches from the one that holds `offset`. Blocks while iterated.
    pub fn headers_from(self: &Arc<Self>, offset: Offset) -> Result<Headers, ReadError> {
        self.check_offset(offset)?;
        Ok(Headers {
            partition: Arc::clone(self),
            next: offset,
            end: self.log_end(),
            ready: VecDeque::new(),
        })
    }

    /// Returns the segments and, above them, the hot batches with their largest timestamps.
    fn snapshot(&self) -> (Vec<Arc<Segment>>, Vec<(i64, Bytes)>) {
        let inner = self.inner();
        let segments = inner.segments.values().cloned().collect();
        let hot = inner.hot.from(inner.segment_end);
        (
            segments,
            hot.map(|batch| (batch.max_timestamp, batch.bytes.clone()))
                .collect(),
        )
    }

    fn find_in_segment(
        &self,
        segment: &Segment,
        timestamp: i64,
        end: Offset,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let meta = segment.meta();
        if meta.max_timestamp < timestamp || meta.next_offset <= self.log_start() {
            return Ok(None);
        }
        self.load_index(segment)?;
        let file = segment.reader(self.shared.io.disk.as_ref())?;
        let from = segment.index().floor_time(timestamp);
        let mut walk = Walk::new(file.as_ref(), from, meta.size);
        while let Some((header, at)) = walk
            .next()
            .map_err(|error| self.walk_error(error, segment, &meta))?
        {
            if header.base_offset >= end {
                break;
            }
            if header.max_timestamp < timestamp || is_hidden(&header) {
                continue;
            }
            let mut batch = vec![0; header.size()];
            file.read_exact_at(&mut batch, at)
                .map_err(DiskError::at("read", &segment.path))?;
            if let Some(found) = self.find_in_batch(&batch, timestamp, end)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn find_in_batch(
        &self,
        batch: &[u8],
        timestamp: i64,
        end: Offset,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let damaged = |header: &BatchHeader| ReadError::Damaged {
            from: header.base_offset,
            to: header.next_offset(),
        };
        let log_start = self.log_start();
        let header = BatchHeader::parse(batch).map_err(|_| ReadError::Damaged {
            from: log_start,
            to: end,
        })?;
        if is_hidden(&header) {
            return Ok(None);
        }
        let holds_delayed = header.attributes.holds_delayed();
        let records = payload(batch, DECOMPRESSED_BYTES_MAX).map_err(|_| damaged(&header))?;
        for record in Records::new(&header, &records) {
            let record = record.map_err(|_| damaged(&header))?;
            if holds_delayed && delivery_of(&record) != Ok(Delivery::Now) {
                continue;
            }
            if record.timestamp >= timestamp && record.offset >= log_start && record.offset < end {
                return Ok(Some(TimestampOffset {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    leader_epoch: header.leader_epoch,
                }));
            }
        }
        Ok(None)
    }

    /// Returns some headers from the batch that holds `offset`; none at the end.
    fn some_headers(&self, offset: Offset) -> Result<Vec<BatchHeader>, ReadError> {
        let inner = self.inner();
        if inner.hot.start().is_some_and(|start| offset >= start) {
            let batches = inner.hot.from(offset).take(HEADERS_PER_STEP);
            return Ok(batches
                .filter_map(|batch| BatchHeader::parse(&batch.bytes).ok())
                .collect());
        }
        let segment = inner.segment_of(offset);
        // Where the offset is behind a segment's end, damage lies between it and what comes next.
        let beyond = inner
            .damage
            .iter()
            .find(|range| range.from <= offset && offset < range.to);
        let beyond = beyond.map(|range| range.to);
        drop(inner);
        if let Some(beyond) = beyond {
            return self.some_headers(beyond);
        }
        let Some(segment) = segment else {
            return Ok(Vec::new());
        };
        let headers = self.segment_headers(&segment, offset)?;
        let next = segment.meta().next_offset;
        if headers.is_empty() && next > offset {
            // Compaction left nothing at the end of this segment.
            return self.some_headers(next);
        }
        Ok(headers)
    }

    /// Returns some headers of a segment from the batch that holds `offset`, or the next above it.
    fn segment_headers(
        &self,
        segment: &Segment,
        offset: Offset,
    ) -> Result<Vec<BatchHeader>, ReadError> {
        let meta = segment.meta();
        self.load_index(segment)?;
        let file = segment.reader(self.shared.io.disk.as_ref())?;
        let from = segment.index().floor(offset);
        let mut walk = Walk::new(file.as_ref(), from, meta.size);
        let mut headers = Vec::new();
        while headers.len() < HEADERS_PER_STEP {
            match walk
                .next()
                .map_err(|error| self.walk_error(error, segment, &meta))?
            {
                Some((header, _)) if header.next_offset() > offset => headers.push(header),
                Some(_) => {}
                None => break,
            }
        }
        Ok(headers)
    }
}

/// Says whether consumers see nothing of a batch.
fn is_hidden(header: &BatchHeader) -> bool {
    header.attributes.holds_delayed() && !header.attributes.is_mixed()
}

/// Iterates over batch headers in offset order, up to the log end when it was made; damaged ranges
/// are stepped over. After an error it ends.
#[derive(Debug)]
pub struct Headers {
    partition: Arc<PartitionLog>,
    next: Offset,
    end: Offset,
    ready: VecDeque<BatchHeader>,
}

impl Iterator for Headers {
    type Item = Result<BatchHeader, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() && self.next < self.end {
            match self.partition.some_headers(self.next) {
                Ok(headers) => self.ready.extend(headers),
                Err(error) => {
                    self.end = self.next;
                    return Some(Err(error));
                }
            }
        }
        let header = self
            .ready
            .pop_front()
            .filter(|header| header.base_offset < self.end)?;
        self.next = header.next_offset();
        Some(Ok(header))
    }
}
