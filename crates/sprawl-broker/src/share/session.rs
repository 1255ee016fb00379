//! What does each member of a share group consume, and on which connection?
//!
//! A session lets a member send only what changed. It belongs to one connection: when that closes,
//! the session ends and what the member held is given back. Requests of a session count its epoch
//! up; any other epoch makes the member start over. Pure but for its lock.
//!
//! Source: `SharePartitionManager.newContext`, `ShareSessionCache` (KIP-932).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sprawl_model::TopicId;
use sprawl_protocol::ErrorCode;

/// The epoch that opens a session.
pub(crate) const EPOCH_INITIAL: i32 = 0;

/// The epoch that ends one.
pub(crate) const EPOCH_FINAL: i32 = -1;

/// How many partitions one session may have.
const PARTITIONS_MAX: usize = 10_000;

/// A partition, by topic id.
pub(crate) type PartitionRef = (TopicId, i32);

/// Whose session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionKey {
    /// The group.
    pub(crate) group_id: String,
    /// The member.
    pub(crate) member_id: String,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    peer: SocketAddr,
    /// The partitions, and what their clients were told of last: whether it was an error.
    partitions: BTreeMap<PartitionRef, Told>,
}

/// Whether a member knows what became of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It has yet to hear of the partition.
    Nothing,
    /// It heard that all is well.
    Well,
    /// It heard of an error.
    Error,
}

/// What a request does to a session.
#[derive(Clone, Debug)]
pub(crate) struct SessionRequest {
    /// Whose.
    pub(crate) key: SessionKey,
    /// The epoch it states.
    pub(crate) epoch: i32,
    /// The connection it came on.
    pub(crate) peer: SocketAddr,
    /// Partitions that join.
    pub(crate) joined: Vec<PartitionRef>,
    /// Partitions that leave.
    pub(crate) left: Vec<PartitionRef>,
}

/// All sessions, at most so many.
#[derive(Debug)]
pub(crate) struct ShareSessions {
    count_max: usize,
    sessions: Mutex<BTreeMap<SessionKey, Session>>,
}

impl ShareSessions {
    pub(crate) fn new(count_max: usize) -> Self {
        Self {
            count_max,
            sessions: Mutex::default(),
        }
    }

    /// Opens, goes on with or ends the session of a fetch; returns the partitions to read, in turn.
    /// The final epoch reads nothing: [`Self::end`] follows.
    pub(crate) fn begin(&self, request: SessionRequest) -> Result<Vec<PartitionRef>, ErrorCode> {
        let mut sessions = self.lock();
        match request.epoch {
            EPOCH_INITIAL => {
                let is_new = !sessions.contains_key(&request.key);
                if is_new && sessions.len() >= self.count_max {
                    return Err(ErrorCode::ShareSessionLimitReached);
                }
                if request.joined.len() > PARTITIONS_MAX {
                    return Err(ErrorCode::InvalidRequest);
                }
                let joined = request.joined.iter();
                let partitions = joined
                    .map(|partition| (*partition, Told::Nothing))
                    .collect();
                let session = Session {
                    epoch: 1,
                    peer: request.peer,
                    partitions,
                };
                let read = session.partitions.keys().copied().collect();
                sessions.insert(request.key, session);
                Ok(read)
            }
            EPOCH_FINAL => {
                let known = sessions.contains_key(&request.key);
                known.then(Vec::new).ok_or(ErrorCode::ShareSessionNotFound)
            }
            epoch => {
                let session = advance(&mut sessions, &request.key, epoch)?;
                for partition in request.joined {
                    session.partitions.entry(partition).or_insert(Told::Nothing);
                }
                for partition in &request.left {
                    session.partitions.remove(partition);
                }
                if session.partitions.len() > PARTITIONS_MAX {
                    sessions.remove(&request.key);
                    return Err(ErrorCode::InvalidRequest);
                }
                let mut read: Vec<_> = session.partitions.keys().copied().collect();
                let turn = usize::try_from(epoch).unwrap_or(0) % read.len().max(1);
                read.rotate_left(turn);
                Ok(read)
            }
        }
    }

    /// Goes on with a session without a fetch; the final epoch is checked only.
    pub(crate) fn acknowledge(&self, key: &SessionKey, epoch: i32) -> Result<(), ErrorCode> {
        let mut sessions = self.lock();
        match epoch {
            EPOCH_INITIAL => Err(ErrorCode::InvalidShareSessionEpoch),
            EPOCH_FINAL => {
                let known = sessions.contains_key(key);
                known.then_some(()).ok_or(ErrorCode::ShareSessionNotFound)
            }
            epoch => advance(&mut sessions, key, epoch).map(drop),
        }
    }

    /// Ends a session; returns its partitions.
    pub(crate) fn end(&self, key: &SessionKey) -> Vec<PartitionRef> {
        let ended = self.lock().remove(key);
        ended.map_or_else(Vec::new, |session| session.partitions.into_keys().collect())
    }

    /// Ends the sessions of a connection that is closed.
    pub(crate) fn end_of(&self, peer: SocketAddr) -> Vec<(SessionKey, Vec<PartitionRef>)> {
        let mut ended = Vec::new();
        self.lock().retain(|key, session| {
            if session.peer != peer {
                return true;
            }
            let partitions = std::mem::take(&mut session.partitions);
            ended.push((key.clone(), partitions.into_keys().collect()));
            false
        });
        ended
    }

    /// Notes what a member is about to hear of a partition; returns whether it has to hear it.
    pub(crate) fn tell(&self, key: &SessionKey, partition: PartitionRef, failed: bool) -> bool {
        let now = if failed { Told::Error } else { Told::Well };
        let mut sessions = self.lock();
        let session = sessions.get_mut(key);
        match session.and_then(|session| session.partitions.get_mut(&partition)) {
            Some(told) => std::mem::replace(told, now) != now || failed,
            None => true,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Session>> {
        // No call between two changes panics.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn advance<'a>(
    sessions: &'a mut BTreeMap<SessionKey, Session>,
    key: &SessionKey,
    epoch: i32,
) -> Result<&'a mut Session, ErrorCode> {
    let session = sessions
        .get_mut(key)
        .ok_or(ErrorCode::ShareSessionNotFound)?;
    if session.epoch != epoch {
        return Err(ErrorCode::InvalidShareSessionEpoch);
    }
    session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
    Ok(session)
}

#[cfg(test)]
mod tests {
    use sprawl_model::TopicId;
    use uuid::Uuid;

    use super::*;

    const TOPIC: TopicId = TopicId(Uuid::from_u128(5));

    fn key() -> SessionKey {
        SessionKey {
            group_id: "g".to_owned(),
            member_id: "m".to_owned(),
        }
    }

    fn request(epoch: i32, joined: &[i32]) -> SessionRequest {
        SessionRequest {
            key: key(),
            epoch,
            peer: "127.0.0.1:5000".parse().unwrap(),
            joined: joined.iter().map(|partition| (TOPIC, *partition)).collect(),
            left: Vec::new(),
        }
    }

    fn read(sessions: &ShareSessions, request: SessionRequest) -> Result<Vec<i32>, ErrorCode> {
        let read = sessions.begin(request)?;
        Ok(read.into_iter().map(|(_, partition)| partition).collect())
    }

    #[test]
    fn a_session_remembers_its_partitions_and_takes_turns() {
        let sessions = ShareSessions::new(1);
        assert_eq!(read(&sessions, request(0, &[0, 1, 2])), Ok(vec![0, 1, 2]));
        assert_eq!(read(&sessions, request(1, &[])), Ok(vec![1, 2, 0]));
        let mut leaving = request(2, &[3]);
        leaving.left = vec![(TOPIC, 0)];
        assert_eq!(read(&sessions, leaving), Ok(vec![3, 1, 2]));
    }

    #[test]
    fn an_epoch_out_of_turn_is_refused() {
        let sessions = ShareSessions::new(1);
        let unknown = read(&sessions, request(1, &[0]));
        assert_eq!(unknown, Err(ErrorCode::ShareSessionNotFound));
        read(&sessions, request(0, &[0])).unwrap();
        let skipped = read(&sessions, request(2, &[]));
        assert_eq!(skipped, Err(ErrorCode::InvalidShareSessionEpoch));
        assert_eq!(sessions.acknowledge(&key(), 1), Ok(()));
        let again = sessions.acknowledge(&key(), 1);
        assert_eq!(again, Err(ErrorCode::InvalidShareSessionEpoch));
        let opening = sessions.acknowledge(&key(), 0);
        assert_eq!(opening, Err(ErrorCode::InvalidShareSessionEpoch));
    }

    #[test]
    fn no_more_sessions_than_the_limit_are_open() {
        let sessions = ShareSessions::new(1);
        read(&sessions, request(0, &[0])).unwrap();
        read(&sessions, request(0, &[0])).unwrap();
        let mut other = request(0, &[0]);
        other.key.member_id = "n".to_owned();
        let refused = read(&sessions, other.clone());
        assert_eq!(refused, Err(ErrorCode::ShareSessionLimitReached));
        assert_eq!(sessions.end(&key()), [(TOPIC, 0)]);
        read(&sessions, other).unwrap();
    }

    #[test]
    fn a_closed_connection_ends_its_sessions_alone() {
        let sessions = ShareSessions::new(2);
        read(&sessions, request(0, &[4])).unwrap();
        assert_eq!(sessions.end_of("127.0.0.1:5001".parse().unwrap()), []);
        let ended = sessions.end_of("127.0.0.1:5000".parse().unwrap());
        assert_eq!(ended, [(key(), vec![(TOPIC, 4)])]);
        assert_eq!(sessions.end(&key()), []);
    }

    #[test]
    fn a_member_hears_of_a_partition_once_and_of_an_error_always() {
        let sessions = ShareSessions::new(1);
        read(&sessions, request(0, &[0])).unwrap();
        let heard = |failed| sessions.tell(&key(), (TOPIC, 0), failed);
        assert_eq!([heard(false), heard(false)], [true, false]);
        assert_eq!([heard(true), heard(true)], [true, true]);
        assert_eq!([heard(false), heard(false)], [true, false]);
    }
}
