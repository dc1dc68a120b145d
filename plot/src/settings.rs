//! The settings of `plot` as `--help` prints them.
//! Never checks a value.

use glue::settings::{Setting, setting};

pub const ABOUT: &str = "Follows logs/metric_log.csv and keeps a picture and a live page of the errors up to date; or reports on any CSV file, once.";

pub const TABLE: &[Setting] = &[
    setting(
        "log-dir",
        "LOG_DIR",
        "./logs",
        "DIR",
        "where metric_log.csv is read and the pictures are written",
    ),
    Setting {
        is_list: true,
        ..setting(
            "log",
            "PLOT_LOG",
            "",
            "FILE...",
            "other logs to read, or patterns of them, at most 256 files, whose rows are merged; without it metric_log.csv and its rotated logs",
        )
    },
    setting(
        "report",
        "PLOT_REPORT",
        "",
        "OUT.html",
        "read the logs once, write this page, and OUT.png, OUT.svg and OUT.json beside it, and exit; '--log -' is standard input",
    ),
    setting(
        "fail-on",
        "PLOT_FAIL_ON",
        "",
        "RULE,...",
        "with --report: exit code 3 where one of these rules holds, such as drift or mae>60: docs/report.md",
    ),
    setting("y-true", "PLOT_Y_TRUE", "y_true", "COLUMN", "name of the column of true values"),
    setting("y-pred", "PLOT_Y_PRED", "y_pred", "COLUMN", "name of the column of predictions"),
    setting(
        "absolute-error",
        "PLOT_ABSOLUTE_ERROR",
        "absolute_error",
        "COLUMN",
        "name of the column of absolute errors, which a log may lack",
    ),
    setting(
        "logged-at",
        "PLOT_LOGGED_AT",
        "logged_at",
        "COLUMN",
        "name of the column of times, in Unix seconds or ISO 8601; a log may lack it",
    ),
    setting(
        "label-delay",
        "PLOT_LABEL_DELAY",
        "label_delay",
        "COLUMN",
        "name of the column of label delays, in seconds; a log may lack it",
    ),
    setting("group", "PLOT_GROUP", "group", "COLUMN", "name of the column of groups; a log may lack it"),
    setting("interval", "PLOT_INTERVAL", "10", "SECONDS", "shortest time between two pictures, 0.1 to 86400"),
    setting("size", "PLOT_SIZE", "800x600", "WIDTHxHEIGHT", "of the picture in pixels, 400x300 to 1920x1440"),
    setting("window", "PLOT_WINDOW", "1000", "ROWS", "last rows, shown next to all rows, 1 to 100000"),
    setting(
        "task",
        "TASK",
        "",
        "TASK",
        "what is predicted: regression, binary or classes; without one that of metric_status.json, or regression",
    ),
    setting(
        "threshold",
        "PLOT_THRESHOLD",
        "0.5",
        "P",
        "of task binary: a probability at or above it predicts 1; 0 to 1",
    ),
    setting(
        "baseline-rows",
        "PLOT_BASELINE_ROWS",
        "1000",
        "ROWS",
        "first rows whose MAE is the scale of drift, 1 to 100000",
    ),
    setting(
        "baseline-since",
        "PLOT_BASELINE_SINCE",
        "",
        "TIME",
        "drift passes over rows before this time, such as 2024-11-23T06:00 (UTC); accepts what changed before",
    ),
    setting(
        "baseline-mae",
        "PLOT_BASELINE_MAE",
        "",
        "MAE",
        "the scale of drift, instead of the MAE of first rows; 0 or more",
    ),
    Setting {
        may_be_empty: true,
        ..setting(
            "listen",
            "PLOT_LISTEN",
            "127.0.0.1:8080",
            "HOST:PORT",
            "of the live page; empty or 'none': no page",
        )
    },
    setting(
        "hosts",
        "PLOT_HOSTS",
        "",
        "NAME,...",
        "host names that the live page answers to, besides IP addresses and names without a dot",
    ),
    Setting {
        may_be_empty: true,
        ..setting(
            "alert",
            "PLOT_ALERT",
            "drift,silence,blind",
            "RULE,...",
            "what alerts, such as mae>60, coverage<0.9 or silence>15m: docs/alerts.md; empty or 'none': nothing",
        )
    },
    Setting {
        is_secret: true,
        ..setting(
            "alert-url",
            "PLOT_ALERT_URL",
            "",
            "URL",
            "where alerts are sent by POST, https:// or http://; a secret, never printed",
        )
    },
    setting("alert-format", "PLOT_ALERT_FORMAT", "slack", "FORMAT", "of what is sent, slack or json"),
    setting(
        "alert-ca",
        "PLOT_ALERT_CA",
        "",
        "FILE",
        "certificates in PEM to trust at https:// instead of the public authorities",
    ),
    setting(
        "run-as",
        "RUN_AS",
        "",
        "WHO",
        "owner: if started by root, run as the owner of the log directory",
    ),
];
