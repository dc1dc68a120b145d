//! The page and the picture of a classifier, in a real browser: of two classes, and of many.

use crate::browser::{Browser, MISPLACED};
use crate::process::{Directory, Plot, now_s, picture, until};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;

const LOG: &str = "metric_log.csv";
const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at,label_delay,group\n";
const CHARTS: &str = "document.querySelectorAll('svg[role=img]').length";

/// Two columns of names: the figures, and what their tables begin with.
const FIGURES: &str = "[...document.querySelectorAll('figure h2')].map(e => e.textContent).join()";

fn even(i: u32) -> f64 {
    let bits = i.wrapping_add(1).wrapping_mul(2_654_435_761).rotate_left(16).wrapping_mul(2_246_822_519);
    f64::from(bits) / 4_294_967_296.0
}

/// When a row was logged, in Unix seconds: of late, as the verdict of old ones is silence.
fn at_s(row: u32) -> u64 {
    now_s() as u64 - 3500 + u64::from(row)
}

/// Rows of y = 1 with probability p. Each `group` in turn.
fn binary(numbers: std::ops::Range<u32>, groups: &[String]) -> String {
    let mut log = String::new();
    for i in numbers {
        let p = (even(i) * 1000.0).round() / 1000.0;
        let y = u32::from(even(i + 500_000) < p);
        let group = groups.get(i as usize % groups.len().max(1)).map_or("", String::as_str);
        let time_s = at_s(i);
        writeln!(log, "{i},{y},{p},{},{time_s},{},{group}", (p - f64::from(y)).abs(), even(i + 9) * 30.0)
            .unwrap();
    }
    log
}

/// Rows of classes, the first ones more often; a tenth of them wrong.
fn classes(numbers: std::ops::Range<u32>, names: &[String], groups: &[String]) -> String {
    let mut log = String::new();
    for i in numbers {
        let place = |i: u32| (even(i).powi(2) * names.len() as f64) as usize;
        let y_true = &names[place(i)];
        let y_pred = if even(i + 300_000) < 0.1 { &names[place(i + 700_000)] } else { y_true };
        let group = groups.get(i as usize % groups.len().max(1)).map_or("", String::as_str);
        let error = u32::from(y_true != y_pred);
        let time_s = at_s(i);
        writeln!(log, "{i},{y_true},{y_pred},{error},{time_s},{},{group}", even(i + 9) * 30.0).unwrap();
    }
    log
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The longest names there can be as fields of a log: each character of markup takes five, and there is no place to break a line.
fn long_names(n: usize) -> Vec<String> {
    (0..n).map(|i| "&".repeat(61) + &format!("{i:03}")).collect()
}

fn text(plot: &Plot, path: &str) -> String {
    String::from_utf8(plot.ask("GET", path).2).unwrap()
}

/// The names of all nodes of a role, as a screen reader finds them.
fn named(browser: &mut Browser, role: &str) -> Vec<String> {
    let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap().iter();
    let nodes = nodes.filter(|node| node["ignored"] == false && node["role"]["value"] == role);
    nodes.map(|node| node["name"]["value"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Charts have their words inside and apart, at each width; no part is wider than the window.
fn looks(browser: &mut Browser, name: &str) {
    for (width, mobile) in [(360, true), (800, false), (1280, false)] {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile });
        browser.call("Emulation.setDeviceMetricsOverride", &size);
        assert_eq!(browser.evaluate(MISPLACED), "[]", "{name}, {width} wide");
    }
    browser.looks(name);
}

#[test]
fn two_classes_have_scores_calibration_and_confusion() {
    let directory = Directory::new();
    directory.write(LOG, HEADER.to_owned() + &binary(0..3000, &names(&["v1", "v2"])));
    let plot = Plot::start(&directory, &["--task", "binary"]);
    let stats = plot.rows(3000);
    let mut browser = Browser::open(&directory, &plot);
    browser.until(&format!("{CHARTS} === 5"));
    assert_eq!(
        browser.evaluate(FIGURES),
        "p − y over time,Rolling mean |p − y|,|p − y|,Calibration,Confusion,Label delay"
    );
    let cells =
        browser.evaluate("[...document.querySelectorAll('#confusion td')].map(e => e.textContent).join()");
    let counts =
        |part: &str, keys: [&str; 2]| keys.map(|key| stats[part]["confusion"][key].as_u64().unwrap());
    let line = |y_true: &str, keys: [&str; 2]| {
        let numbers = [counts("all", keys), counts("window", keys)].concat();
        let numbers = numbers.iter().map(|n| match n {
            1000.. => format!("{},{:03}", n / 1000, n % 1000),
            n => n.to_string(),
        });
        format!("{y_true},{}", numbers.collect::<Vec<_>>().join(","))
    };
    let lines =
        [line("1", ["true_positives", "false_negatives"]), line("0", ["false_positives", "true_negatives"])];
    assert_eq!(cells, lines.join(","));
    assert_eq!(browser.evaluate("document.querySelectorAll('#calibration-numbers tbody tr').length"), 10);
    let auc = browser.evaluate(
        "[...document.querySelectorAll('.tile')].find(e => e.textContent.startsWith('ROC AUC')).textContent",
    );
    let auc = auc.as_str().unwrap();
    assert!(auc.starts_with("ROC AUC ± bound0.8") && auc.matches('±').count() == 2, "{auc}");
    let page = text(&plot, "/");
    for words in [
        "From p = 0.5 on (--threshold), 1 is predicted",
        "Steady: mean |p − y| 0.",
        "mean |p − y| ± standard error",
        "z is how far the mean |p − y| is above that of all other rows",
        "<th>mean p − y<th>z",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for word in ["MAE", "RMSE", "unit of y_true", "<!--", "R²"] {
        assert!(!page.contains(word), "{word}: {page}");
    }
    let images = [named(&mut browser, "image"), named(&mut browser, "img")].concat();
    assert!(
        images
            .iter()
            .any(|name| name
                .starts_with("Calibration: how often 1 came, over the mean of p, for 10 of ten bins")),
        "{images:?}"
    );
    assert!(named(&mut browser, "region").contains(&"Confusion".to_owned()));
    looks(&mut browser, "binary");
    // It follows the log.
    directory.append(LOG, binary(3000..3500, &names(&["v1", "v2"])));
    browser.until("document.querySelector('#tiles dd').firstChild.data.startsWith('3,500')");
    let total = "[...document.querySelectorAll('#confusion td')].map(e => e.textContent.replace(',', ''))
        .filter((_, i) => [1, 2, 6, 7].includes(i)).reduce((sum, n) => sum + Number(n), 0)";
    assert_eq!(browser.evaluate(total), 3500);
}

#[test]
fn classes_have_a_bar_a_line_and_a_place_in_the_matrix_each() {
    let directory = Directory::new();
    let species = names(&["setosa", "versicolor", "virgin <b>"]);
    directory.write(LOG, HEADER.to_owned() + &classes(0..3000, &species, &names(&["v1", "v2"])));
    let plot = Plot::start(&directory, &["--task", "classes"]);
    let stats = plot.rows(3000);
    let mut browser = Browser::open(&directory, &plot);
    browser.until(&format!("{CHARTS} === 4"));
    assert_eq!(
        browser.evaluate(FIGURES),
        "Error rate over time,Rolling error rate,Error rate of each class,Classes,Confusion,Label delay"
    );
    let column = |place: u32| {
        format!(
            "[...document.querySelectorAll('#classes tbody td:nth-child({place})')].map(e => e.textContent).join()"
        )
    };
    // The worst first.
    let mut listed: Vec<&Value> = stats["all"]["classes"].as_array().unwrap().iter().collect();
    listed.sort_by(|a, b| a["recall"].as_f64().unwrap().total_cmp(&b["recall"].as_f64().unwrap()));
    let found = browser.evaluate(&column(1));
    let found: Vec<&str> =
        found.as_str().unwrap().split(',').filter_map(|name| Some(name.split_once(' ')?.1)).collect();
    assert_eq!(found, listed.iter().map(|class| class["name"].as_str().unwrap()).collect::<Vec<_>>());
    let matrix = "[...document.querySelectorAll('#matrix td:not(thead td)')].map(e => Number(e.textContent.replace(',', '')))";
    let counts = &stats["all"]["confusion_matrix"]["counts"];
    let expected: Vec<&Value> =
        counts.as_array().unwrap()[..3].iter().flat_map(|line| &line.as_array().unwrap()[..3]).collect();
    assert_eq!(browser.evaluate(matrix), json!(expected));
    let heads = browser
        .evaluate("[...document.querySelectorAll('#matrix th[scope=col]')].map(e => e.textContent).join()");
    assert_eq!(heads, "1 setosa,2 versicolor,3 virgin <b>");
    assert_eq!(browser.evaluate("document.querySelectorAll('#bars .start, #bars .end').length"), 3);
    let page = text(&plot, "/");
    for words in [
        "Steady: error rate 0.",
        "error rate ± standard error",
        "macro F1",
        "how far the error rate is above",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for word in ["MAE", "RMSE", "unit of y_true", "<!--", "mean error", "standard deviation"] {
        assert!(!page.contains(word), "{word}: {page}");
    }
    looks(&mut browser, "classes");
    // A class that comes later, in many rows, all of them wrong.
    let novel: String = (0..1000).map(|i| format!("n{i},novel,setosa,1,{},1,v1\n", at_s(3000))).collect();
    directory.append(LOG, novel);
    browser.until(&format!("{}.split(',')[0].endsWith(' novel')", column(1)));
    assert_eq!(browser.evaluate("document.querySelectorAll('#bars .end').length"), 4);
}

#[test]
fn the_largest_page_is_small_and_whole() {
    let groups = long_names(60);
    for (task, log) in
        [("binary", binary(0..5000, &groups)), ("classes", classes(0..5000, &long_names(45), &groups))]
    {
        let directory = Directory::new();
        directory.write(LOG, HEADER.to_owned() + &log);
        let plot = Plot::start(&directory, &["--task", task]);
        plot.rows(5000);
        let mut browser = Browser::open(&directory, &plot);
        browser.until("document.querySelectorAll('#groups tbody tr').length === 50");
        let bytes = text(&plot, "/").len();
        assert!(bytes < 70_000, "{task}: {bytes} bytes");
        looks(&mut browser, &format!("largest-{task}"));
        if task == "classes" {
            let lines = |id: &str| format!("document.querySelectorAll('#{id} tbody tr').length");
            assert_eq!(
                ["classes", "matrix", "bars-numbers"].map(|id| browser.evaluate(&lines(id))),
                [20, 21, 21]
            );
            assert!(text(&plot, "/").contains(" The 20 largest classes; 25 more have "));
            assert_eq!(
                browser.evaluate(
                    "[...document.querySelectorAll('#matrix th[scope=col]')].map(e => e.textContent).join()"
                ),
                (1..=20).map(|n| n.to_string()).chain(["others".to_owned()]).collect::<Vec<_>>().join(",")
            );
        }
    }
}

#[test]
fn the_page_turns_to_the_task_that_metric_names() {
    let directory = Directory::new();
    directory.write(LOG, HEADER.to_owned() + &binary(0..300, &[]));
    let plot = Plot::start(&directory, &[]);
    plot.rows(300);
    let mut browser = Browser::open(&directory, &plot);
    browser.until(&format!("{FIGURES}.includes('Predicted against true')"));
    let status = json!({
        "version": 1, "at": now_s(), "state": "consuming", "task": "binary", "rows": 300, "duplicates": 0,
        "conflicts": 0, "rejected": 0, "unmatched": { "y_true": 0, "y_pred": 0 }, "waiting": { "y_true": 0, "y_pred": 0 },
    });
    directory.write("metric_status.json", status.to_string());
    browser.until(&format!("{FIGURES}.includes('Calibration')"));
    browser.until("document.querySelector('#confusion table') !== null");
}

#[test]
fn the_picture_is_the_one_of_the_task() {
    for (task, log, words, absent) in [
        (
            "binary",
            binary(0..3000, &[]),
            ["Distribution of abs(p − y)", "abs(p − y), from 0 to 1", "Brier score = 0."],
            "MAE",
        ),
        (
            "classes",
            classes(0..3000, &names(&["setosa", "versicolor", "a class with a long name"]), &[]),
            ["Error rate, over time and of each class", "a class wit…", "n = 3,000 · error rate = 0."],
            "MAE",
        ),
        ("classes", classes(0..3000, &long_names(45), &[]), ["n = 3,000", " others", "time (UTC), "], "MAE"),
    ] {
        let directory = Directory::new();
        directory.write(LOG, HEADER.to_owned() + &log);
        let plot = Plot::start(&directory, &["--task", task, "--size", "400x300"]);
        plot.rows(3000);
        let svg = directory.file("error_distribution.svg");
        until("the picture is drawn", || svg.exists());
        let svg = fs::read_to_string(svg).unwrap();
        for word in words {
            assert!(svg.contains(word), "{task}: {word}: {svg}");
        }
        assert!(!svg.contains(absent) && !svg.contains("NaN"), "{svg}");
        let (width, height, pixels) = picture(&directory.file("error_distribution.png"));
        assert_eq!((width, height), (400, 300));
        // The bars' colour.
        assert!(pixels.chunks(3).filter(|pixel| *pixel == [158, 197, 228]).count() > 300, "{task}");
        if let Ok(directory_of_shots) = std::env::var("SCREENSHOTS") {
            let name = format!("{directory_of_shots}/picture-{task}-{}.png", log.len());
            fs::copy(directory.file("error_distribution.png"), name).unwrap();
        }
    }
}
