//! What do share groups need beside their machine: states of partitions begun and deleted.
//!
//! A partition is given out when its state was begun. Beginning is idempotent: a state that is
//! there stays as it is.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sprawl_core::group::{GroupError, Input, Response, ShareStates, StatePartitions};
use sprawl_core::share::coordinator::ShareStateKey;
use sprawl_io::net::BoxFuture;
use sprawl_io::time;
use sprawl_model::TopicId;
use sprawl_protocol::ErrorCode;

use crate::broker::Broker;
use crate::coordinator::{
    ensure_share_state_topic, of_coordinator, of_group, of_share_coordinator,
};

/// How long a heartbeat waits for states to be begun, so that its answer tells the partitions.
const BEGIN_WAIT_MAX: Duration = Duration::from_secs(2);

/// Begins the states of partitions, and tells the group; whether it is done in time.
///
/// Cancel: safe; what was begun stays, and the next heartbeat asks again.
pub(crate) async fn begin_states(
    broker: &Arc<Broker>,
    group_id: &str,
    group_epoch: i32,
    partitions: StatePartitions,
) -> bool {
    let begin = begin_all(broker, group_id, group_epoch, partitions);
    match time::timeout(BEGIN_WAIT_MAX, begin).await {
        Some(Ok(())) => true,
        Some(Err(error)) => {
            tracing::warn!(group_id, ?error, "share states not begun");
            false
        }
        None => false,
    }
}

async fn begin_all(
    broker: &Arc<Broker>,
    group_id: &str,
    group_epoch: i32,
    partitions: StatePartitions,
) -> Result<(), ErrorCode> {
    if let Err(error) = ensure_share_state_topic(broker).await {
        tracing::warn!(%error, "the topic of share states cannot be made");
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let keys = keys_of(group_id, &partitions);
    for key in &keys {
        broker.share.coordinator.wait_until_loaded(key).await;
    }
    // Written together: each wait for the disk covers all of them.
    let begun = keys.into_iter().map(|key| {
        let coordinator = broker.share.coordinator.clone();
        let begin: BoxFuture<'static, Result<(), ErrorCode>> = Box::pin(async move {
            let begun = coordinator.initialize(key, (group_epoch, -1)).await;
            begun.map_err(of_share_coordinator)
        });
        begin
    });
    all(begun.collect()).await?;
    tell(broker, group_id, ShareStates::Begun(partitions)).await
}

fn keys_of(group_id: &str, partitions: &StatePartitions) -> Vec<ShareStateKey> {
    let each = partitions.iter();
    let each = each.flat_map(|(topic_id, (_, numbers))| {
        numbers.iter().map(|number| ShareStateKey {
            group_id: group_id.to_owned(),
            topic_id: *topic_id,
            partition: *number,
        })
    });
    each.collect()
}

/// Waits for all; the first error is told.
async fn all(mut futures: Vec<BoxFuture<'static, Result<(), ErrorCode>>>) -> Result<(), ErrorCode> {
    let mut outcome = Ok(());
    poll_fn(|context| {
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(one) => {
                outcome = outcome.and(one);
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() {
            Poll::Ready(outcome)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Tells a group what became of states.
pub(crate) async fn tell(
    broker: &Arc<Broker>,
    group_id: &str,
    change: ShareStates,
) -> Result<(), ErrorCode> {
    let (group, id) = (&broker.coordinator, group_id.to_owned());
    let told = group.submit(group_id, |token| Input::ShareStates(token, id, change));
    match told.await {
        Ok(Response::ShareStates(outcome)) => outcome.map_err(of_group),
        Ok(_) => Err(ErrorCode::UnknownServerError),
        Err(error) => Err(of_coordinator(error)),
    }
}

/// What a group has begun, if it is a share group.
pub(crate) fn states_of(broker: &Broker, group_id: &str) -> Result<StatePartitions, ErrorCode> {
    described(broker, group_id).map(|group| group.states)
}

/// What a group without members has begun.
pub(crate) fn states_of_empty(
    broker: &Broker,
    group_id: &str,
) -> Result<StatePartitions, ErrorCode> {
    let group = described(broker, group_id)?;
    if group.members.is_empty() {
        Ok(group.states)
    } else {
        Err(of_group(GroupError::NonEmptyGroup))
    }
}

fn described(
    broker: &Broker,
    group_id: &str,
) -> Result<sprawl_core::group::DescribedShareGroup, ErrorCode> {
    if group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let coordinator = &broker.coordinator;
    let described = coordinator.read(group_id, |groups| groups.describe_share(group_id));
    described.map_err(of_coordinator)?.map_err(of_group)
}

/// Deletes the states of topics of a group.
pub(crate) async fn delete_states(
    broker: &Arc<Broker>,
    group_id: &str,
    partitions: &StatePartitions,
) -> Result<BTreeSet<TopicId>, ErrorCode> {
    for key in keys_of(group_id, partitions) {
        broker.share.coordinator.wait_until_loaded(&key).await;
        let deleted = broker.share.coordinator.delete_state(key.clone()).await;
        broker.share.forget(&key);
        deleted.map_err(of_share_coordinator)?;
    }
    Ok(partitions.keys().copied().collect())
}
