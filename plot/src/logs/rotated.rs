//! Which names are those of rotated logs, and in which order the logs are read.
//! Pure. Never reads a directory or a file.

/// Least digits of a number that `metric` gives a log.
const DIGITS: usize = 6;

/// Whether `name` is that of a rotated log of `log`, say `metric_log.csv`: with a number or a date before or behind `.csv`, such as
/// `metric_log.000001.csv`, `metric_log-20260101.csv` and `metric_log.csv.1`. A packed log has no such name, and neither has a `.bak`.
pub fn is_rotated(name: &str, log: &str) -> bool {
    added(name, log).is_some_and(|added| {
        let is_allowed = |c: char| c.is_ascii_digit() || "-_.:TZ".contains(c);
        let has_digit = added.contains(|c: char| c.is_ascii_digit());
        added.starts_with(['.', '-', '_']) && has_digit && added.chars().all(is_allowed)
    })
}

/// Sorts rotated logs of `log` by their names, from old to new: those of `metric` by their numbers, and the others between them by the time
/// of their first row. `first_s` says that time in Unix seconds, by the name.
pub fn sort(names: &mut [String], log: &str, first_s: impl Fn(&str) -> f64) {
    names.sort_by_cached_key(|name| (number(name, log), name.clone()));
    if names.iter().all(|name| number(name, log).is_some()) {
        return;
    }
    // A number counts for more than a clock that was set back.
    let mut latest_s = f64::NEG_INFINITY;
    let time_s = |name: &String| {
        let time_s = first_s(name);
        if number(name, log).is_some() {
            latest_s = latest_s.max(time_s);
            return latest_s;
        }
        time_s
    };
    let times_s: Vec<f64> = names.iter().map(time_s).collect();
    let mut timed: Vec<(f64, String)> = times_s.into_iter().zip(names.iter().cloned()).collect();
    timed.sort_by(|(one_s, _), (other_s, _)| one_s.total_cmp(other_s));
    names.iter_mut().zip(timed).for_each(|(place, (_, name))| *place = name);
}

/// The number of a log that `metric` has renamed: `metric_log.000001.csv`.
fn number(name: &str, log: &str) -> Option<u64> {
    let digits = before_extension(name, log)?.strip_prefix('.')?;
    let is_number = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// What `name` has more than `log`.
fn added<'a>(name: &'a str, log: &str) -> Option<&'a str> {
    before_extension(name, log).or_else(|| name.strip_prefix(log))
}

fn before_extension<'a>(name: &'a str, log: &str) -> Option<&'a str> {
    let (stem, extension) = log.split_at(log.rfind('.').unwrap_or(log.len()));
    name.strip_prefix(stem)?.strip_suffix(extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "metric_log.csv";

    #[test]
    fn a_number_or_a_date_makes_a_rotated_log() {
        for name in [
            "metric_log.000001.csv",
            "metric_log.1234567.csv",
            "metric_log.1.csv",
            "metric_log-20260101.csv",
            "metric_log_2026-01-01T06:00:00Z.csv",
            "metric_log.csv.1",
            "metric_log.csv-20260101",
            "metric_log.csv.2026-01-01",
        ] {
            assert!(is_rotated(name, LOG), "{name}");
        }
        for name in [
            LOG,
            "",
            "metric_log",
            "metric_log..csv",
            "metric_log1.csv",
            "metric_log.csv1",
            "metric_log.csv.",
            "metric_log.csv.1.gz",
            "metric_log.000001.csv.gz",
            "metric_log.000001.csv.bak",
            "metric_log.csv.bak",
            "metric_log.old.csv",
            "metric_log (1).csv",
            "metric_log.csv~",
            ".metric_log.csv.1",
            "unmatched.000001.csv",
            "metric_log.000001.svg",
        ] {
            assert!(!is_rotated(name, LOG), "{name}");
        }
    }

    #[test]
    fn numbers_come_in_their_order_and_the_others_between_them_by_time() {
        let sorted = |names: &[&str], first_s: fn(&str) -> f64| {
            let mut names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            sort(&mut names, LOG, first_s);
            names
        };
        let names = ["metric_log.1000000.csv", "metric_log.999999.csv", "metric_log.000002.csv"];
        let numbers = sorted(&names, |_| panic!("numbers need no time"));
        assert_eq!(numbers, ["metric_log.000002.csv", "metric_log.999999.csv", "metric_log.1000000.csv"]);
        let names = [
            "metric_log.csv.1",
            "metric_log.000001.csv",
            "metric_log.000002.csv",
            "metric_log.000003.csv",
            "metric_log.csv.2",
            "metric_log.7.csv",
        ];
        let by_time = sorted(&names, |name| match name {
            "metric_log.csv.2" => 1.0,
            "metric_log.000001.csv" => 2.0,
            "metric_log.csv.1" => 3.0,
            // No row has a time.
            "metric_log.7.csv" => f64::NEG_INFINITY,
            "metric_log.000002.csv" => 4.0,
            _ => 0.5,
        });
        assert_eq!(
            by_time,
            [
                "metric_log.7.csv",
                "metric_log.csv.2",
                "metric_log.000001.csv",
                "metric_log.csv.1",
                "metric_log.000002.csv",
                "metric_log.000003.csv"
            ]
        );
    }
}
