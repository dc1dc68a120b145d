//! Counts events of the logs. Counts a long backlog on a second thread, while the first one reads on.
//! Never decides what an event means.

use crate::logs::lines::{Event, Waiting};
use crate::stats::statistics::Statistics;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// A backlog has at least this many rows in one event.
const BACKLOG_ROWS: usize = 500;

/// Limit of events that wait for the second thread. Each holds at most a chunk of a log.
const WAITING: usize = 6;

/// Runs `follow` and counts the events that it sends, in order. Counts all on this thread if no second one can be started. Tells `follow`
/// after each event how many wait, so that both threads can be kept busy.
pub fn count<R>(
    statistics: &mut Statistics,
    follow: impl FnOnce(&mut dyn FnMut(Event) -> Waiting) -> R,
) -> R {
    let statistics = Mutex::new(statistics);
    let waiting = AtomicUsize::new(0);
    let apply = |event: Event| {
        statistics.lock().unwrap_or_else(PoisonError::into_inner).apply(&event);
        waiting.fetch_sub(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        let (send, events) = sync_channel(WAITING);
        // None once a start was tried.
        let mut second = Some(move || events.iter().for_each(apply));
        let mut is_second_running = false;
        follow(&mut |event| {
            let is_backlog = matches!(&event, Event::Lines(lines) if lines.rows.len() >= BACKLOG_ROWS);
            if let Some(second) = second.take_if(|_| is_backlog) {
                let thread = thread::Builder::new().name("count".to_owned());
                is_second_running = thread.spawn_scoped(scope, second).is_ok();
            }
            waiting.fetch_add(1, Ordering::Relaxed);
            if is_second_running {
                // Fails only if the thread panicked; then the scope panics too.
                let _ = send.send(event);
            } else {
                apply(event);
            }
            waiting.load(Ordering::Relaxed)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::lines::Lines;
    use crate::logs::row::{Fault, Faults, Row};

    #[test]
    fn events_are_applied_in_order_however_many() {
        for n in [3, BACKLOG_ROWS as u32 * 7 + 1] {
            let mut statistics = Statistics::new(10);
            let lines = |rows: Vec<Row>, faults| Event::Lines(Lines { rows, faults, ..Lines::default() });
            let row = |error: f64| Row::new(0.0, error, None);
            count(&mut statistics, |send| {
                send(lines(vec![row(1e6)], Faults::default()));
                send(Event::StartOver);
                let rows: Vec<Row> = (0..n).map(|i| row(f64::from(i))).collect();
                rows.chunks(BACKLOG_ROWS).for_each(|rows| {
                    send(lines(rows.to_vec(), Faults::default()));
                });
                send(lines(Vec::new(), [1, 0, 0, 0]));
            });
            assert_eq!(statistics.n(), u64::from(n));
            assert_eq!(statistics.all.sums.absolute_error_most, f64::from(n - 1));
            assert_eq!(statistics.faults()[0], (Fault::Malformed, 1));
        }
    }
}
