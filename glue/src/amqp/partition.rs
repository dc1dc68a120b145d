//! Which partition a sample belongs to: CRC-32 of its id, modulo their number, as Kafka's clients do. Knows no queue but by its prefix.

use std::fmt;

/// Limit of the number of partitions.
pub const PARTITIONS_MAX: u32 = 64;

/// One of several partitions, counted from 0. Written `0/2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Which one.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Partition {
    /// The partition of an id among `of`, which is 1 at least.
    pub fn of_id(id: &str, of: u32) -> Partition {
        Partition { number: crc32fast::hash(id.as_bytes()) % of, of }
    }

    /// Reads `0/2`. None if it is none.
    pub fn parse(text: &str) -> Option<Partition> {
        let (number, of) = text.split_once('/')?;
        let partition = Partition { number: number.parse().ok()?, of: of.parse().ok()? };
        let is_one = (1..=PARTITIONS_MAX).contains(&partition.of) && partition.number < partition.of;
        is_one.then_some(partition)
    }

    /// The prefix of its queues.
    pub fn queue_prefix(self, prefix: &str) -> String {
        format!("{prefix}p{}.", self.number)
    }

    /// # Errors
    /// Says to which partition the id belongs, if not to this one.
    pub fn check(self, id: &str) -> Result<(), String> {
        let right = Partition::of_id(id, self.of);
        if right == self {
            return Ok(());
        }
        Err(format!(
            "the id belongs to partition {right}, and this is {self}: crc32(id) modulo {} is {}",
            self.of, right.number
        ))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_ids_have_their_partitions() {
        let golden = include_str!("../../../contract/partitions.csv");
        let mut lines = golden.lines();
        let header: Vec<&str> = lines.next().unwrap().split(',').collect();
        let sizes: Vec<u32> = header[1..header.len() - 1].iter().map(|of| of.parse().unwrap()).collect();
        assert_eq!(sizes, [1, 2, 3, 64]);
        for line in lines {
            let (fields, id) = line.split_once(",\"").unwrap();
            let id = id.strip_suffix('"').unwrap();
            let mut fields = fields.split(',');
            let crc = u32::from_str_radix(fields.next().unwrap(), 16).unwrap();
            assert_eq!(crc32fast::hash(id.as_bytes()), crc, "{id}");
            for (of, number) in sizes.iter().zip(fields) {
                assert_eq!(Partition::of_id(id, *of).number.to_string(), number, "{id} of {of}");
            }
        }
        assert!(golden.contains("cbf43926") && golden.lines().count() > 10);
    }

    #[test]
    fn a_partition_is_one_of_1_to_64() {
        let partition = Partition::parse("1/2").unwrap();
        assert_eq!(
            (partition.queue_prefix("a."), partition.to_string()),
            ("a.p1.".to_owned(), "1/2".to_owned())
        );
        assert!(Partition::parse("63/64").is_some() && Partition::parse("0/1").is_some());
        for text in ["", "1", "2/2", "0/0", "0/65", "-1/2", "1/2/3", "a/2", "1.0/2"] {
            assert_eq!(Partition::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_of_another_partition_is_told_its_own() {
        let (right, other) = (Partition::of_id("123456789", 2), Partition { number: 1, of: 2 });
        assert_eq!((right.number, right.check("123456789")), (0, Ok(())));
        assert_eq!(
            other.check("123456789").unwrap_err(),
            "the id belongs to partition 0/2, and this is 1/2: crc32(id) modulo 2 is 0"
        );
    }
}
