//! What is published, under which settings.

use crate::{features, publish};
use glue::testing::{Peer, prefix, shared_broker};
use serde_json::json;

/// The data set's rows as (target, features).
fn dataset() -> Vec<(f64, Vec<f64>)> {
    let mut reader = csv::Reader::from_reader(include_bytes!("../../data/diabetes.csv").as_slice());
    let rows = reader.deserialize().map(|row| {
        let mut row: Vec<f64> = row.unwrap();
        (row.pop().unwrap(), row)
    });
    rows.collect()
}

#[test]
fn each_sample_is_two_messages_with_one_id_and_a_row_of_the_data_set() {
    let [y_true, x] = publish(&[("interval", "0"), ("count", "1500")]);
    assert_eq!((y_true.len(), x.len()), (1500, 1500));
    let rows = dataset();
    for ((id, y), (other, x)) in y_true.iter().zip(&x) {
        assert_eq!(id, other);
        assert!(rows.iter().any(|row| json!(row.0) == *y && json!(row.1) == *x), "{id} is no row");
    }
    assert!(y_true.is_sorted_by(|a, b| a.0 < b.0), "ids do not strictly increase");
    let (time, process) = y_true[0].0.split_once('-').unwrap();
    assert_eq!((time.split_once('.').unwrap().1.len(), process.len()), (6, 8));
}

#[test]
fn messages_are_persistent_json_with_their_id() {
    let (url, prefix) = (shared_broker(), prefix());
    assert!(features(&url, &prefix, &[("interval", "0"), ("count", "1")]).wait().success());
    let peer = Peer::connect(&url);
    for queue in ["y_true", "features"] {
        let messages = peer.drain(&format!("{prefix}{queue}"));
        assert_eq!(messages.len(), 1);
        let delivery = &messages[0];
        let body: serde_json::Value = serde_json::from_slice(&delivery.body).unwrap();
        assert_eq!(delivery.properties.delivery_mode(), &Some(2));
        assert_eq!(delivery.properties.content_type().as_deref(), Some("application/json"));
        assert_eq!(delivery.properties.message_id().as_deref(), body["id"].as_str());
    }
}

#[test]
fn rows_come_in_turn_or_in_a_repeatable_order() {
    let [sequential, _] = publish(&[("interval", "0"), ("count", "450"), ("order", "sequential")]);
    let targets: Vec<f64> = sequential.iter().map(|(_, y)| y.as_f64().unwrap()).collect();
    let expected: Vec<f64> = dataset().iter().map(|row| row.0).cycle().take(450).collect();
    assert_eq!(targets, expected);

    let bodies = |seed: &str| -> Vec<serde_json::Value> {
        let [y_true, _] = publish(&[("interval", "0"), ("count", "50"), ("seed", seed)]);
        y_true.into_iter().map(|(_, y)| y).collect()
    };
    let first = bodies("7");
    assert_eq!(first, bodies("7"));
    assert_ne!(first, bodies("8"));
}

#[test]
fn true_values_are_shifted_from_a_sample_on() {
    let targets: Vec<f64> = dataset().iter().map(|row| row.0).collect();
    let n = targets.len() as f64;
    let mean = targets.iter().sum::<f64>() / n;
    let deviation = (targets.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n).sqrt();
    // The first shifted sample is one within a batch.
    for (batch, shift) in [("1", 2.0), ("10", -1.5)] {
        let text = format!("{shift}");
        let settings = [("count", "50"), ("shift-after", "25"), ("shift", &text), ("batch", batch)];
        let [y_true, x] = publish(&[&settings[..], &[("interval", "0"), ("order", "sequential")]].concat());
        assert_eq!((y_true.len(), x.len()), (50, 50));
        for (number, ((_, y), target)) in y_true.iter().zip(&targets).enumerate() {
            let expected = if number < 25 { *target } else { target + shift * deviation };
            assert!((y.as_f64().unwrap() - expected).abs() < 1e-9, "sample {number}: {y}, not {expected}");
        }
        assert!(x.iter().zip(dataset()).all(|((_, x), row)| *x == json!(row.1)));
    }
}

#[test]
fn batches_hold_so_many_samples_and_the_last_one_the_rest() {
    let (url, prefix) = (shared_broker(), prefix());
    assert!(features(&url, &prefix, &[("interval", "0"), ("count", "25"), ("batch", "10")]).wait().success());
    let peer = Peer::connect(&url);
    let sizes = peer.drain(&format!("{prefix}features")).into_iter().map(|message| {
        let batch: Vec<serde_json::Value> = serde_json::from_slice(&message.body).unwrap();
        batch.len()
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [10, 10, 5]);
}
