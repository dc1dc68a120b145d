//! Ids that are done, many to an entry of a redb table: a batch of them, most often in order, then changes few entries. An entry
//! is a block: its key is its first id, its value all its ids in order, each with a line break, which no id holds.

use anyhow::Result;
use redb::{ReadableTable, Table};
use std::ops::Bound::{Excluded, Unbounded};

/// Four blocks fit in a page of 4 KiB. More to a block would be more to copy where ids come in no order.
const BLOCK_BYTES_MAX: usize = 900;

/// Whether `blocks` hold an id.
///
/// # Errors
/// Those of the disk.
pub fn contains(
    blocks: &impl ReadableTable<&'static str, &'static str>,
    id: &str,
) -> Result<bool, redb::Error> {
    let block = blocks.range(..=id)?.next_back().transpose()?;
    Ok(block.is_some_and(|(_, ids)| ids.value().split_terminator('\n').any(|known| known == id)))
}

/// The last id of all; empty where there is none.
///
/// # Errors
/// Those of the disk.
pub fn last(blocks: &impl ReadableTable<&'static str, &'static str>) -> Result<String, redb::Error> {
    let block = blocks.last()?;
    Ok(block
        .and_then(|(_, ids)| Some(ids.value().rsplit_terminator('\n').next()?.to_owned()))
        .unwrap_or_default())
}

/// Adds ids, which must be in order; gives how many were not there.
///
/// # Errors
/// Those of the disk.
pub fn add(blocks: &mut Table<&'static str, &'static str>, mut ids: &[&str]) -> Result<u64, redb::Error> {
    let mut added = 0;
    while let Some(first) = ids.first() {
        let (key, known) = block_for(blocks, first)?.unwrap_or_default();
        // Up to its last id the block is that of every id; how far it reaches beyond need then not be looked up.
        let last = known.rsplit_terminator('\n').next().unwrap_or_default();
        let mut here = ids.partition_point(|id| *id <= last);
        if here == 0 {
            let next = blocks.range::<&str>((Excluded(key.as_str()), Unbounded))?.next().transpose()?;
            here = next.map_or(ids.len(), |(next, _)| ids.partition_point(|id| *id < next.value()));
        }
        let (here, rest) = ids.split_at(here);
        ids = rest;

        let known = known.split_terminator('\n');
        let known_ids = known.clone().count();
        let mut all: Vec<&str> = known.chain(here.iter().copied()).collect();
        // Stable, because that is fast with two parts that are in order.
        all.sort();
        all.dedup();
        added += (all.len() - known_ids) as u64;
        if all.first().is_some_and(|first| *first < key.as_str()) {
            blocks.remove(key.as_str())?;
        }
        insert(blocks, &all)?;
    }
    Ok(added)
}

/// The block that an id belongs to, its key and its ids: the last that begins with it or before, or else the first of all.
fn block_for(
    blocks: &Table<&'static str, &'static str>,
    id: &str,
) -> Result<Option<(String, String)>, redb::Error> {
    let before = blocks.range(..=id)?.next_back().transpose()?;
    let block = if before.is_some() { before } else { blocks.first()? };
    Ok(block.map(|(key, ids)| (key.value().to_owned(), ids.value().to_owned())))
}

/// Puts ids into blocks of about the same size.
fn insert(blocks: &mut Table<&'static str, &'static str>, ids: &[&str]) -> Result<(), redb::Error> {
    let bytes: usize = ids.iter().map(|id| id.len() + 1).sum();
    let block_bytes = bytes.div_ceil(bytes.div_ceil(BLOCK_BYTES_MAX).max(1));
    let (mut key, mut block) = ("", String::with_capacity(BLOCK_BYTES_MAX));
    for id in ids {
        if block.is_empty() {
            key = id;
        }
        block.push_str(id);
        block.push('\n');
        if block.len() >= block_bytes {
            blocks.insert(key, block.as_str())?;
            block.clear();
        }
    }
    if !block.is_empty() {
        blocks.insert(key, block.as_str())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::{Database, ReadableTableMetadata, TableDefinition, backends::InMemoryBackend};
    use std::collections::BTreeSet;

    const BLOCKS: TableDefinition<&str, &str> = TableDefinition::new("blocks");

    fn check(blocks: &Table<&'static str, &'static str>, expected: &BTreeSet<String>) {
        let mut found = Vec::new();
        for entry in blocks.iter().unwrap() {
            let (key, ids) = entry.unwrap();
            assert_eq!(ids.value().lines().next(), Some(key.value()));
            found.extend(ids.value().lines().map(str::to_owned));
        }
        assert_eq!(found, expected.iter().cloned().collect::<Vec<_>>());
        assert_eq!(last(blocks).unwrap(), expected.last().cloned().unwrap_or_default());
    }

    #[test]
    fn ids_in_any_order_are_found_and_no_others() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let write = database.begin_write().unwrap();
            write.delete_table(BLOCKS).unwrap();
            let mut blocks = write.open_table(BLOCKS).unwrap();
            let mut expected = BTreeSet::new();
            assert!(!contains(&blocks, "5").unwrap());
            let of_all = [9, 200, 3000][rng.usize(..3)];
            let long = "x".repeat([0, 20, 120][rng.usize(..3)]);
            let id = |number: usize| format!("{number}{long}");
            for _ in 0..rng.usize(1..30) {
                let from = rng.usize(..of_all);
                let mut ids: Vec<String> = match rng.u8(..3) {
                    0 => (from..(from + 300).min(of_all)).map(id).collect(),
                    _ => (0..rng.usize(..20)).map(|_| id(rng.usize(..of_all))).collect(),
                };
                ids.sort();
                let before = expected.len();
                expected.extend(ids.iter().cloned());
                let added = add(&mut blocks, &ids.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
                assert_eq!(added, (expected.len() - before) as u64, "seed {seed}");
                check(&blocks, &expected);
                for number in 0..of_all.min(300) {
                    assert_eq!(contains(&blocks, &id(number)).unwrap(), expected.contains(&id(number)));
                }
            }
        }
    }

    #[test]
    fn blocks_are_well_filled_in_any_order() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let ids: Vec<String> =
            (0..20_000).map(|number| format!("{:.6}-5f3a9c01", 1.7e9 + f64::from(number))).collect();
        let mut shuffled = ids.clone();
        fastrand::Rng::with_seed(1).shuffle(&mut shuffled);
        let reversed = ids.iter().rev().cloned().collect();
        for (ids, at_once) in [(&ids, 1), (&ids, 4096), (&shuffled, 1), (&shuffled, 4096), (&reversed, 1)] {
            let write = database.begin_write().unwrap();
            write.delete_table(BLOCKS).unwrap();
            let mut blocks = write.open_table(BLOCKS).unwrap();
            for ids in ids.chunks(at_once) {
                let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                ids.sort();
                add(&mut blocks, &ids).unwrap();
            }
            let bytes: usize = ids.iter().map(|id| id.len() + 1).sum();
            let filled = bytes as f64 / (blocks.len().unwrap() as usize * BLOCK_BYTES_MAX) as f64;
            assert!((0.45..=1.05).contains(&filled), "{at_once} at once: {filled}");
        }
    }
}
