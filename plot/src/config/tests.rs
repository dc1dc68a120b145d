//! Settings that are right, and those that are not.

use super::*;
use crate::settings::TABLE;
use glue::settings::{self, Request};
use std::ffi::OsString;

fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Config, String> {
    let variable =
        |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    match settings::read(TABLE, args.iter().map(OsString::from), variable)? {
        Request::Run(values) => read(&values),
        _ => panic!("not to run"),
    }
}

#[test]
fn defaults_are_those_of_the_table() {
    let config = run(&[], &[]).unwrap();
    assert_eq!(config.logs, ["./logs/metric_log.csv"]);
    assert_eq!(config.interval, Duration::from_secs(10));
    assert_eq!((config.size, config.window), ((800, 600), 1000));
    assert_eq!(config.listen, Some(([127, 0, 0, 1], 8080).into()));
}

#[test]
fn an_empty_address_means_no_page() {
    for (args, env) in [
        (vec!["--listen", ""], vec![]),
        (vec!["--listen", "none"], vec![]),
        (vec![], vec![("PLOT_LISTEN", "")]),
        (vec!["--listen", "", "--window", "5"], vec![("PLOT_LISTEN", "127.0.0.1:1")]),
    ] {
        assert_eq!(run(&args, &env).unwrap().listen, None, "{args:?} {env:?}");
    }
}

#[test]
fn several_logs_are_named_with_commas() {
    assert_eq!(run(&["--log", "a.csv, b*.csv"], &[]).unwrap().logs, ["a.csv", "b*.csv"]);
    assert_eq!(run(&["--log-dir", "/d", "--log", ""], &[]).unwrap().logs, ["/d/metric_log.csv"]);
}

#[test]
fn a_baseline_is_of_first_rows_or_a_number() {
    assert_eq!(run(&[], &[]).unwrap().baseline, Baseline { rows: 1000, since_s: None, mae: None });
    let env = [
        ("PLOT_BASELINE_ROWS", "100000"),
        ("PLOT_BASELINE_SINCE", "2024-11-23 06:00:00"),
        ("PLOT_BASELINE_MAE", "0"),
    ];
    let baseline = Baseline { rows: 100_000, since_s: Some(1_732_341_600.0), mae: Some(0.0) };
    assert_eq!(run(&[], &env).unwrap().baseline, baseline);
    let flags = ["--baseline-rows", "1", "--baseline-since", "", "--baseline-mae", "4.5e3"];
    assert_eq!(run(&flags, &env).unwrap().baseline, Baseline { rows: 1, since_s: None, mae: Some(4500.0) });
}

#[test]
fn a_task_is_set_or_that_of_metric() {
    let config = run(&[], &[]).unwrap();
    assert_eq!((config.task, config.threshold), (None, 0.5));
    let config = run(&["--threshold", "0.25"], &[("TASK", "binary")]).unwrap();
    assert_eq!((config.task, config.threshold), (Some(Task::Binary), 0.25));
    assert_eq!(run(&["--task", "classes"], &[]).unwrap().task, Some(Task::Classes));
}

#[test]
fn a_rule_without_a_number_is_refused_where_the_task_is_set() {
    let rules = "mae>1,accuracy<0.9,auc<0.8,logloss>0.5";
    assert_eq!(run(&["--alert", rules], &[]).unwrap().alert.len(), 4);
    assert_eq!(run(&["--alert", rules, "--task", "binary"], &[]).unwrap().alert.len(), 4);
    for (task, rule) in [("regression", "accuracy<0.9"), ("classes", "auc<0.8")] {
        let error = run(&["--task", task], &[("PLOT_ALERT", rules)]).unwrap_err();
        assert!(error.starts_with("PLOT_ALERT is \"mae>1,"), "{error}");
        let what = format!("allowed: what task {task} has a number for; {rule:?} is not");
        assert!(error.ends_with(&what), "{error}");
    }
    assert!(run(&["--alert", "accuracy<0.9", "--task", "classes"], &[]).is_ok());
}

#[test]
fn the_receiver_of_alerts_is_a_secret() {
    let config = run(&[], &[]).unwrap();
    assert_eq!((config.alert.len(), config.receiver.is_none()), (3, true));
    let args = ["--alert-url", "https://s3cr3t:s3cr3t@s3cr3t/s3cr3t", "--alert-ca", "/ca.pem"];
    let config = run(&args, &[("PLOT_ALERT", "mae>60"), ("PLOT_ALERT_FORMAT", "json")]).unwrap();
    let receiver = config.receiver.as_ref().unwrap();
    assert_eq!(
        (receiver.format, receiver.ca.as_deref()),
        (Format::Json, Some(std::path::Path::new("/ca.pem")))
    );
    assert_eq!(config.alert[0].text, "mae>60");
    assert!(!format!("{config:?}").contains("s3cr3t"), "{config:?}");
    for url in ["s3cr3t", "ftp://s3cr3t", "http://", "https:///s3cr3t", "http://s3cr3t:x", "http://s3cr3t /"]
    {
        let error = run(&["--alert-url", url], &[]).unwrap_err();
        assert!(error.contains("PLOT_ALERT_URL") && error.contains("allowed: https://"), "{error}");
        assert!(!error.contains("s3cr3t"), "{error}");
    }
    for nothing in ["", "none"] {
        assert_eq!(run(&[], &[("PLOT_ALERT", nothing)]).unwrap().alert, [], "{nothing:?}");
    }
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    let cases = [
        ("--interval", "0"),
        ("--interval", "NaN"),
        ("--size", "800"),
        ("--size", "10x10"),
        ("--window", "0"),
        ("--window", "1e3"),
        ("--task", "ranks"),
        ("--task", "Binary"),
        ("--threshold", "1.5"),
        ("--threshold", "-0.5"),
        ("--threshold", "NaN"),
        ("--baseline-rows", "0"),
        ("--baseline-rows", "100001"),
        ("--baseline-since", "yesterday"),
        ("--baseline-since", "2024-02-30"),
        ("--baseline-since", "17323416"),
        ("--baseline-since", "1732341600000"),
        ("--baseline-mae", "-1"),
        ("--baseline-mae", "NaN"),
        ("--baseline-mae", "inf"),
        ("--listen", "8080"),
        ("--hosts", "a.b:80"),
        ("--alert", "drift,mae<60"),
        ("--alert", "mea>60"),
        ("--alert-format", "teams"),
        ("--log", "a,,b"),
        ("--log", "a[.csv"),
    ];
    for (flag, value) in cases {
        let message = run(&[flag, value], &[]).unwrap_err();
        assert!(
            message.contains(flag) && message.contains(value) && message.contains("allowed"),
            "{message}"
        );
    }
    assert!(run(&[], &[("PLOT_SIZE", "big")]).unwrap_err().contains("PLOT_SIZE"));
    assert!(run(&["--queue-type", "x"], &[]).unwrap_err().contains("--queue-type"));
}

#[test]
fn the_health_check_goes_by_the_same_settings() {
    let args = ["--healthcheck", "--listen", "127.0.0.1:99"].map(OsString::from);
    match settings::read(TABLE, args, |_| None).unwrap() {
        Request::Healthcheck(values) => assert_eq!(read(&values).unwrap().listen.unwrap().port(), 99),
        _ => panic!("not to check"),
    }
}

#[test]
fn a_report_has_rules_about_rows_and_a_name_of_its_own() {
    let config = run(&["--report", "a/b.html", "--log", "x.csv", "y.csv", "--fail-on", "drift,mae>60"], &[]);
    let report = config.unwrap().report.unwrap();
    assert_eq!((report.path.to_str(), report.fail_on.len()), (Some("a/b.html"), 2));
    let config = run(&["--report", "b.html"], &[("PLOT_LOG", "-")]).unwrap();
    assert_eq!((config.logs.as_slice(), config.with_rotated), (&["-".to_owned()][..], false));
    assert!(run(&[], &[]).unwrap().report.is_none());
    for (args, words) in [
        (&["--report", "b.csv"][..], "--report is \"b.csv\"; allowed: a file whose name ends with .html"),
        (&["--report", ".html"], "--report is"),
        (&["--fail-on", "drift"], "--fail-on is \"drift\"; allowed: rules with --report only"),
        (
            &["--report", "b.html", "--fail-on", "mae>1,silence>5m"],
            "\"silence>5m\" is about a running metric",
        ),
        (&["--report", "b.html", "--fail-on", "coverage<1"], "\"coverage<1\" is about a running metric"),
        (&["--report", "b.html", "--fail-on", "mea>1"], "\"mea>1\" is none of them"),
        (&["--report", "b.html", "--fail-on", "auc<1", "--task", "regression"], "\"auc<1\" is not"),
        (&["--log", "-"], "only alone and with --report"),
        (&["--report", "b.html", "--log", "a.csv", "-"], "only alone and with --report"),
    ] {
        let error = run(args, &[]).unwrap_err();
        assert!(error.contains(words), "{args:?}: {error}");
    }
}

#[test]
fn columns_have_names_of_their_own() {
    let config = run(&["--y-true", " price ", "--group", "y_true"], &[("PLOT_LOGGED_AT", "date")]).unwrap();
    assert_eq!(config.columns, ["price", "y_pred", "absolute_error", "date", "label_delay", "y_true"]);
    let error = run(&["--y-true", "y_pred"], &[]).unwrap_err();
    assert_eq!(error, "--y-true is \"y_pred\"; allowed: another column than --y-pred");
    let error = run(&["--group", " "], &[]).unwrap_err();
    assert_eq!(error, "--group is \" \"; allowed: the name of a column");
}
