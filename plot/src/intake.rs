//! Brings what the logs tell into the statistics; a long backlog is counted on a second thread while the first reads on.
//! Never decides what an event means.

use crate::logs::Event;
use crate::statistics::Statistics;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// So many rows at once are a backlog.
const BACKLOG_ROWS: usize = 500;

/// Events that may wait for the second thread, each of at most a chunk of a log.
const WAITING: usize = 4;

/// Runs `follow` and applies in order every event that it tells. Where no thread can be had, all is counted on this one.
pub fn take<R>(statistics: &mut Statistics, follow: impl FnOnce(&mut dyn FnMut(Event)) -> R) -> R {
    thread::scope(|scope| {
        let (lend, lent) = sync_channel(1);
        let (send, events) = sync_channel(WAITING);
        let mut here = Some(statistics);
        // Until it was tried to start it.
        let mut second = Some(move || {
            if let Ok(statistics) = lent.recv() {
                apply(statistics, &events);
            }
        });
        follow(&mut |event| {
            let is_backlog = matches!(&event, Event::Lines(lines) if lines.rows.len() >= BACKLOG_ROWS);
            if let Some(second) = second.take_if(|_| is_backlog)
                && thread::Builder::new().name("count".to_owned()).spawn_scoped(scope, second).is_ok()
                && let Some(statistics) = here.take()
            {
                // Fails only if the thread panicked, and then the scope does so as well; likewise below.
                let _ = lend.send(statistics);
            }
            match &mut here {
                Some(statistics) => statistics.apply(&event),
                None => _ = send.send(event),
            }
        })
    })
}

fn apply(statistics: &mut Statistics, events: &Receiver<Event>) {
    events.iter().for_each(|event| statistics.apply(&event));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Lines;
    use crate::row::{Fault, Faults, Row};

    #[test]
    fn events_are_applied_in_order_however_many() {
        for n in [3, BACKLOG_ROWS as u32 * 7 + 1] {
            let mut statistics = Statistics::new(10);
            let lines = |rows: Vec<Row>, faults| Event::Lines(Lines { rows, faults });
            let row = |error: f64| Row::new(0.0, error, None);
            take(&mut statistics, |tell| {
                tell(lines(vec![row(1e6)], Faults::default()));
                tell(Event::StartOver);
                let rows: Vec<Row> = (0..n).map(|i| row(f64::from(i))).collect();
                rows.chunks(BACKLOG_ROWS).for_each(|rows| tell(lines(rows.to_vec(), Faults::default())));
                tell(lines(Vec::new(), [1, 0, 0, 0]));
            });
            assert_eq!(statistics.n(), u64::from(n));
            assert_eq!(statistics.all.moments.absolute_error_most, f64::from(n - 1));
            assert_eq!(statistics.faults()[0], (Fault::Malformed, 1));
        }
    }
}
