//! What must a coordinator's state machine be able to do?

use std::fmt::Debug;

use super::effect::{BatchKind, Effect, Event, Now};
use super::record::{Record, RecordError, Replayed};

/// The state of one partition of a coordinator's topic, as a pure state machine.
pub trait Machine: Debug + Send + Sized + 'static {
    /// Limits and delays.
    type Settings: Clone + Debug + Send + Sync + 'static;
    /// What [`Self::step`] takes: the coordinator's requests, and every [`Event`].
    type Input: From<Event<Self::Timer>> + Send;
    /// What a request is answered with.
    type Response: Debug + Send + 'static;
    /// Names a timer.
    type Timer: Clone + Debug + Ord + Send + 'static;
    /// What is done outside of the shard; [`std::convert::Infallible`] where there is nothing.
    type Errand: Debug + Send + 'static;

    /// A shard without state; [`Self::replay`] fills it.
    fn new(settings: Self::Settings) -> Self;

    /// Takes over one record of the log. Records are given in log order, before [`Event::Loaded`];
    /// `batch` is the header of the batch around it.
    fn replay(&mut self, batch: BatchKind, record: &Record) -> Result<Replayed, RecordError>;

    /// Takes one input and says what is to be done, in order.
    fn step(
        &mut self,
        now: Now,
        input: Self::Input,
    ) -> Vec<Effect<Self::Response, Self::Timer, Self::Errand>>;
}
