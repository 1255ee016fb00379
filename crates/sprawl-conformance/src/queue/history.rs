//! What was written down by the workers, the producer and the closing read? Text in, events out.
//!
//! The lines are described in `conformance/queue/Worker.java`. The last line of a killed process
//! may be cut; it is passed over, since nothing after it depends on it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

/// A record's partition and offset.
pub(super) type Place = (u32, u64);

/// Microseconds on the machine's monotonic clock.
pub(super) type Micros = u64;

/// What a worker answered for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accept,
    Release,
    Reject,
    Renew,
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is durable; the worker knew at this time.
    Durable(Micros),
    /// It may be durable or not: nobody answered, or with an error that may be of a retry.
    Unknown,
}

/// An answer for a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) worker: usize,
    pub(super) answer: Answer,
    pub(super) outcome: Outcome,
}

/// A record that came to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) worker: usize,
    /// It was not handed out before.
    pub(super) bound: Micros,
    pub(super) poll: u64,
    pub(super) count: u32,
    pub(super) value: String,
}

/// What happened to one record.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// What the producer wrote; `None` for a record that it knows nothing of.
    pub(super) produced: Option<String>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) answers: Vec<Answered>,
    /// The delivery counts of its copies in the dead-letter topic.
    pub(super) letters: Vec<u32>,
}

/// Where a partition stands when all is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) log_start: u64,
    pub(super) log_end: u64,
    /// Everything before is over for the group.
    pub(super) group_start: u64,
}

/// Everything that was written down.
#[derive(Debug, Default)]
pub struct History {
    /// The names of those who wrote, by number.
    pub(super) workers: Vec<String>,
    pub(super) records: BTreeMap<Place, Story>,
    /// The offsets of each poll in the order in which they came, by worker, poll and partition.
    pub(super) polls: BTreeMap<(usize, u64, u32), Vec<u64>>,
    pub(super) ends: BTreeMap<u32, Ends>,
}

impl History {
    /// Adds all lines of one process.
    pub fn add(&mut self, worker: &str, text: &str) -> Result<()> {
        let whole = text
            .rfind('\n')
            .map_or("", |end| text.get(..end).unwrap_or_default());
        let mut pen = Pen {
            worker: self.workers.len(),
            open: HashMap::new(),
        };
        self.workers.push(worker.to_owned());
        for line in whole.lines() {
            pen.add_line(self, line)
                .with_context(|| format!("{worker}: line not understood: {line:?}"))?;
        }
        Ok(())
    }

    fn story(&mut self, place: Place) -> &mut Story {
        self.records.entry(place).or_default()
    }
}

/// The reading of one process's lines.
struct Pen {
    worker: usize,
    /// Which answers for a record are open, oldest first.
    open: HashMap<Place, VecDeque<usize>>,
}

impl Pen {
    fn add_line(&mut self, history: &mut History, line: &str) -> Result<()> {
        let mut fields = Fields(line.split(' '));
        match fields.text()? {
            "S" => {
                let _start: Micros = fields.number()?;
            }
            "D" => self.deliver(history, &mut fields)?,
            "A" => {
                let _time: Micros = fields.number()?;
                let place = fields.place()?;
                let answers = &mut history.story(place).answers;
                self.open.entry(place).or_default().push_back(answers.len());
                answers.push(Answered {
                    worker: self.worker,
                    answer: fields.answer()?,
                    outcome: Outcome::Unknown,
                });
            }
            "C" => {
                let time = fields.number()?;
                self.close(history, fields.place()?, Outcome::Durable(time))?;
            }
            "F" => {
                let _time: Micros = fields.number()?;
                self.close(history, fields.place()?, Outcome::Unknown)?;
            }
            "W" => {
                let place = fields.place()?;
                let value = fields.text()?.to_owned();
                let before = history.story(place).produced.replace(value);
                ensure!(before.is_none(), "two records at one offset");
            }
            "Q" => {
                let place = fields.place()?;
                let count = fields.number()?;
                history.story(place).letters.push(count);
            }
            "E" => {
                let partition = fields.number()?;
                let ends = Ends {
                    log_start: fields.number()?,
                    log_end: fields.number()?,
                    group_start: fields.number()?,
                };
                history.ends.insert(partition, ends);
            }
            kind => bail!("no event is called {kind:?}"),
        }
        Ok(())
    }

    fn deliver(&self, history: &mut History, fields: &mut Fields<'_>) -> Result<()> {
        let _time: Micros = fields.number()?;
        let (bound, poll) = (fields.number()?, fields.number()?);
        let (partition, offset) = fields.place()?;
        history
            .story((partition, offset))
            .deliveries
            .push(Delivery {
                worker: self.worker,
                bound,
                poll,
                count: fields.number()?,
                value: fields.text()?.to_owned(),
            });
        let key = (self.worker, poll, partition);
        history.polls.entry(key).or_default().push(offset);
        Ok(())
    }

    fn close(&mut self, history: &mut History, place: Place, outcome: Outcome) -> Result<()> {
        let open = self.open.get_mut(&place).and_then(VecDeque::pop_front);
        let answers = &mut history.story(place).answers;
        let open = open.context("there is no open answer")?;
        answers[open].outcome = outcome;
        Ok(())
    }
}

/// How many records the lines tell to be over for good, about: what the progress bar shows.
#[must_use]
pub(super) fn ended_count(lines: &str, open: &mut HashMap<Place, VecDeque<Answer>>) -> u64 {
    let mut ended = 0;
    for line in lines.lines() {
        let mut fields = Fields(line.split(' '));
        let (Ok(kind), Ok(_time)) = (fields.text(), fields.number::<Micros>()) else {
            continue;
        };
        let Ok(place) = fields.place() else { continue };
        match kind {
            "A" => {
                if let Ok(answer) = fields.answer() {
                    open.entry(place).or_default().push_back(answer);
                }
            }
            "C" | "F" => {
                let answer = open.get_mut(&place).and_then(VecDeque::pop_front);
                let is_end = matches!(answer, Some(Answer::Accept | Answer::Reject));
                ended += u64::from(kind == "C" && is_end);
            }
            _ => {}
        }
    }
    ended
}

struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn text(&mut self) -> Result<&'a str> {
        self.0.next().context("too few fields")
    }

    fn number<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&mut self) -> Result<T> {
        Ok(self.text()?.parse()?)
    }

    fn place(&mut self) -> Result<Place> {
        Ok((self.number()?, self.number()?))
    }

    fn answer(&mut self) -> Result<Answer> {
        // Java prints its constants in lower case.
        match self.text()? {
            "accept" => Ok(Answer::Accept),
            "release" => Ok(Answer::Release),
            "reject" => Ok(Answer::Reject),
            "renew" => Ok(Answer::Renew),
            other => bail!("no answer is called {other:?}"),
        }
    }
}
