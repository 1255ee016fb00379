//! How much memory do the decoded requests of all connections take?
//!
//! A decoded request may take hundreds of times the bytes of its frame. What it takes at most is
//! known before it is decoded; it then waits its turn, first come, first served, until the sum
//! over all connections leaves room. Small requests never wait: a connection works on few at once,
//! and their number is bounded by that of the connections.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most memory that large decoded requests take together, in bytes.
pub(crate) const DECODED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A request that takes no more than this is small, in bytes: some hundred partitions.
const SMALL_BYTES_MAX: usize = 64 * 1024;

/// What one permit stands for, in bytes.
const PERMIT_BYTES: usize = 4 * 1024;

/// The memory that decoded requests share.
#[derive(Clone, Debug)]
pub(crate) struct DecodedMemory {
    permits: Arc<Semaphore>,
    permit_count: u32,
}

/// A request's part of the memory, until it is dropped; small requests hold none.
#[derive(Debug)]
pub(crate) struct DecodedPart {
    permit: Option<OwnedSemaphorePermit>,
}

impl DecodedPart {
    /// Whether it is that of a small request.
    pub(crate) fn is_empty(&self) -> bool {
        self.permit.is_none()
    }
}

impl DecodedMemory {
    /// Memory of so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let permit_count = u32::try_from(bytes_max.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let permits = Arc::new(Semaphore::new(permit_count as usize));
        Self {
            permits,
            permit_count,
        }
    }

    /// Takes the part for a request of this size if nothing stands in the way.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<DecodedPart> {
        if bytes <= SMALL_BYTES_MAX {
            return Some(DecodedPart { permit: None });
        }
        let permits = self.permits.clone();
        let taken = permits.try_acquire_many_owned(self.permits_for(bytes)).ok();
        taken.map(|permit| DecodedPart {
            permit: Some(permit),
        })
    }

    /// Takes the part for a request of this size, waiting for those who came before.
    pub(crate) async fn take(&self, bytes: usize) -> DecodedPart {
        if let Some(part) = self.try_take(bytes) {
            return part;
        }
        let permits = self.permits.clone();
        let taken = permits.acquire_many_owned(self.permits_for(bytes)).await;
        DecodedPart {
            permit: Some(taken.expect("nobody closes it")),
        }
    }

    /// A request larger than all there is runs alone.
    fn permits_for(&self, bytes: usize) -> u32 {
        let count = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        count.min(self.permit_count)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
        std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn large_requests_wait_in_turn_and_small_ones_do_not() {
        let memory = DecodedMemory::new(1024 * 1024);
        let first = memory.try_take(1024 * 1024).unwrap();
        assert!(memory.try_take(SMALL_BYTES_MAX + 1).is_none());
        let mut second = Box::pin(memory.take(usize::MAX));
        let mut third = Box::pin(memory.take(SMALL_BYTES_MAX + 1));
        assert!(poll(&mut second).is_pending() && poll(&mut third).is_pending());
        assert!(memory.try_take(SMALL_BYTES_MAX).is_some());
        drop(first);
        assert!(poll(&mut third).is_pending(), "the second came before");
        let Poll::Ready(second) = poll(&mut second) else {
            panic!("all of it is free");
        };
        assert!(poll(&mut third).is_pending(), "the second has all of it");
        drop(second);
        assert!(poll(&mut third).is_ready());
    }
}
