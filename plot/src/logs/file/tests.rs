//! Logs that are appended to in any pieces, with any lines.

use super::*;
use crate::logs::task::Task;
use glue::testing::Directory;

const LOG: &str = "log.csv";
const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";

/// y_true of the rows that can be read now; an error as its text.
fn read(log: &mut LogFile) -> Result<Vec<f64>, String> {
    let (mut buffer, mut rows) = (vec![0; CHUNK_BYTES], Vec::new());
    while log.read(&mut buffer, CHUNK_BYTES / 2, Part::ALL).map_err(|e| e.to_string())? == Found::Lines {
        rows.extend(log.rows.drain(..).map(|row| row.y_true));
    }
    Ok(rows)
}

#[test]
fn no_line_costs_a_row_of_another_one_or_makes_one() {
    let (mut rng, _) = glue::testing::random();
    let mut random = |below: usize| rng.usize(..below);
    // No number that this makes is the difference of two others.
    let junk = b"\"\",,,7\0\r\xff\xc3\xef\xbb\xbf x";
    for _ in 0..20 {
        let (mut bytes, mut n, mut others) = (HEADER.as_bytes().to_vec(), 0, 0);
        for _ in 0..random(200) {
            let length = match random(20) {
                0 => CHUNK_BYTES - 2 + random(5),
                1 => CHUNK_BYTES * 2 + random(1000),
                _ => random(40),
            };
            let line: Vec<u8> = (0..length).map(|_| junk[random(junk.len())]).collect();
            others += u64::from(!is_blank(&line));
            bytes.extend(line);
            bytes.push(b'\n');
            for _ in 0..=random(3) {
                let quote = ["", "\""][random(2)];
                let end = ["", "\r", ",1732341600", ",\"1732341600\"\r"][random(4)];
                bytes.extend(format!("x,{quote}{n}{quote},{},{n}{end}\n", n * 2).bytes());
                n += 1;
            }
        }
        let directory = Directory::new();
        directory.write(LOG, "");
        let mut log = LogFile::open(&directory.file(LOG), &Format::of(Task::Regression)).unwrap();
        let (mut rows, mut rest) = (Vec::new(), bytes.as_slice());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(1 + random(CHUNK_BYTES * 3)));
            directory.append(LOG, piece);
            rows.extend(read(&mut log).unwrap());
            rest = behind;
        }
        assert_eq!(rows, (0..n).map(f64::from).collect::<Vec<_>>());
        assert_eq!(log.faults.iter().sum::<u64>(), others);
    }
}

#[test]
fn a_header_may_follow_blank_lines_be_quoted_and_end_with_crlf() {
    let rows = "x,1,3,2\r\n\r\n \n\u{feff}\nx,2,4,2,1732341600\n";
    for start in ["", "\n", "\r\n\r\n", " \t\n\n", "\u{feff}", "\n\u{feff}", "\u{feff}\n"] {
        for header in [HEADER, "\"id\",\"y_true\",\"y_pred\",\"absolute_error\",\"logged_at\"\r\n"] {
            let directory = Directory::new();
            directory.write(LOG, start);
            let mut log = LogFile::open(&directory.file(LOG), &Format::of(Task::Regression)).unwrap();
            assert!(read(&mut log).unwrap().is_empty());
            directory.append(LOG, header);
            directory.append(LOG, rows);
            assert_eq!(read(&mut log).unwrap(), [1.0, 2.0], "{start:?}{header}");
            assert_eq!(log.faults, Faults::default(), "{start:?}{header}");
        }
    }
}

#[test]
fn a_bad_header_is_quoted_until_it_is_mended() {
    let directory = Directory::new();
    directory.write(LOG, "\n\n");
    let mut log = LogFile::open(&directory.file(LOG), &Format::of(Task::Regression)).unwrap();
    assert!(read(&mut log).unwrap().is_empty());
    let long = "x".repeat(CHUNK_BYTES * 2) + "\n" + HEADER;
    let blank = "\n".repeat(CHUNK_BYTES) + HEADER;
    for (text, complaint) in [
        ("\n\nid,y_true\n1,2\n", "its header has no column y_pred: \"id,y_true\""),
        (&long, "its first 262144 bytes hold no header"),
        (&blank, "its first 262144 bytes hold no header"),
    ] {
        directory.write(LOG, text);
        for _ in 0..3 {
            assert_eq!(read(&mut log).unwrap_err(), complaint);
        }
    }
    directory.write(LOG, HEADER.to_owned() + "x,1,2,1\n");
    assert_eq!(read(&mut log).unwrap(), [1.0]);
}
