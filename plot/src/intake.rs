//! Brings what the logs tell into the statistics; a long backlog is counted on a second thread while the first reads on.
//! Never decides what an event means.

use crate::logs::Event;
use crate::statistics::Statistics;
use std::sync::mpsc::{Receiver, sync_channel};
use std::{mem, thread};

/// Events that are handed over at once, and how many such batches may wait: 1.5 MB.
const BATCH: usize = 8_192;
const WAITING: usize = 4;

/// Runs `follow` and applies in order every event that it tells.
pub fn take<R>(statistics: &mut Statistics, follow: impl FnOnce(&mut dyn FnMut(Event)) -> R) -> R {
    thread::scope(|scope| {
        let (send, receive) = sync_channel(WAITING);
        let mut idle = Some((statistics, receive));
        let mut batch = Vec::new();
        let result = follow(&mut |event| {
            batch.push(event);
            if batch.len() == BATCH {
                if let Some((statistics, receive)) = idle.take() {
                    scope.spawn(|| apply(statistics, receive));
                }
                // Fails only if the other thread panicked, and then the scope does so as well.
                let _ = send.send(mem::replace(&mut batch, Vec::with_capacity(BATCH)));
            }
        });
        match idle {
            Some((statistics, _)) => batch.into_iter().for_each(|event| statistics.apply(&event)),
            None => {
                let _ = send.send(batch);
            }
        }
        result
    })
}

fn apply(statistics: &mut Statistics, batches: Receiver<Vec<Event>>) {
    batches.into_iter().flatten().for_each(|event| statistics.apply(&event));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Fault, Row};

    #[test]
    fn events_are_applied_in_order_however_many() {
        for n in [3, BATCH as u32 * 7 + 1] {
            let mut statistics = Statistics::new(10);
            let told = take(&mut statistics, |tell| {
                tell(Event::Row(Row::new(0.0, 1e6, None)));
                tell(Event::StartOver);
                (0..n).for_each(|i| tell(Event::Row(Row::new(0.0, f64::from(i), None))));
                tell(Event::Fault(Fault::Malformed));
                n
            });
            assert_eq!((told, statistics.n()), (n, u64::from(n)));
            assert_eq!(statistics.all.moments.absolute_error_most, f64::from(n - 1));
            assert_eq!(statistics.faults()[0], (Fault::Malformed, 1));
        }
    }
}
