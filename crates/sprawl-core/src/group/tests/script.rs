//! The little language of the scenarios.
//!
//! A line is a command; what it caused follows it in the trace, indented. `join 1 g -` joins as a
//! new member with token 1; the member id it may be given is `m1`. See `Script::command` for the
//! rest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use bytes::{BufMut, Bytes, BytesMut};
use sprawl_model::batch::{BatchHeader, EndTxnMarker, Records, TxnOutcome, payload};
use sprawl_model::{
    Offset, PartitionId, ProducerEpoch, ProducerId, ProducerIdAndEpoch, TopicPartition,
};

use crate::coordinator::{
    AppendId, AppendOutcome, AppendRefusal, BatchKind, Machine, Now, Record, Replayed, Token,
};
use crate::group::classic::subscription::subscribed_topics;
use crate::group::{
    CommitOffset, Effect, GroupError, GroupSettings, GroupShard, GroupState, HeartbeatRequest,
    Input, JoinProtocol, JoinRequest, LeaveRequest, LeavingMember, MemberIdRule, MissingGroup,
    OffsetCommitRequest, OffsetDeleteRequest, Response, SkipAssignment, SyncRequest, TimerId,
};
use crate::partition::EndTxn;

pub(super) struct Script {
    settings: GroupSettings,
    shard: GroupShard,
    now: Now,
    timers: BTreeMap<TimerId, u64>,
    log: Vec<(BatchKind, Record)>,
    appends: VecDeque<(AppendId, BatchKind, Vec<Record>)>,
    holds: bool,
    trace: String,
    asked: BTreeSet<Token>,
    answered: BTreeSet<Token>,
}

/// The words of a command: positional ones, then `name=value`.
struct Words<'a> {
    plain: VecDeque<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let (mut plain, mut named) = (VecDeque::new(), BTreeMap::new());
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => drop(named.insert(name, value)),
                None => plain.push_back(word),
            }
        }
        Self { plain, named }
    }

    fn next(&mut self) -> &'a str {
        self.plain
            .pop_front()
            .expect("the command has another word")
    }

    /// A word where `-` stands for nothing.
    fn text(&mut self) -> String {
        match self.next() {
            "-" => String::new(),
            word => word.to_owned(),
        }
    }

    fn number(&mut self) -> i32 {
        self.next().parse().expect("a number")
    }

    fn named_number(&self, name: &str) -> Option<i32> {
        self.named
            .get(name)
            .map(|value| value.parse().expect("a number"))
    }

    fn named_text(&self, name: &str) -> Option<String> {
        self.named.get(name).map(|value| (*value).to_owned())
    }
}

impl Script {
    pub(super) fn new(settings: GroupSettings) -> Self {
        let mut script = Self {
            shard: GroupShard::new(settings.clone()),
            settings,
            now: Now {
                wall_ms: 1_000_000,
                monotonic_ms: 0,
            },
            timers: BTreeMap::new(),
            log: Vec::new(),
            appends: VecDeque::new(),
            holds: false,
            trace: String::new(),
            asked: BTreeSet::new(),
            answered: BTreeSet::new(),
        };
        script.step(Input::Loaded);
        script
    }

    pub(super) fn run(&mut self, script: &str) -> String {
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            writeln!(self.trace, "{line}").unwrap();
            self.command(line);
        }
        std::mem::take(&mut self.trace)
    }

    fn command(&mut self, line: &str) {
        let mut words = Words::of(line);
        match words.next() {
            "join" => self.join(words),
            "sync" => self.sync(words),
            "heartbeat" => self.heartbeat(words),
            "leave" => self.leave(words),
            "commit" => self.commit(words),
            "end" => {
                let token = self.token(&mut words);
                let outcome = match words.next() {
                    "commit" => TxnOutcome::Commit,
                    _ => TxnOutcome::Abort,
                };
                let end = EndTxn {
                    producer_id: producer(words.number()).producer_id,
                    producer_epoch: ProducerEpoch(1),
                    marker: EndTxnMarker {
                        outcome,
                        coordinator_epoch: 0,
                    },
                    transaction_version: 2,
                };
                self.step(Input::EndTransaction(token, end));
            }
            "unstable" => {
                let group_id = words.text();
                let unstable = words.plain.into_iter().map(|word| {
                    let (topic, partition) = partition(word);
                    let is_unstable = self.shard.is_unstable(&group_id, &topic, partition);
                    format!(" {word}:{is_unstable}")
                });
                let unstable = unstable.collect::<String>();
                writeln!(self.trace, " {unstable}").unwrap();
            }
            "delete" => {
                let token = self.token(&mut words);
                let group_ids = words.plain.into_iter().map(str::to_owned).collect();
                self.step(Input::DeleteGroups(token, group_ids));
            }
            "offset-delete" => {
                let token = self.token(&mut words);
                let group_id = words.text();
                let partitions = words.plain.into_iter().map(partition).collect();
                self.step(Input::OffsetDelete(
                    token,
                    OffsetDeleteRequest {
                        group_id,
                        partitions,
                    },
                ));
            }
            "partitions-deleted" => {
                let partitions = words.plain.into_iter().map(partition);
                let deleted = partitions.map(|(topic, partition)| TopicPartition {
                    topic,
                    partition: PartitionId(partition),
                });
                self.step(Input::PartitionsDeleted(deleted.collect()));
            }
            // Time passes, firing what is due on the way.
            "advance" => self.advance(u64::try_from(words.number()).unwrap()),
            // The wall clock jumps; no timer may notice.
            "wall-clock" => self.now.wall_ms += i64::from(words.number()),
            // Appends stay in flight until they are released (durable) or refused (too large).
            "hold" => self.holds = true,
            "release" => self.end_appends(true),
            "refuse" => self.end_appends(false),
            // The process dies and comes back with what is in the log.
            "restart" => self.restart(),
            // The settings change, as they do over a restart.
            "limit" => self.settings.size_max = usize::try_from(words.number()).unwrap(),
            "unload" => self.step(Input::Unload),
            "state" => self.show_state(words.next()),
            "offsets" => self.show_offsets(words.next()),
            other => panic!("no such command: {other}"),
        }
    }

    fn token(&mut self, words: &mut Words<'_>) -> Token {
        let token = Token(words.next().parse().expect("a token"));
        assert!(self.asked.insert(token), "each token is used once");
        token
    }

    fn join(&mut self, mut words: Words<'_>) {
        let token = self.token(&mut words);
        let session_timeout_ms = words.named_number("session").unwrap_or(10_000);
        let protocols = words.named.get("protocols").copied().unwrap_or("range:t");
        let request = JoinRequest {
            group_id: words.text(),
            member_id: words.text(),
            new_member_id: format!("m{}", token.0),
            group_instance_id: words.named_text("static"),
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms,
            rebalance_timeout_ms: words.named_number("rebalance").unwrap_or(60_000),
            protocol_type: words
                .named_text("type")
                .unwrap_or_else(|| "consumer".to_owned()),
            protocols: protocols
                .split(',')
                .filter(|each| !each.is_empty())
                .map(protocol)
                .collect(),
            member_id_rule: match words.named.get("id") {
                Some(&"required") => MemberIdRule::Required,
                _ => MemberIdRule::Optional,
            },
            skip_assignment: match words.named.get("skip") {
                Some(&"unsupported") => SkipAssignment::Unsupported,
                _ => SkipAssignment::Supported,
            },
        };
        self.step(Input::Join(token, request));
    }

    fn sync(&mut self, mut words: Words<'_>) {
        let token = self.token(&mut words);
        let assigned = words.named.get("assign").copied().unwrap_or("");
        let assignments = assigned
            .split(',')
            .filter_map(|pair| pair.split_once(':'))
            .map(|(member, bytes)| (member.to_owned(), Bytes::copy_from_slice(bytes.as_bytes())))
            .collect();
        let request = SyncRequest {
            group_id: words.text(),
            member_id: words.text(),
            generation: words.number(),
            group_instance_id: words.named_text("static"),
            protocol_type: words.named_text("type"),
            protocol_name: words.named_text("name"),
            assignments,
        };
        self.step(Input::Sync(token, request));
    }

    fn heartbeat(&mut self, mut words: Words<'_>) {
        let token = self.token(&mut words);
        let request = HeartbeatRequest {
            group_id: words.text(),
            member_id: words.text(),
            generation: words.number(),
            group_instance_id: words.named_text("static"),
        };
        self.step(Input::Heartbeat(token, request));
    }

    fn leave(&mut self, mut words: Words<'_>) {
        let token = self.token(&mut words);
        let group_id = words.text();
        let members = words.plain.into_iter().map(|word| {
            let (member_id, instance_id) = word.split_once(':').unwrap_or((word, ""));
            LeavingMember {
                member_id: if member_id == "-" {
                    String::new()
                } else {
                    member_id.to_owned()
                },
                group_instance_id: (!instance_id.is_empty()).then(|| instance_id.to_owned()),
            }
        });
        let request = LeaveRequest {
            group_id,
            members: members.collect(),
        };
        self.step(Input::Leave(token, request));
    }

    fn commit(&mut self, mut words: Words<'_>) {
        let token = self.token(&mut words);
        let (group_id, member_id, generation) = (words.text(), words.text(), words.number());
        let offsets = words.plain.iter().map(|word| {
            let mut parts = word.split(':');
            CommitOffset {
                topic: parts.next().unwrap().to_owned(),
                partition: parts.next().unwrap().parse().unwrap(),
                offset: parts.next().unwrap().parse().unwrap(),
                leader_epoch: 5,
                metadata: parts.next().unwrap_or("").to_owned(),
            }
        });
        let request = OffsetCommitRequest {
            group_id,
            member_id,
            group_instance_id: words.named_text("static"),
            generation,
            retention_ms: words.named_number("retention").map(i64::from),
            transaction: words.named_number("txn").map(producer),
            missing_group: match words.named.get("missing") {
                Some(&"illegal-generation") => MissingGroup::IllegalGeneration,
                _ => MissingGroup::GroupIdNotFound,
            },
            offsets: offsets.collect(),
        };
        self.step(Input::OffsetCommit(token, request));
    }

    fn step(&mut self, input: Input) {
        for effect in self.shard.step(self.now, input) {
            match effect {
                Effect::Reply(token, response) => {
                    assert!(self.asked.contains(&token), "a reply has a request");
                    assert!(self.answered.insert(token), "a request is answered once");
                    writeln!(self.trace, "  {} <- {}", token.0, show(&response)).unwrap();
                }
                Effect::Append {
                    append,
                    kind,
                    records,
                } => {
                    self.appends.push_back((append, kind, records));
                }
                Effect::Errand(never) => match never {},
                Effect::SetTimer { timer, deadline_ms } => {
                    self.timers.insert(timer, deadline_ms);
                }
                Effect::CancelTimer(timer) => {
                    self.timers.remove(&timer);
                }
            }
        }
        if !self.holds {
            self.end_appends(true);
        }
    }

    fn end_appends(&mut self, durable: bool) {
        self.holds = false;
        while let Some((append, kind, records)) = self.appends.pop_front() {
            let base_offset = Offset(i64::try_from(self.log.len()).unwrap());
            let outcome = if durable {
                let records = match kind {
                    BatchKind::Marker(end) => vec![control_record(end)],
                    _ => records,
                };
                self.log.extend(records.into_iter().map(|one| (kind, one)));
                AppendOutcome::Durable(base_offset)
            } else {
                AppendOutcome::Refused(AppendRefusal::TooLarge)
            };
            self.step(Input::Appended(append, outcome));
        }
    }

    fn advance(&mut self, ms: u64) {
        let end_ms = self.now.monotonic_ms + ms;
        loop {
            let due = self
                .timers
                .iter()
                .filter(|(_, deadline_ms)| **deadline_ms <= end_ms);
            let next = due.min_by_key(|(_, deadline_ms)| **deadline_ms);
            let Some((timer, deadline_ms)) = next.map(|(timer, at)| (timer.clone(), *at)) else {
                break;
            };
            self.timers.remove(&timer);
            self.pass(deadline_ms);
            self.step(Input::Timer(timer));
        }
        self.pass(end_ms);
    }

    fn pass(&mut self, until_ms: u64) {
        let passed_ms = until_ms.saturating_sub(self.now.monotonic_ms);
        self.now.monotonic_ms += passed_ms;
        self.now.wall_ms += i64::try_from(passed_ms).unwrap();
    }

    fn restart(&mut self) {
        self.appends.clear();
        self.timers.clear();
        self.shard = self.replayed();
        self.step(Input::Loaded);
    }

    fn replayed(&self) -> GroupShard {
        let mut shard = GroupShard::new(self.settings.clone());
        for (kind, record) in &self.log {
            assert_eq!(shard.replay(*kind, record), Ok(Replayed::Applied));
        }
        shard
    }

    pub(super) fn assert_log_agrees(&self) {
        if !self.appends.is_empty() {
            return;
        }
        let replayed = self.replayed();
        for listed in self.shard.list() {
            let group_id = &listed.group_id;
            let offsets: Vec<_> = self.shard.committed_all(group_id).collect();
            assert_eq!(
                replayed.committed_all(group_id).collect::<Vec<_>>(),
                offsets
            );
            if listed.state == GroupState::Stable {
                assert_eq!(replayed.describe(group_id), self.shard.describe(group_id));
            }
        }
    }

    fn show_state(&mut self, group_id: &str) {
        match self.shard.describe(group_id) {
            Ok(group) => {
                let members = group.members.iter().map(|member| {
                    let assignment = String::from_utf8_lossy(&member.assignment);
                    format!("{}={assignment}", member.member_id)
                });
                let members = members.collect::<Vec<_>>().join(" ");
                let (kind, name) = (&group.protocol_type, &group.protocol_name);
                writeln!(self.trace, "  {} [{kind}/{name}] {members}", group.state)
            }
            Err(error) => writeln!(self.trace, "  {error:?}"),
        }
        .unwrap();
    }

    fn show_offsets(&mut self, group_id: &str) {
        let mut lines = String::new();
        for entry in self.shard.committed_all(group_id) {
            let (offset, metadata) = (entry.committed.offset, &entry.committed.metadata);
            writeln!(
                lines,
                "  {}:{}={offset} {metadata:?}",
                entry.topic, entry.partition
            )
            .unwrap();
        }
        self.trace
            .push_str(if lines.is_empty() { "  none\n" } else { &lines });
    }
}

fn partition(word: &str) -> (String, i32) {
    let (topic, partition) = word.split_once(':').expect("topic:partition");
    (topic.to_owned(), partition.parse().expect("a partition"))
}

/// `name:topic+topic`, as a consumer's subscription.
fn protocol(word: &str) -> JoinProtocol {
    let (name, topics) = word.split_once(':').expect("name:topics");
    let topics: Vec<&str> = topics.split('+').collect();
    let mut metadata = BytesMut::new();
    metadata.put_i16(0);
    metadata.put_i32(i32::try_from(topics.len()).unwrap());
    for topic in topics {
        metadata.put_i16(i16::try_from(topic.len()).unwrap());
        metadata.put_slice(topic.as_bytes());
    }
    metadata.put_i32(-1);
    JoinProtocol {
        name: name.to_owned(),
        metadata: metadata.freeze(),
    }
}

fn show_results(results: &Result<Vec<Result<(), GroupError>>, GroupError>) -> String {
    match results {
        Ok(results) => {
            let each = results.iter().map(|result| match result {
                Ok(()) => "ok".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            each.collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("all {error:?}"),
    }
}

fn producer(id: i32) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch {
        producer_id: ProducerId(i64::from(id)),
        producer_epoch: ProducerEpoch(0),
    }
}

/// The record that a partition writes for a marker.
fn control_record(end: EndTxn) -> Record {
    let batch = end.marker.build(end.producer_id, end.producer_epoch, 0);
    let header = BatchHeader::parse(&batch).unwrap();
    let records = payload(&batch, 1 << 10).unwrap();
    let record = Records::new(&header, &records).next().unwrap().unwrap();
    Record {
        key: Bytes::copy_from_slice(record.key.unwrap()),
        value: record.value.map(Bytes::copy_from_slice),
    }
}

fn show(response: &Response) -> String {
    match response {
        Response::Join(Err(refusal)) => {
            format!("join {:?} member={:?}", refusal.error, refusal.member_id)
        }
        Response::Join(Ok(joined)) => {
            let members = joined.members.iter().map(|member| {
                let topics = subscribed_topics(&member.metadata).expect("as the script wrote it");
                let topics = topics.into_iter().collect::<Vec<_>>().join("+");
                let instance = member.group_instance_id.as_deref();
                let instance = instance.map(|id| format!("({id})")).unwrap_or_default();
                format!(" {}{instance}:{topics}", member.member_id)
            });
            let skip = if joined.skip_assignment { " skip" } else { "" };
            format!(
                "joined generation={} protocol={} leader={} member={}{skip}{}",
                joined.generation,
                joined.protocol_name.as_deref().unwrap_or("-"),
                joined.leader,
                joined.member_id,
                members.collect::<String>(),
            )
        }
        Response::Sync(Ok(synced)) => format!(
            "synced {}/{} {:?}",
            synced.protocol_type.as_deref().unwrap_or("-"),
            synced.protocol_name.as_deref().unwrap_or("-"),
            String::from_utf8_lossy(&synced.assignment)
        ),
        Response::Sync(Err(error)) => format!("sync {error:?}"),
        Response::Heartbeat(Ok(())) => "heartbeat ok".to_owned(),
        Response::Heartbeat(Err(error)) => format!("heartbeat {error:?}"),
        Response::ShareHeartbeat(beat) => format!("{beat:?}"),
        Response::ShareStates(outcome) => format!("{outcome:?}"),
        Response::StreamsHeartbeat(beat) => format!("{beat:?}"),
        Response::ConsumerHeartbeat(_) => unreachable!("these scripts are of classic groups"),
        Response::Leave(Err(error)) => format!("leave {error:?}"),
        Response::Leave(Ok(left)) => {
            let outcomes = left.iter().map(|member| member.outcome).collect();
            format!("left {}", show_results(&Ok(outcomes)))
        }
        Response::OffsetCommit(results) => format!("committed {}", show_results(results)),
        Response::EndTransaction(result) => format!("ended {result:?}"),
        Response::OffsetDelete(results) => format!("offsets deleted {}", show_results(results)),
        Response::DeleteGroups(results) => {
            let outcomes = results.iter().map(|(_, outcome)| *outcome).collect();
            format!("deleted {}", show_results(&Ok(outcomes)))
        }
    }
}
