use super::*;
use crate::stats::{binary, numbers::Numbers};

const START_S: i64 = 1_732_320_000;
const DAY_S: i64 = 86_400;

fn add(past: &mut Past, rows: &[Row]) {
    rows.chunks(977).for_each(|rows| past.add(rows, &[], &[]));
}

/// The absolute errors of rows within a span, and all their numbers by plain addition.
fn plainly(rows: &[Row], span: Span) -> (Vec<f64>, [f64; 4]) {
    let is_in = |row: &&Row| {
        row.time_s().is_some_and(|time_s| (span.from_s as f64..span.to_s as f64).contains(&time_s))
    };
    let errors: Vec<f64> = rows.iter().filter(is_in).map(Row::error).collect();
    let mean =
        |value: fn(f64) -> f64| errors.iter().map(|error| value(*error)).sum::<f64>() / errors.len() as f64;
    let numbers =
        [mean(f64::abs), mean(|error| error * error).sqrt(), mean(|error| error), errors.len() as f64];
    let mut absolute: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    absolute.sort_by(f64::total_cmp);
    (absolute, numbers)
}

fn check(found: &Stretch, rows: &[Row]) {
    let (absolute, [mae, rmse, bias, n]) = plainly(rows, found.span);
    let Numbers { n: found_n, mae: found_mae, rmse: found_rmse, bias: found_bias, p95, max, .. } =
        &found.numbers;
    assert_eq!(*found_n as f64, n, "{:?}", found.span);
    let Some(most) = absolute.last() else { return assert_eq!((*found_mae, *p95), (None, None)) };
    for (found, exact) in [(found_mae, mae), (found_rmse, rmse)] {
        assert!((found.unwrap() / exact - 1.0).abs() < 1e-12, "{found:?}, not {exact}");
    }
    assert!((found_bias.unwrap() - bias).abs() < 1e-12 * mae);
    assert_eq!(*max, Some(*most));
    let exact: Vec<(f64, u64)> = absolute.iter().map(|error| (*error, 1)).collect();
    let exact = crate::stats::quantile::quantile(&exact, 0.95).unwrap();
    assert!((p95.unwrap() - exact).abs() <= found.quantile_relative_error * exact, "{p95:?}, not {exact}");
}

/// Of all shapes that logs have: rows every few seconds, a row a day, late rows, wrong clocks, none at all.
#[test]
fn every_range_has_the_numbers_of_its_rows() {
    let (mut random, _) = glue::testing::random();
    for _ in 0..30 {
        let mut past = Past::default();
        let mut rows = Vec::new();
        let mut time_s = START_S as f64;
        for _ in 0..random.usize(1..6) {
            let step_s = [0.5, 20.0, 61.0, 700.0, 40_000.0, 200_000.0][random.usize(..6)];
            for _ in 0..random.usize(..4_000) {
                time_s += step_s * random.f64() * 2.0;
                let at_s = match random.u16(..) % 500 {
                    0 => 4_080_000_000.0 + random.f64() * 1e5,
                    1 => 1e9,
                    2..10 => time_s - random.f64() * 3e6,
                    _ => time_s,
                };
                let error = (random.f64() - 0.4) * 10_f64.powi(random.i32(-2..3));
                // A time from 2100 on is none.
                let at_s = (random.u8(..) > 5 && at_s < 4_102_444_800.0).then_some(at_s);
                rows.push(Row::new(0.0, error, at_s));
            }
        }
        add(&mut past, &rows);
        let untimed = rows.iter().filter(|row| row.time_s().is_none()).count() as u64;
        let all = past.range(Span { from_s: 0, to_s: 5_000_000_000 });
        assert_eq!(all.range.numbers.n + untimed, rows.len() as u64);
        assert_eq!(all.rows_without_time, untimed);
        check(&all.range, &rows);
        for _ in 0..20 {
            let length_s = [3_600, DAY_S, 7 * DAY_S, 30 * DAY_S, 400 * DAY_S][random.usize(..5)];
            let to_s = time_s as i64 - random.i64(0..time_s as i64 - START_S + 2) + 1;
            let asked = Span { from_s: to_s - length_s, to_s };
            let Range { range, before, points, .. } = past.range(asked);
            assert!(range.span.from_s <= asked.from_s && asked.to_s <= range.span.to_s);
            assert!(
                range.span.from_s > asked.from_s - 30 * DAY_S && range.span.to_s < asked.to_s + 30 * DAY_S
            );
            assert_eq!(before.span.to_s, range.span.from_s);
            check(&range, &rows);
            check(&before, &rows);
            assert_eq!(points.iter().map(|point| point.n).sum::<u64>(), range.numbers.n);
            assert!(
                points.len() <= 242 && points.is_sorted_by(|a, b| a.span.to_s <= b.span.from_s),
                "{points:?}"
            );
            for point in points {
                let (_, [mae, _, _, n]) = plainly(&rows, point.span);
                assert!((point.mae / mae - 1.0).abs() < 1e-12 && point.n as f64 == n);
            }
        }
    }
}

#[test]
fn there_are_minutes_for_two_days_hours_for_ninety_and_days_for_ten_years() {
    let mut past = Past::default();
    let minutes = 11 * 365 * 24 * 60;
    let rows: Vec<Row> = (0..minutes).map(|n| Row::new(0.0, 1.0, Some((START_S + n * 60) as f64))).collect();
    add(&mut past, &rows);
    let end_s = START_S + minutes * 60;
    let mut widened = |days_ago: i64| {
        let from_s = end_s - days_ago * DAY_S + 30;
        let span = past.range(Span { from_s, to_s: end_s }).range.span;
        assert_eq!(span.to_s, end_s);
        from_s - span.from_s
    };
    assert_eq!([1, 2].map(&mut widened), [30, 30]);
    assert_eq!([3, 90].map(&mut widened), [30; 2]);
    assert_eq!(widened(3650), 30);
    // The last hour is one of 60 minutes; a year has a point every other day.
    let hour = past.range(Span { from_s: end_s - 3_600, to_s: end_s });
    assert_eq!((hour.points.len(), hour.range.numbers.n, hour.before.numbers.n), (60, 60, 60));
    let year = past.range(Span { from_s: end_s - 365 * DAY_S, to_s: end_s });
    assert_eq!((year.points.len(), year.range.numbers.n), (183, 365 * 1440));
    let bytes = std::mem::size_of::<Slice>();
    assert!(bytes < 400, "{bytes} bytes for each slice besides its buckets");
}

#[test]
fn a_range_of_probabilities_has_their_scores() {
    let (mut random, _) = glue::testing::random();
    let mut past = Past::new(Task::Binary, 0.5);
    let row = |n: i64| {
        let p = [random.f64(), random.f64().powi(8), 1.0 - random.f64().powi(8), 0.0, 1.0][random.usize(..5)];
        Row::new(f64::from(u8::from(random.f64() < p)), p, Some((START_S + n * 7) as f64))
    };
    let rows: Vec<Row> = (0..20_000).map(row).collect();
    add(&mut past, &rows);
    let Range { range, .. } = past.range(Span { from_s: START_S + 50_000, to_s: START_S + 100_000 });
    let is_in =
        |row: &&Row| (range.span.from_s as f64..range.span.to_s as f64).contains(&row.time_s().unwrap());
    let within: Vec<Row> = rows.iter().filter(is_in).copied().collect();
    let exact = binary::numbers_of(&within, 0.5, range.numbers.rmse.map(|rmse| rmse * rmse));
    let found = range.numbers.of_task.binary().unwrap();
    assert_eq!((found.confusion, found.accuracy, found.f1), (exact.confusion, exact.accuracy, exact.f1));
    let apart = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs();
    assert!(apart(found.log_loss, exact.log_loss) < 1e-12 && apart(found.brier, exact.brier) < 1e-12);
    let bound = found.roc_auc_error.unwrap();
    assert!(apart(found.roc_auc, exact.roc_auc) <= bound && bound < 0.02, "{found:?}, not {exact:?}");
    for (found, exact) in found.calibration.iter().zip(&exact.calibration) {
        assert_eq!((found.n, found.share), (exact.n, exact.share));
    }
    check(&range, &rows);
    // All rows have one pass' counts.
    let exact = binary::numbers_of(&rows, 0.5, None);
    assert_eq!(past.outcomes().unwrap().numbers(None, None).confusion, exact.confusion);
}

#[test]
fn a_range_of_classes_has_theirs() {
    let names: Vec<Arc<str>> = (0..300).map(|n| format!("c{n}").into()).collect();
    let mut past = Past::new(Task::Classes, 0.5);
    let pair = |n: i64| [(n % 7) as u16, (n % 5) as u16];
    for n in 0..10_000 {
        let error = f64::from(u8::from(pair(n)[0] != pair(n)[1]));
        past.add(&[Row::new(0.0, error, Some((START_S + n * 6) as f64))], &[pair(n)], &names[..7]);
    }
    let Range { range, .. } = past.range(Span { from_s: START_S + 600, to_s: START_S + 6_600 });
    let classes = range.numbers.of_task.classes().unwrap();
    let rows: Vec<[u16; 2]> = (100..1_100).map(pair).collect();
    let right = rows.iter().filter(|[y_true, y_pred]| y_true == y_pred).count();
    assert_eq!((range.numbers.n, classes.accuracy), (1_000, Some(right as f64 / 1_000.0)));
    assert_eq!(range.quantile_relative_error, 0.0);
    for class in &classes.classes {
        let number: u16 = class.name[1..].parse().unwrap();
        let of = |side: usize| rows.iter().filter(|pair| pair[side] == number).count() as u64;
        assert_eq!((class.support, class.predicted), (of(0), of(1)), "{class:?}");
    }
    assert!(classes.macro_f1.is_some() && classes.classes.len() == 7);
    // Of too many classes only the accuracy is known, and of ranges that hold them.
    for n in 0..300 {
        past.add(&[Row::new(0.0, 0.0, Some((START_S + 90_000) as f64))], &[[n, n]], &names);
    }
    let Range { range, before, .. } = past.range(Span { from_s: START_S + 90_000, to_s: START_S + 90_060 });
    let classes = range.numbers.of_task.classes().unwrap();
    assert_eq!((classes.accuracy, classes.macro_f1, classes.classes.len()), (Some(1.0), None, 0));
    assert_eq!((classes.pooled_rows, before.numbers.n), (300, 0));
}

#[test]
fn r2_of_a_constant_truth_is_that_of_scikit_learn_over_many_slices() {
    let mut past = Past::default();
    let rows: Vec<Row> = (0..14_400)
        .map(|n| Row::new(100.0, 100.0 + f64::from(n % 9), Some((START_S + i64::from(n) * 6) as f64)))
        .collect();
    add(&mut past, &rows);
    let Range { range, before, .. } = past.range(Span { from_s: START_S + 40_000, to_s: START_S + 80_000 });
    assert_eq!([past.sums().r2(), range.numbers.r2, before.numbers.r2], [Some(0.0); 3]);
}
