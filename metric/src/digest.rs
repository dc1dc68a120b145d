//! What becomes of a batch: it is joined and made durable, on the caller's thread or beside it. Knows no broker; a full disk is
//! waited for here.

use crate::{
    broker::Backoff,
    disk::RealDisk,
    health::Health,
    intake::Batch,
    join::{Joined, Side},
    journal::{Journal, Outcome},
    rejects::Reject,
    service::{Stop, unix_time_ms},
};
use anyhow::Result;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use std::{convert::Infallible, panic, thread, time::Duration};

/// Longest time between two looks at whether a full disk has room.
const FULL_DISK_WAIT_MAX: Duration = Duration::from_secs(5);

pub struct Digester<'s> {
    pub journal: &'s mut Journal<RealDisk>,
    pub health: &'s Health,
    pub stop: &'s Stop,
    /// Of true values, and of the others.
    pub queues: [String; 2],
}

/// A batch that is durable but for the halves that are held.
pub struct Digested {
    pub outcome: Outcome,
    /// Without its rows and refusals.
    pub joined: Joined,
    /// Some halves had been held before.
    pub met_in_memory: bool,
}

impl Digester<'_> {
    /// Joins a batch and makes it durable. A full disk is waited for, with the deliveries in hand and the connection alive.
    /// `releases`: all halves that are held are given to the store. None where the process is asked to stop while it waits.
    ///
    /// # Errors
    /// Names the file; not those of a full disk. They must end the process.
    pub fn digest(&mut self, batch: Batch, releases: bool) -> Result<Option<Digested>> {
        let Digester { journal, health, stop, queues: [y_true, y_pred] } = self;
        let (mut backoff, mut was_full) = (Backoff::new(), false);
        let mut wait = |error: &anyhow::Error| {
            if !was_full {
                log::error!("{error:#}; waiting for room, nothing is lost");
            }
            health.ill(format!("{error:#}; it waits for room"));
            was_full = true;
            stop.recv_timeout(backoff.next().min(FULL_DISK_WAIT_MAX)) != Err(RecvTimeoutError::Disconnected)
        };
        let (Batch { arrivals, mut rejects }, now_ms) = (batch, unix_time_ms());
        let Some(mut joined) = journal.join(arrivals.in_order(), now_ms, &mut wait)? else { return Ok(None) };
        let met_in_memory = !joined.released.is_empty();
        if releases {
            journal.release(&mut joined);
        }
        for (side, sample, reason) in joined.refused.drain(..) {
            let queue = if side == Side::YTrue { &y_true } else { &y_pred };
            let body = serde_json::json!({"id": &*sample.id, "body": sample.value}).to_string();
            rejects.push(Reject::new(now_ms, queue, reason, body.as_bytes(), None));
        }
        let committed = journal.commit_when_room(&mut joined, &rejects, now_ms, wait)?;
        let Some(outcome) = committed else { return Ok(None) };
        if was_full {
            log::info!("there is room again");
        }
        Ok(Some(Digested { outcome, joined, met_in_memory }))
    }

    /// The same on a thread of its own, while the caller does something else until what it is given closes.
    pub fn digest_beside<T>(
        &mut self,
        batch: Batch,
        releases: bool,
        meanwhile: impl FnOnce(&Receiver<Infallible>) -> T,
    ) -> (Result<Option<Digested>>, T) {
        let (open, digested) = bounded(0);
        thread::scope(|scope| {
            let digesting = scope.spawn(move || {
                let result = self.digest(batch, releases);
                drop(open);
                result
            });
            let done_meanwhile = meanwhile(&digested);
            (digesting.join().unwrap_or_else(|panic| panic::resume_unwind(panic)), done_meanwhile)
        })
    }
}
