//! Readers of both isolation levels, who go through all partitions, now and then from the start
//! again, and the last reading of everything.

use std::collections::BTreeMap;
use std::time::Duration;

use sprawl_io::time::sleep;

use super::late::Shared;
use super::ledger::Scan;
use super::record::{Batch, Place, Value};
use super::wire::{Fetched, Isolation, fetch, stable_ends};
use crate::client::Client;
use crate::error_code;
use crate::invariant::{Check, Violation, i6_never_decreases, i11_dense, i15_stable_offset};

/// A reader begins a partition anew one time in so many.
const ANEW_OF: u64 = 40;
/// The longest pause between two fetches, ms.
const PAUSE_MS_MAX: u64 = 30;
/// The pause before what failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The pause between two looks at the stable offsets: shorter than a write to a slow disk.
const WATCH_PAUSE: Duration = Duration::from_millis(3);
/// How often in a row a fetch may fail once nothing fails any more.
const FAILURES_MAX: u32 = 100;

/// What a reader remembers of a partition.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    offset: i64,
    high_watermark: i64,
    last_stable_offset: i64,
}

struct Reader<'a> {
    shared: &'a Shared,
    client: Client,
    isolation: Isolation,
    known: BTreeMap<Place, Known>,
}

/// Reads for ever.
pub(super) async fn run(shared: Shared, isolation: Isolation) {
    let mut reader = Reader::new(&shared, isolation);
    loop {
        for place in Place::all() {
            match reader.step(place).await {
                Ok(Some(_)) => {}
                Ok(None) => sleep(RETRY_PAUSE).await,
                Err(violation) => return shared.ledger.report(Err(violation)),
            }
            if shared.ledger.random.chance(1, ANEW_OF) {
                reader.known.entry(place).or_default().offset = 0;
            }
            let pause = shared.ledger.random.below(PAUSE_MS_MAX);
            sleep(Duration::from_millis(pause)).await;
        }
    }
}

/// Asks for the last stable offsets all the time: none may go back, not even over a crash (I15).
pub(super) async fn watch_stable(shared: Shared) {
    let mut client = Client::new(&shared.net, "watcher");
    let mut known: BTreeMap<Place, i64> = BTreeMap::new();
    loop {
        match stable_ends(&mut client).await {
            Ok(ends) => {
                for (place, now) in ends {
                    let before = known.insert(place, now).unwrap_or(0);
                    let name = place.to_string();
                    shared
                        .ledger
                        .report(i15_stable_offset(&name, before, now, i64::MAX));
                }
                sleep(WATCH_PAUSE).await;
            }
            Err(_) => {
                client.close();
                sleep(RETRY_PAUSE).await;
            }
        }
    }
}

impl<'a> Reader<'a> {
    fn new(shared: &'a Shared, isolation: Isolation) -> Self {
        Self {
            client: Client::new(&shared.net, "reader"),
            shared,
            isolation,
            known: BTreeMap::new(),
        }
    }

    /// Fetches once; nothing where it is to be tried again.
    async fn step(&mut self, place: Place) -> Result<Option<Fetched>, Violation> {
        let from = self.known.entry(place).or_default().offset;
        let Ok(fetched) = fetch(&mut self.client, place, from, self.isolation).await else {
            self.client.close();
            return Ok(None);
        };
        if error_code::is_safe_to_retry(fetched.error_code) {
            return Ok(None);
        }
        if fetched.error_code != 0 {
            return Err(Violation {
                invariant: "I1",
                sentence: "every acknowledged batch is read at its offset",
                detail: format!("{place} from {from}: error {}", fetched.error_code),
            });
        }
        self.check(place, from, &fetched)?;
        let ledger = &self.shared.ledger;
        ledger.saw(place, &fetched.batches)?;
        if self.isolation == Isolation::Committed {
            ledger.scanned(Scan {
                place,
                from,
                to: fetched.next,
                shown: fetched.shown.clone(),
            });
        }
        Ok(Some(fetched))
    }

    fn check(&mut self, place: Place, from: i64, fetched: &Fetched) -> Check {
        let name = place.to_string();
        let known = self.known.entry(place).or_default();
        let (high_watermark, stable) = (fetched.high_watermark, fetched.last_stable_offset);
        i6_never_decreases(
            &name,
            "high watermark",
            known.high_watermark,
            high_watermark,
        )?;
        i15_stable_offset(&name, known.last_stable_offset, stable, high_watermark)?;
        let mut expected = from;
        for batch in &fetched.batches {
            i11_dense(&name, expected, batch.base_offset)?;
            expected = batch.end;
        }
        *known = Known {
            offset: fetched.next,
            high_watermark,
            last_stable_offset: stable,
        };
        Ok(())
    }
}

/// Everything that one partition holds.
#[derive(Debug, Default)]
pub(super) struct Whole {
    pub(super) batches: Vec<Batch>,
    /// What read_committed consumers are shown.
    pub(super) committed: Vec<(i64, Value)>,
}

/// Reads all partitions from a broker on which nothing fails any more.
pub(super) async fn read_all(shared: &Shared) -> Result<BTreeMap<Place, Whole>, Violation> {
    let mut all = BTreeMap::new();
    for place in Place::all() {
        let uncommitted = read_one(shared, place, Isolation::Uncommitted).await?;
        let committed = read_one(shared, place, Isolation::Committed).await?;
        let whole = Whole {
            batches: uncommitted
                .into_iter()
                .flat_map(|one| one.batches)
                .collect(),
            committed: committed.into_iter().flat_map(|one| one.shown).collect(),
        };
        all.insert(place, whole);
    }
    Ok(all)
}

async fn read_one(
    shared: &Shared,
    place: Place,
    isolation: Isolation,
) -> Result<Vec<Fetched>, Violation> {
    let mut reader = Reader::new(shared, isolation);
    let (mut fetches, mut failure_count) = (Vec::new(), 0);
    loop {
        match reader.step(place).await? {
            Some(fetched) if fetched.next >= fetched.last_stable_offset => {
                fetches.push(fetched);
                return Ok(fetches);
            }
            Some(fetched) => fetches.push(fetched),
            None if failure_count == FAILURES_MAX => {
                return Err(Violation {
                    invariant: "I1",
                    sentence: "every acknowledged batch is read at its offset",
                    detail: format!("{place} cannot be read"),
                });
            }
            None => {
                failure_count += 1;
                sleep(RETRY_PAUSE).await;
            }
        }
    }
}
