//! A report: logs are read once, a page is written that needs nothing else, and the exit code says how it went.

use crate::process::{Directory, HEADER, clear_variables, new_log, picture, until};
use glue::testing::signal;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

/// `plot --report out.html` in the directory.
fn plot(directory: &Directory, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plot"));
    clear_variables(&mut command).current_dir(&directory.0).args(["--report", "out.html"]).args(args);
    command.stdin(Stdio::null());
    command
}

fn run(directory: &Directory, args: &[&str]) -> (Option<i32>, String) {
    said(&plot(directory, args).output().unwrap())
}

fn said(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

fn numbers(directory: &Directory) -> Value {
    serde_json::from_str(&directory.read("out.json")).unwrap()
}

/// Rows of this error.
fn rows(n: usize, error: f64) -> String {
    format!("x,0,{error},{error}\n").repeat(n)
}

/// What a page says, without its styles.
fn body(directory: &Directory) -> String {
    let page = directory.read("out.html");
    page.split_once("<body>").unwrap().1.to_owned()
}

#[test]
fn a_file_of_others_becomes_a_page_that_needs_nothing_else() {
    let directory = Directory::new();
    let line =
        |n: u32| format!("s{},{n},{}.5,2024-11-23T{:02}:{:02}:00+01:00\n", n % 2, n + n % 3, n / 60, n % 60);
    directory.write(
        "sales.csv",
        "segment,price,forecast,date\n".to_owned() + &(0..1200).map(line).collect::<String>(),
    );
    directory.write("out.html", "old".repeat(100_000));
    let columns = ["--y-true", "price", "--y-pred", "forecast", "--logged-at", "date", "--group", "segment"];
    let (code, said) = run(&directory, &[&["--log", "sales.csv"], columns.as_slice()].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("out.html: 1,200 rows of sales.csv, MAE 1.5. Steady: "), "{said}");
    let page = directory.read("out.html");
    for word in ["<script", "fetch", "href=\"/", "src=", "<a ", "url(", "live-->", "oldold", "http-"] {
        assert!(!page.contains(word), "{word}");
    }
    let body = body(&directory);
    assert!(body.contains("Read to the end: sales.csv.") && body.contains("<svg"), "{body}");
    for word in ["silent", "blind", "Silent", "Blind", "not answer", "UTC by", "Following"] {
        assert!(!body.contains(word), "{word}: {body}");
    }
    let stats = numbers(&directory);
    assert_eq!((&stats["all"]["n"], &stats["all"]["mae"]), (&1200.into(), &1.5.into()));
    assert_eq!((&stats["verdict"]["state"], &stats["logs"][0]), (&"steady".into(), &"sales.csv".into()));
    assert_eq!((stats["groups"].as_array().unwrap().len(), &stats["rules"]), (2, &Value::Array(Vec::new())));
    // 00:00 of the first row in its zone.
    assert_eq!(stats["error_over_time"]["slices"][0]["start"], 1_732_316_400.0);
    for key in ["alerts", "state", "metric", "last_rows_at"] {
        assert!(stats.get(key).is_none(), "{key}");
    }
    picture(&directory.file("out.png"));
    assert!(directory.read("out.svg").contains("n = 1,200"));
    let files = fs::read_dir(&directory.0).unwrap().count();
    assert_eq!(files, 5, "nothing else is left");
}

#[test]
fn a_rule_that_holds_is_exit_code_3() {
    let directory = Directory::new();
    directory.write("log.csv", HEADER.to_owned() + &rows(1500, 1.0) + &rows(500, 9.0));
    let with = |rules: &str| run(&directory, &["--log", "log.csv", "--window", "400", "--fail-on", rules]);
    let (code, said) = with("mae>60,mae>8.5,drift,bias>10");
    assert_eq!(code, Some(3), "{said}");
    let line = said.lines().find(|line| line.starts_with("[ERROR] ")).unwrap();
    assert!(
        line.starts_with(
            "[ERROR] mae>8.5 holds: MAE 9 over the last 400 rows, above 8.5; drift holds: Worse since row 1,"
        ),
        "{line}"
    );
    let body = body(&directory);
    assert!(
        body.contains("<li class=bad>Rule mae&gt;8.5 holds: MAE 9 over the last 400 rows, above 8.5.</li>"),
        "{body}"
    );
    assert!(body.contains("<li class=good>Rule mae&gt;60 does not hold: "), "{body}");
    let rules = numbers(&directory)["rules"].clone();
    let holds: Vec<_> =
        rules.as_array().unwrap().iter().map(|rule| rule["holds"].as_bool().unwrap()).collect();
    assert_eq!(holds, [false, true, true, false]);
    assert_eq!((&rules[1]["value"], &rules[1]["limit"]), (&9.0.into(), &8.5.into()));
    assert_eq!(with("mae>60,bias>10").0, Some(0));
    // What the rows have no number for is said.
    let (code, said) = with("delay_p95>2h");
    assert_eq!(code, Some(0));
    assert!(said.contains("delay_p95>2h was not judged: the rows have no such number"), "{said}");
    for (rule, word) in
        [("silence", "about a running metric"), ("auc<0.9", "no such number"), ("mea>1", "none of them")]
    {
        let (code, said) = with(rule);
        assert_eq!((code, said.contains(word)), (Some(2), true), "{said}");
    }
    // Few rows are judged as well: they are all there is.
    directory.write("log.csv", HEADER.to_owned() + &rows(3, 1.0));
    assert_eq!(with("mae>0.5,drift").0, Some(3));
}

/// `plot` that reads what is written to it.
fn piped(directory: &Directory) -> Child {
    plot(directory, &["--log", "-"]).stdin(Stdio::piped()).stderr(new_log(directory)).spawn().unwrap()
}

#[test]
fn standard_input_is_read_to_its_end_in_constant_memory() {
    let directory = Directory::new();
    let mut child = piped(&directory);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"y_true,y_pred\n").unwrap();
    let lines = "123.456789,123.956789\n".repeat(50_000);
    (0..40).for_each(|_| input.write_all(lines.as_bytes()).unwrap());
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 48 * 1024, "{peak}");
    // A line without its end, and half a one, as of a pipe that broke.
    input.write_all(b"1,1.5").unwrap();
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", directory.read("stderr"));
    assert_eq!(numbers(&directory)["all"]["n"], 2_000_001);
    let mut child = piped(&directory);
    child.stdin.take().unwrap().write_all(b"y_true,y_pred\n1,2\n3,").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(directory.read("stderr").contains("lines that are not rows: 1 not_finite"));
    assert!(body(&directory).contains("Read to the end: standard input."));
    assert_eq!(numbers(&directory)["all"]["n"], 1);
}

#[test]
fn a_long_read_says_how_far_it_is_and_an_interrupted_one_leaves_nothing() {
    let directory = Directory::new();
    let mut child = piped(&directory);
    let mut input = child.stdin.take().unwrap();
    input.write_all((HEADER.to_owned() + &rows(10, 1.0)).as_bytes()).unwrap();
    until("a line of progress", || directory.read("stderr").contains("rows of standard input read so far"));
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let names = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["stderr"]);
}

#[test]
fn what_cannot_be_read_is_exit_code_1_and_leaves_the_old_report() {
    let directory = Directory::new();
    directory.write("out.html", "old");
    directory.write("good.csv", HEADER.to_owned() + &rows(5, 1.0));
    directory.write("empty.csv", "");
    directory.write("header.csv", HEADER);
    directory.write("words.csv", HEADER.to_owned() + "one,two,three,four\n");
    directory.write("other.csv", "price,forecast\n1,2\n");
    fs::create_dir(directory.file("directory.csv")).unwrap();
    for (logs, words) in [
        (&["missing.csv"][..], "missing.csv: there is no such file"),
        (&["good.csv", "missing.csv"], "missing.csv: there is no such file"),
        (&["no*.csv"], "no*.csv: there is no such file"),
        (&["nowhere/x.csv"], "nowhere: No such file or directory"),
        (&["empty.csv"], "empty.csv: it is empty"),
        (&["good.csv,empty.csv"], "empty.csv: it is empty"),
        (&["header.csv"], "header.csv has no rows"),
        (&["words.csv"], "words.csv has no rows; lines that are not rows: 1 malformed"),
        (&["other.csv"], "its header has no column y_true: \"price,forecast\""),
        (&["directory.csv"], "directory.csv is not a regular file"),
        (&["-"], "standard input: it is empty"),
    ] {
        let (code, said) = run(&directory, &[&["--log"], logs].concat());
        assert_eq!(code, Some(1), "{logs:?}: {said}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("[ERROR] ") && last.contains(words), "{logs:?}: {said}");
        assert_eq!(directory.read("out.html"), "old");
    }
    assert!(!directory.file("out.json").exists());
    // Where it cannot be written, it is said before the logs are read.
    for (path, words) in [
        ("no/out.html", "no: No such file or directory"),
        ("d.html", "d.html is a directory"),
        ("good.csv/out.html", "good.csv is not a directory"),
    ] {
        fs::create_dir_all(directory.file("d.html")).unwrap();
        let (code, said) = run(&directory, &["--log", "missing.csv", "--report", path]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn several_logs_are_merged_and_the_log_directory_has_its_rotated_ones() {
    let directory = Directory::new();
    let log = |times: &[u32]| {
        let rows: Vec<String> = times.iter().map(|n| format!("0,{n},{}", 1_732_341_600 + n)).collect();
        "y_true,y_pred,logged_at\n".to_owned() + &rows.join("\n")
    };
    directory.write("a.csv", log(&[1, 3, 5]));
    directory.write("b.csv", log(&[2, 4, 6]));
    // The last lines have no line break: they come last.
    assert_eq!(run(&directory, &["--log", "a.csv", "b.csv", "--window", "3"]).0, Some(0));
    let stats = numbers(&directory);
    assert_eq!((&stats["all"]["n"], &stats["window"]["mae"]), (&6.into(), &5.0.into()));
    assert_eq!(run(&directory, &["--log", "*.csv"]).0, Some(0));
    assert_eq!(numbers(&directory)["all"]["n"], 6);
    for n in 1..4 {
        directory.write(&format!("metric_log.{n:06}.csv"), HEADER.to_owned() + &rows(n, 1.0));
    }
    let (code, said) = run(&directory, &["--log-dir", "."]);
    assert_eq!((code, &numbers(&directory)["all"]["n"]), (Some(0), &6.into()), "{said}");
}

#[test]
fn a_full_disk_leaves_the_old_report() {
    let directory = Directory::new();
    directory.write("log.csv", HEADER.to_owned() + &rows(50, 1.0));
    let small = directory.file("small");
    fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=16k tmpfs \"$1\" && echo old >\"$1/out.html\" && \"$2\" --report \"$1/out.html\" --log log.csv; \
                  echo \"code $?\" >&2; cat \"$1/out.html\"; ls -A \"$1\"";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(&small)
        .arg(env!("CARGO_BIN_EXE_plot"))
        .current_dir(&directory.0)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("No space left on device\ncode 1\n"), "{said}");
    let left = String::from_utf8(output.stdout).unwrap();
    assert!(left.starts_with("old\n") && !left.contains(".tmp"), "{left}");
}
