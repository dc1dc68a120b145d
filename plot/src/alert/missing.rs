//! What keeps rows from coming, and the next step.
//! Pure. Never says since when.

use crate::{
    logs::{
        follow::State,
        status::{Halves, Status},
    },
    stats::backlog::Backlog,
    words::number::count,
};

/// Why there is no row, and what to do.
pub fn rows(state: &State, backlog: &Backlog) -> String {
    if *state == State::Starting {
        return "Reading the logs for the first time".to_owned();
    }
    let Some(status) = &backlog.status else {
        return "No rows yet, and no metric has written here: start metric with this log directory"
            .to_owned();
    };
    if status.state != "consuming" {
        return format!("No rows yet: {}", work(status));
    }
    let some = |n, one: &str, many: &str| format!("{} {}", count(n), if n == 1 { one } else { many });
    let predictions = |n| some(n, "prediction waits", "predictions wait");
    let truths = |n| some(n, "truth waits", "truths wait");
    match status.waiting {
        Halves { y_true: 0, y_pred: 0 } if status.rows > 0 => {
            let rows = some(status.rows, "row is", "rows are");
            format!(
                "No rows in the log that is read: {rows} in others of metric's; new ones come as truths do"
            )
        }
        Halves { y_true: 0, y_pred: 0 } if status.rejected > 0 => {
            let messages = some(status.rejected, "message was", "messages were");
            format!("No rows yet: {messages} rejected{}", last_rejection(status))
        }
        Halves { y_true: 0, y_pred: 0 } => {
            "No rows yet: nothing was received; publish to features (or y_pred) and y_true".to_owned()
        }
        Halves { y_true: 0, y_pred } => {
            format!("{}, no truth has come: publish to y_true", predictions(y_pred))
        }
        Halves { y_true, y_pred: 0 } => {
            format!("{}, no prediction has come: publish to features or y_pred", truths(y_true))
        }
        Halves { y_true, y_pred } => {
            let (predictions, truths) = (predictions(y_pred), truths(y_true));
            format!("{predictions} and {truths}, and no two have the same id: publish both with one id")
        }
    }
}

/// What a `metric` that does not consume does instead, why, and what helps.
pub fn work(status: &Status) -> String {
    let (doing, step) = match status.state.as_str() {
        "reconnecting" => ("waits for the broker", "; see that it runs, and that AMQP_URL is right"),
        "waiting_for_room" => ("waits for room on its disk", "; make room"),
        "recovering" => ("recovers from its log", ""),
        "missing" => ("has no metric_status.json beside the logs", "; start it, or name its log too"),
        _ => ("does not consume", ""),
    };
    let reason = status.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("{} {doing}{reason}{step}", status.metric())
}

/// `; the last: …`, or nothing.
pub fn last_rejection(status: &Status) -> String {
    status.last_rejection.as_ref().map_or(String::new(), |(_, reason)| format!("; the last: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_rows_the_next_step_is_said() {
        let consuming = || Status { state: "consuming".to_owned(), ..Status::default() };
        let waiting = |y_pred, y_true| Status { waiting: Halves { y_true, y_pred }, ..consuming() };
        let reconnecting = Status {
            state: "reconnecting".to_owned(),
            reason: Some("connection refused".to_owned()),
            ..Status::default()
        };
        let not_used =
            Status { rejected: 1200, last_rejection: Some((0.0, "no id".to_owned())), ..consuming() };
        for (status, text) in [
            (None, "No rows yet, and no metric has written here: start metric with this log directory"),
            (
                Some(reconnecting),
                "No rows yet: metric waits for the broker: connection refused; see that it runs, and that AMQP_URL is right",
            ),
            (
                Some(consuming()),
                "No rows yet: nothing was received; publish to features (or y_pred) and y_true",
            ),
            (Some(waiting(17, 0)), "17 predictions wait, no truth has come: publish to y_true"),
            (Some(waiting(1, 0)), "1 prediction waits, no truth has come: publish to y_true"),
            (Some(waiting(0, 2)), "2 truths wait, no prediction has come: publish to features or y_pred"),
            (
                Some(waiting(1, 2)),
                "1 prediction waits and 2 truths wait, and no two have the same id: publish both with one id",
            ),
            (Some(not_used), "No rows yet: 1,200 messages were rejected; the last: no id"),
            (
                Some(Status { rows: 1200, ..consuming() }),
                "No rows in the log that is read: 1,200 rows are in others of metric's; new ones come as truths do",
            ),
        ] {
            let mut backlog = Backlog::default();
            backlog.take(Ok(status), 0.0);
            assert_eq!(rows(&State::Following, &backlog), text);
        }
        assert_eq!(rows(&State::Starting, &Backlog::default()), "Reading the logs for the first time");
    }
}
