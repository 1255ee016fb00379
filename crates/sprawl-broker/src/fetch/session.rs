//! Which partitions does a consumer follow, and what did it hear of each last? (KIP-227)
//!
//! A session lets a consumer send only what changed and hear only of partitions with news. Pure:
//! time is passed in. A session is used by one request at a time, in epoch order; anything else is
//! an error that makes the client start over. All sessions together hold at most
//! [`SESSION_BYTES_MAX`]; whoever would need more fetches without a session.
//!
//! Source: KIP-227; `FetchSession.scala` for the order of partitions and the eviction rule.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sprawl_model::{LeaderEpoch, Offset, PartitionId, TopicId};

/// A session that was used this recently is not evicted for a new one
/// (`min.incremental.fetch.session.eviction.ms`).
const EVICTION_AGE_MIN: Duration = Duration::from_secs(120);

/// What all sessions together may hold, in bytes as [`entry_bytes`] counts them: some 500,000
/// partitions.
const SESSION_BYTES_MAX: usize = 128 * 1024 * 1024;

/// "No session" on the wire.
pub(crate) const SESSION_ID_NONE: i32 = 0;

/// The epoch of a full fetch that wants a session.
pub(crate) const EPOCH_INITIAL: i32 = 0;

/// The epoch of a full fetch that wants none.
pub(crate) const EPOCH_FINAL: i32 = -1;

/// The key of a partition inside a fetch: by name before v13, by id since.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FetchKey {
    /// Empty since v13.
    pub(crate) topic: Arc<str>,
    /// Nil before v13.
    pub(crate) topic_id: TopicId,
    /// The partition's number.
    pub(crate) partition: PartitionId,
}

/// What a consumer asks of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchPartition {
    /// Which partition.
    pub(crate) key: FetchKey,
    /// The epoch the client believes in, or -1.
    pub(crate) current_leader_epoch: LeaderEpoch,
    /// Where to read.
    pub(crate) fetch_offset: Offset,
    /// The epoch of the last record the client has, or -1.
    pub(crate) last_fetched_epoch: LeaderEpoch,
    /// The most bytes of this partition.
    pub(crate) bytes_max: usize,
}

/// What a client was last told about a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: Offset,
    pub(crate) last_stable_offset: Offset,
    pub(crate) log_start: Offset,
    pub(crate) failed: bool,
}

/// How a client names topics: by name before v13, by id since. A session stays with one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicNaming {
    ByName,
    ById,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    used: Duration,
    naming: TopicNaming,
    partitions: BTreeMap<FetchKey, Entry>,
    /// Whose turn to be read is next, by [`Entry::turn`]; who gave bytes takes a new turn.
    order: BTreeMap<u64, FetchKey>,
    turn_next: u64,
    bytes: usize,
}

/// A partition of a session.
#[derive(Debug)]
struct Entry {
    asked: FetchPartition,
    told: Option<Told>,
    turn: u64,
}

/// About what a partition of a session takes: the entry, its key twice, the maps' nodes.
fn entry_bytes(key: &FetchKey) -> usize {
    2 * size_of::<FetchKey>() + size_of::<Entry>() + 64 + key.topic.len()
}

/// Why a session cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionError {
    /// No session with this id.
    NotFound,
    /// The epoch is not the next one.
    InvalidEpoch,
    /// The session names topics in the other way.
    OtherNaming,
}

/// What a request is, once its session fields are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionKind {
    /// All partitions are in the request; no session is kept.
    Sessionless,
    /// All partitions are in the request; the response may be cut to news from now on.
    Full(i32),
    /// The request changes a session.
    Incremental(i32),
}

/// All sessions of a broker, at most `slots`.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    sessions: Mutex<BTreeMap<i32, Session>>,
}

/// What a fetch request says about its session.
#[derive(Debug)]
pub(crate) struct SessionRequest {
    pub(crate) session_id: i32,
    pub(crate) epoch: i32,
    pub(crate) naming: TopicNaming,
    pub(crate) partitions: Vec<FetchPartition>,
    pub(crate) forgotten: Vec<FetchKey>,
}

impl FetchSessions {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots,
            sessions: Mutex::new(BTreeMap::new()),
        }
    }

    /// How many sessions are kept.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Finds or makes the session of a request and returns the partitions to read, in order.
    ///
    /// `fresh_id` is used when a session is made; 0 or a taken id means that none is made.
    pub(crate) fn begin(
        &self,
        request: SessionRequest,
        now: Duration,
        fresh_id: i32,
    ) -> Result<(SessionKind, Vec<FetchPartition>), SessionError> {
        let mut sessions = self.lock();
        if matches!(request.epoch, EPOCH_INITIAL | EPOCH_FINAL) {
            if request.session_id != SESSION_ID_NONE {
                sessions.remove(&request.session_id);
            }
            let wanted = request.epoch == EPOCH_INITIAL && !request.partitions.is_empty();
            let is_free = fresh_id > 0 && !sessions.contains_key(&fresh_id);
            if !wanted || !is_free {
                return Ok((SessionKind::Sessionless, request.partitions));
            }
            let session = Session::new(&request, now);
            let kind = if self.make_room(&mut sessions, session.bytes, now) {
                sessions.insert(fresh_id, session);
                SessionKind::Full(fresh_id)
            } else {
                SessionKind::Sessionless
            };
            return Ok((kind, request.partitions));
        }
        let id = request.session_id;
        let session = sessions.get_mut(&id).ok_or(SessionError::NotFound)?;
        if session.epoch != request.epoch {
            return Err(SessionError::InvalidEpoch);
        }
        if session.naming != request.naming {
            return Err(SessionError::OtherNaming);
        }
        session.epoch = next_epoch(session.epoch);
        session.used = now;
        let bytes_before = session.bytes;
        session.update(request.partitions, &request.forgotten);
        let partitions = session.in_order();
        if session.bytes > bytes_before && held_bytes(&sessions) > SESSION_BYTES_MAX {
            sessions.remove(&id);
            return Err(SessionError::NotFound);
        }
        Ok((SessionKind::Incremental(id), partitions))
    }

    /// Notes what the client is about to hear; returns whether the partition must be in the
    /// response.
    pub(crate) fn tell(&self, kind: SessionKind, key: &FetchKey, told: Told, bytes: usize) -> bool {
        let (id, incremental) = match kind {
            SessionKind::Sessionless => return true,
            SessionKind::Full(id) => (id, false),
            SessionKind::Incremental(id) => (id, true),
        };
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(&id) else {
            return true;
        };
        let Some(entry) = session.partitions.get_mut(key) else {
            return true;
        };
        let news = bytes > 0 || told.failed || entry.told != Some(told);
        entry.told = Some(told);
        if bytes > 0
            && let Some(key) = session.order.remove(&entry.turn)
        {
            entry.turn = session.turn_next;
            session.turn_next += 1;
            session.order.insert(entry.turn, key);
        }
        news || !incremental
    }

    /// Drops the least recently used sessions, where they are old enough, until there is a slot and
    /// room for `bytes`.
    fn make_room(
        &self,
        sessions: &mut BTreeMap<i32, Session>,
        bytes: usize,
        now: Duration,
    ) -> bool {
        let bytes_max = SESSION_BYTES_MAX.saturating_sub(bytes);
        while sessions.len() >= self.slots || held_bytes(sessions) > bytes_max {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used);
            let Some((id, session)) = oldest else {
                return false;
            };
            if now.saturating_sub(session.used) < EVICTION_AGE_MIN {
                return false;
            }
            let id = *id;
            sessions.remove(&id);
        }
        bytes <= SESSION_BYTES_MAX
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<i32, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held_bytes(sessions: &BTreeMap<i32, Session>) -> usize {
    sessions.values().map(|session| session.bytes).sum()
}

impl Session {
    fn new(request: &SessionRequest, now: Duration) -> Self {
        let mut session = Self {
            epoch: next_epoch(EPOCH_INITIAL),
            used: now,
            naming: request.naming,
            partitions: BTreeMap::new(),
            order: BTreeMap::new(),
            turn_next: 0,
            bytes: 0,
        };
        session.update(request.partitions.clone(), &[]);
        session
    }

    fn update(&mut self, partitions: Vec<FetchPartition>, forgotten: &[FetchKey]) {
        for asked in partitions {
            if let Some(known) = self.partitions.get_mut(&asked.key) {
                known.asked = asked;
                continue;
            }
            let (key, turn) = (asked.key.clone(), self.turn_next);
            self.turn_next += 1;
            self.bytes += entry_bytes(&key);
            self.order.insert(turn, key.clone());
            let told = None;
            self.partitions.insert(key, Entry { asked, told, turn });
        }
        for key in forgotten {
            if let Some(entry) = self.partitions.remove(key) {
                self.order.remove(&entry.turn);
                self.bytes -= entry_bytes(key);
            }
        }
    }

    fn in_order(&self) -> Vec<FetchPartition> {
        let known = self
            .order
            .values()
            .filter_map(|key| self.partitions.get(key));
        known.map(|entry| entry.asked.clone()).collect()
    }
}

/// The epoch after `epoch`; it wraps to 1, since 0 and -1 have a meaning.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32, offset: i64) -> FetchPartition {
        FetchPartition {
            key: key(number),
            current_leader_epoch: LeaderEpoch::NONE,
            fetch_offset: Offset(offset),
            last_fetched_epoch: LeaderEpoch::NONE,
            bytes_max: 1024,
        }
    }

    fn key(number: i32) -> FetchKey {
        FetchKey {
            topic: "t".into(),
            topic_id: TopicId::NONE,
            partition: PartitionId(number),
        }
    }

    fn request(id: i32, epoch: i32, partitions: Vec<FetchPartition>) -> SessionRequest {
        SessionRequest {
            session_id: id,
            epoch,
            naming: TopicNaming::ByName,
            partitions,
            forgotten: Vec::new(),
        }
    }

    fn told(high_watermark: i64) -> Told {
        Told {
            high_watermark: Offset(high_watermark),
            last_stable_offset: Offset(high_watermark),
            log_start: Offset(0),
            failed: false,
        }
    }

    const NOW: Duration = Duration::from_secs(1);

    fn offsets(partitions: &[FetchPartition]) -> Vec<(i32, i64)> {
        partitions
            .iter()
            .map(|p| (p.key.partition.0, p.fetch_offset.0))
            .collect()
    }

    #[test]
    fn an_incremental_fetch_remembers_partitions_and_hears_only_news() {
        let sessions = FetchSessions::new(10);
        let (kind, _) = sessions
            .begin(
                request(0, 0, vec![partition(0, 5), partition(1, 6)]),
                NOW,
                77,
            )
            .unwrap();
        assert_eq!(kind, SessionKind::Full(77));
        assert!(
            sessions.tell(kind, &key(0), told(5), 0),
            "a full fetch hears of everything"
        );
        assert!(sessions.tell(kind, &key(1), told(6), 0));

        let (kind, read) = sessions
            .begin(request(77, 1, vec![partition(1, 9)]), NOW, 78)
            .unwrap();
        assert_eq!(kind, SessionKind::Incremental(77));
        assert_eq!(offsets(&read), [(0, 5), (1, 9)]);
        assert!(!sessions.tell(kind, &key(0), told(5), 0), "no news");
        assert!(
            sessions.tell(kind, &key(1), told(7), 0),
            "a new high watermark is news"
        );
    }

    #[test]
    fn a_partition_that_gave_bytes_is_read_last_next_time() {
        let sessions = FetchSessions::new(10);
        let (kind, _) = sessions
            .begin(
                request(0, 0, vec![partition(0, 0), partition(1, 0)]),
                NOW,
                5,
            )
            .unwrap();
        sessions.tell(kind, &key(0), told(1), 100);
        let (_, read) = sessions.begin(request(5, 1, vec![]), NOW, 6).unwrap();
        assert_eq!(offsets(&read), [(1, 0), (0, 0)]);
    }

    #[test]
    fn a_forgotten_partition_is_not_read_again() {
        let sessions = FetchSessions::new(10);
        sessions
            .begin(
                request(0, 0, vec![partition(0, 0), partition(1, 0)]),
                NOW,
                5,
            )
            .unwrap();
        let forget = SessionRequest {
            forgotten: vec![key(0)],
            ..request(5, 1, vec![])
        };
        let (_, read) = sessions.begin(forget, NOW, 6).unwrap();
        assert_eq!(offsets(&read), [(1, 0)]);
    }

    #[test]
    fn a_wrong_epoch_and_an_unknown_session_are_told_apart() {
        let sessions = FetchSessions::new(10);
        sessions
            .begin(request(0, 0, vec![partition(0, 0)]), NOW, 5)
            .unwrap();
        let error = sessions.begin(request(5, 3, vec![]), NOW, 6).unwrap_err();
        assert_eq!(error, SessionError::InvalidEpoch);
        let error = sessions.begin(request(9, 1, vec![]), NOW, 6).unwrap_err();
        assert_eq!(error, SessionError::NotFound);
    }

    #[test]
    fn a_final_fetch_closes_its_session() {
        let sessions = FetchSessions::new(10);
        sessions
            .begin(request(0, 0, vec![partition(0, 0)]), NOW, 5)
            .unwrap();
        let (kind, _) = sessions
            .begin(request(5, EPOCH_FINAL, vec![partition(0, 3)]), NOW, 6)
            .unwrap();
        assert_eq!(kind, SessionKind::Sessionless);
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn a_full_cache_keeps_young_sessions_and_replaces_old_ones() {
        let sessions = FetchSessions::new(1);
        sessions
            .begin(request(0, 0, vec![partition(0, 0)]), NOW, 5)
            .unwrap();
        let (kind, _) = sessions
            .begin(request(0, 0, vec![partition(0, 0)]), NOW, 6)
            .unwrap();
        assert_eq!(kind, SessionKind::Sessionless);
        let later = NOW + EVICTION_AGE_MIN;
        let (kind, _) = sessions
            .begin(request(0, 0, vec![partition(0, 0)]), later, 7)
            .unwrap();
        assert_eq!(kind, SessionKind::Full(7));
    }

    #[test]
    fn a_session_stays_with_names_or_with_ids() {
        let sessions = FetchSessions::new(10);
        sessions
            .begin(request(0, 0, vec![partition(0, 0)]), NOW, 5)
            .unwrap();
        let by_id = SessionRequest {
            naming: TopicNaming::ById,
            ..request(5, 1, vec![])
        };
        let error = sessions.begin(by_id, NOW, 6).unwrap_err();
        assert_eq!(error, SessionError::OtherNaming);
        assert!(sessions.begin(request(5, 1, vec![]), NOW, 6).is_ok());
    }

    #[test]
    fn all_sessions_together_hold_a_limited_number_of_bytes() {
        let sessions = FetchSessions::new(10);
        let long: Arc<str> = "x".repeat(SESSION_BYTES_MAX / 3).into();
        let large = |number| {
            let mut large = partition(number, 0);
            large.key.topic = Arc::clone(&long);
            large
        };
        for id in [5, 6] {
            let (kind, _) = sessions
                .begin(request(0, 0, vec![large(0)]), NOW, id)
                .unwrap();
            assert_eq!(kind, SessionKind::Full(id));
        }
        let (kind, read) = sessions
            .begin(request(0, 0, vec![large(0)]), NOW, 7)
            .unwrap();
        assert_eq!((kind, read.len()), (SessionKind::Sessionless, 1));
        let error = sessions
            .begin(request(6, 1, vec![large(1)]), NOW, 8)
            .unwrap_err();
        assert_eq!(error, SessionError::NotFound, "the client starts over");
        assert_eq!(sessions.count(), 1);
        let forget = SessionRequest {
            forgotten: vec![large(0).key],
            ..request(5, 1, vec![])
        };
        sessions.begin(forget, NOW, 8).unwrap();
        assert_eq!(held_bytes(&sessions.lock()), 0);
    }

    #[test]
    fn the_epoch_wraps_past_its_largest_value() {
        assert_eq!(next_epoch(i32::MAX), 1);
    }
}
