//! How soon a change of simulated errors is found, and how often one is found where there is none.
//! The figures of plot/STATS.md; never runs outside tests.

use super::{Baseline, Change, Direction, Drift};
use crate::logs::row::Row;

/// splitmix64 (Steele, Lea, Flood 2014), as numbers above 0 and below 1.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Box and Muller 1958.
    fn normal(&mut self) -> f64 {
        (2.0 * self.exponential()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Student t with 3 degrees of freedom: the sum of three squared normals, two of which make an exponential.
    fn t_3(&mut self) -> f64 {
        let squares = 2.0 * self.exponential() + self.normal().powi(2);
        self.normal() / (squares / 3.0).sqrt()
    }

    /// Student t with 2 degrees of freedom, by its quantile function.
    fn t_2(&mut self) -> f64 {
        let u = self.uniform();
        (2.0 * u - 1.0) / (2.0 * u * (1.0 - u)).sqrt()
    }
}

fn changes(errors: impl IntoIterator<Item = f64>) -> Vec<Change> {
    let mut drift = Drift::new(Baseline::default());
    errors.into_iter().for_each(|error| drift.add(&Row::new(0.0, error, None)));
    drift.changes.into()
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Errors that are drawn alike, until a factor changes them all.
struct Case {
    draw: fn(&mut Random) -> f64,
    /// In so few streams the figures scatter by more than a third. With these seeds they do not; plot/STATS.md has those of many streams.
    seed: u64,
    most_false_alarms: usize,
    /// By factor, at most: the median of the rows until a change is said, that of the rows between where it began and where it is said to
    /// have begun, and how many of 30 are missed.
    most: [(f64, u64, u64, usize); 5],
}

impl Case {
    fn stream(&self, seed: u64) -> impl Iterator<Item = f64> {
        let (draw, mut random) = (self.draw, Random(self.seed + seed));
        std::iter::repeat_with(move || draw(&mut random))
    }

    fn check(&self) {
        let seed = self.seed;
        let false_alarms: Vec<Change> =
            (100..104).flat_map(|n| changes(self.stream(n).take(300_000))).collect();
        let are_over = false_alarms.iter().all(|change| change.over_row.is_some());
        assert!(false_alarms.len() <= self.most_false_alarms && are_over, "seed {seed}: {false_alarms:?}");
        for (factor, most_rows, most_off, most_missed) in self.most {
            let found: Vec<Change> = (500..530).filter_map(|n| self.step(n, factor)).collect();
            let rows = median(found.iter().map(|change| change.found_row - STEP_ROW).collect());
            let off = median(found.iter().map(|change| change.row.abs_diff(STEP_ROW)).collect());
            let missed = 30 - found.len();
            assert!(
                rows <= most_rows && off <= most_off && missed <= most_missed,
                "seed {seed}, x {factor}: said after {rows} rows, {off} off, {missed} missed"
            );
            let direction = if factor > 1.0 { Direction::Worse } else { Direction::Better };
            assert!(found.iter().filter(|change| change.direction != direction).count() <= 1, "{found:?}");
        }
    }

    /// What is said first after a step.
    fn step(&self, seed: u64, factor: f64) -> Option<Change> {
        let errors = self.stream(seed).take(16_000).zip(0..);
        let errors = errors.map(|(error, row)| if row < STEP_ROW { error } else { error * factor });
        changes(errors).into_iter().find(|change| change.found_row >= STEP_ROW)
    }

    /// Large errors for some time, and then those of before: both changes are found where they are.
    fn check_there_and_back(&self) {
        for factor in [3.0, 10.0, 100.0] {
            for seed in 0..64 {
                let (from, to) = (STEP_ROW + seed % 32, STEP_ROW + seed % 32 + 300 + seed);
                let errors = self.stream(1_000 + seed).take(to as usize + 1_000).zip(0..);
                let errors =
                    errors.map(|(error, row)| if row < from || row >= to { error } else { error * factor });
                let found = changes(errors);
                let near = |change: &Change, row: u64, direction| {
                    change.row.abs_diff(row) < 100 && change.direction == direction
                };
                let is_told = found.iter().any(|change| near(change, from, Direction::Worse))
                    && found.iter().any(|change| near(change, to, Direction::Better));
                assert!(is_told, "seed {} + {seed}, x {factor} from {from} to {to}: {found:?}", self.seed);
            }
        }
    }
}

/// Where a stream changes.
const STEP_ROW: u64 = 8_000;

const NORMAL: Case = Case {
    draw: Random::normal,
    seed: 32_000,
    most_false_alarms: 0,
    most: [(1.1, 1_640, 230, 1), (1.2, 414, 42, 0), (1.5, 123, 3, 0), (2.0, 40, 1, 0), (0.7, 209, 14, 0)],
};

const EXPONENTIAL: Case = Case {
    draw: Random::exponential,
    seed: 109_000,
    most_false_alarms: 0,
    most: [(1.1, 2_956, 347, 8), (1.2, 800, 54, 0), (1.5, 139, 18, 0), (2.0, 81, 2, 0), (0.7, 322, 20, 0)],
};

const T_3: Case = Case {
    draw: Random::t_3,
    seed: 0,
    most_false_alarms: 2,
    most: [(1.1, 2_650, 600, 7), (1.2, 655, 137, 0), (1.5, 206, 15, 0), (2.0, 81, 3, 0), (0.7, 390, 22, 1)],
};

const T_2: Case = Case {
    draw: Random::t_2,
    seed: 1_000,
    most_false_alarms: 2,
    most: [
        (1.1, 3_459, 907, 18),
        (1.2, 1_400, 153, 2),
        (1.5, 206, 33, 1),
        (2.0, 81, 10, 0),
        (0.7, 586, 33, 1),
    ],
};

#[test]
fn normal_errors() {
    NORMAL.check();
}

#[test]
fn exponential_errors() {
    EXPONENTIAL.check();
}

#[test]
fn errors_of_student_t_with_3_degrees_of_freedom() {
    T_3.check();
}

#[test]
fn errors_of_student_t_with_2_degrees_of_freedom() {
    T_2.check();
}

#[test]
fn a_large_change_and_its_end_are_both_found() {
    for case in [NORMAL, EXPONENTIAL, T_3, T_2] {
        case.check_there_and_back();
    }
}
