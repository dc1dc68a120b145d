//! Stores ids that are done, with the values of their rows. Many ids share an entry of a redb table, so that a batch, which is mostly in
//! order, changes few entries. The key of an entry (a block) is its first id, its value all its ids in order: for each the length (1 byte),
//! the text, and `y_true` and `y_pred` (8 bytes each, little endian).

use crate::join::Values;
use redb::{ReadableTable, Table};
use std::ops::Bound::{Excluded, Unbounded};

type Result<T> = std::result::Result<T, redb::Error>;

/// Four blocks fit in a page of 4 KiB. Larger blocks would mean more to copy if ids come in random order.
const BLOCK_BYTES_MAX: usize = 900;
/// The bytes of an id in addition to its text.
const OVERHEAD_BYTES: usize = 1 + VALUES_BYTES;
const VALUES_BYTES: usize = 16;

/// An id that is done. The contract allows 128 bytes, so the length fits in a byte.
#[derive(Clone, Copy)]
pub struct Done<'i> {
    pub id: &'i str,
    pub values: Values,
}

/// The values of an id.
///
/// # Errors
/// Those of the disk.
pub fn get(blocks: &impl ReadableTable<&'static str, &'static [u8]>, id: &str) -> Result<Option<Values>> {
    let block = blocks.range(..=id)?.next_back().transpose()?;
    Ok(block.and_then(|(_, ids)| entries(ids.value()).find(|done| done.id == id).map(|done| done.values)))
}

/// The last id of all; empty if there is none.
///
/// # Errors
/// Those of the disk.
pub fn last(blocks: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<String> {
    let block = blocks.last()?;
    Ok(block.and_then(|(_, ids)| Some(entries(ids.value()).last()?.id.to_owned())).unwrap_or_default())
}

/// Adds ids, which must be in order and distinct. An id that is known keeps its values. Returns how many were new.
///
/// # Errors
/// Those of the disk.
pub fn add(blocks: &mut Table<&'static str, &'static [u8]>, mut ids: &[Done]) -> Result<u64> {
    let mut added = 0;
    while let Some(first) = ids.first() {
        let (key, block) = block_for(blocks, first.id)?.unwrap_or_default();
        let known: Vec<Done> = entries(&block).collect();
        // Ids up to the block's last one belong to it; then the next block need not be looked up.
        let last = known.last().map_or("", |done| done.id);
        let mut here = ids.partition_point(|done| done.id <= last);
        if here == 0 {
            let next = blocks.range::<&str>((Excluded(key.as_str()), Unbounded))?.next().transpose()?;
            here = next.map_or(ids.len(), |(next, _)| ids.partition_point(|done| done.id < next.value()));
        }
        let (here, rest) = ids.split_at(here);
        ids = rest;

        let known_ids = known.len();
        let mut all = known;
        all.extend_from_slice(here);
        // Stable: of equal ids the known one comes first and stays. Also fast for two sorted parts.
        all.sort_by_key(|done| done.id);
        all.dedup_by_key(|done| done.id);
        added += (all.len() - known_ids) as u64;
        if all.first().is_some_and(|first| first.id < key.as_str()) {
            blocks.remove(key.as_str())?;
        }
        insert(blocks, &all)?;
    }
    Ok(added)
}

/// Key and value of the block that an id belongs to: the last block that begins at or before the id, otherwise the first one.
fn block_for(blocks: &Table<&'static str, &'static [u8]>, id: &str) -> Result<Option<(String, Vec<u8>)>> {
    let before = blocks.range(..=id)?.next_back().transpose()?;
    let block = if before.is_some() { before } else { blocks.first()? };
    Ok(block.map(|(key, ids)| (key.value().to_owned(), ids.value().to_owned())))
}

/// Writes ids as blocks of about the same size.
fn insert(blocks: &mut Table<&'static str, &'static [u8]>, ids: &[Done]) -> Result<()> {
    let bytes: usize = ids.iter().map(|done| done.id.len() + OVERHEAD_BYTES).sum();
    let block_bytes = bytes.div_ceil(bytes.div_ceil(BLOCK_BYTES_MAX).max(1));
    let (mut key, mut block) = ("", Vec::with_capacity(BLOCK_BYTES_MAX));
    for Done { id, values } in ids {
        if block.is_empty() {
            key = id;
        }
        block.push(id.len() as u8);
        block.extend_from_slice(id.as_bytes());
        block.extend_from_slice(&values.y_true.to_le_bytes());
        block.extend_from_slice(&values.y_pred.to_le_bytes());
        if block.len() >= block_bytes {
            blocks.insert(key, block.as_slice())?;
            block.clear();
        }
    }
    if !block.is_empty() {
        blocks.insert(key, block.as_slice())?;
    }
    Ok(())
}

/// The ids of a block, in order.
pub fn entries(mut block: &[u8]) -> impl Iterator<Item = Done<'_>> {
    std::iter::from_fn(move || {
        let (len, rest) = block.split_first()?;
        let (id, rest) = rest.split_at_checked(usize::from(*len))?;
        let (y_true, rest) = rest.split_first_chunk()?;
        let (y_pred, rest) = rest.split_first_chunk()?;
        block = rest;
        let values = Values { y_true: f64::from_le_bytes(*y_true), y_pred: f64::from_le_bytes(*y_pred) };
        Some(Done { id: str::from_utf8(id).ok()?, values })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::{Database, ReadableTableMetadata, TableDefinition, backends::InMemoryBackend};
    use std::collections::BTreeMap;

    const BLOCKS: TableDefinition<&str, &[u8]> = TableDefinition::new("blocks");

    fn values(number: usize) -> Values {
        Values { y_true: number as f64, y_pred: -0.5 }
    }

    fn check(blocks: &Table<&'static str, &'static [u8]>, expected: &BTreeMap<String, Values>) {
        let mut found = Vec::new();
        for block in blocks.iter().unwrap() {
            let (key, ids) = block.unwrap();
            assert_eq!(entries(ids.value()).next().unwrap().id, key.value());
            found.extend(entries(ids.value()).map(|done| (done.id.to_owned(), done.values)));
        }
        assert_eq!(found, expected.clone().into_iter().collect::<Vec<_>>());
        assert_eq!(last(blocks).unwrap(), expected.keys().last().cloned().unwrap_or_default());
    }

    #[test]
    fn ids_in_any_order_are_found_and_no_others() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let write = database.begin_write().unwrap();
            write.delete_table(BLOCKS).unwrap();
            let mut blocks = write.open_table(BLOCKS).unwrap();
            let mut expected = BTreeMap::new();
            assert!(get(&blocks, "5").unwrap().is_none());
            let of_all = [9, 200, 3000][rng.usize(..3)];
            let long = "x".repeat([0, 20, 120][rng.usize(..3)]);
            let id = |number: usize| format!("{number}{long}");
            for round in 0..rng.usize(1..30) {
                let from = rng.usize(..of_all);
                let mut ids: Vec<String> = match rng.u8(..3) {
                    0 => (from..(from + 300).min(of_all)).map(id).collect(),
                    _ => (0..rng.usize(..20)).map(|_| id(rng.usize(..of_all))).collect(),
                };
                ids.sort();
                ids.dedup();
                let before = expected.len();
                ids.iter().for_each(|id| _ = expected.entry(id.clone()).or_insert(values(round)));
                let ids: Vec<Done> = ids.iter().map(|id| Done { id, values: values(round) }).collect();
                assert_eq!(add(&mut blocks, &ids).unwrap(), (expected.len() - before) as u64, "seed {seed}");
                check(&blocks, &expected);
                for number in 0..of_all.min(300) {
                    assert_eq!(get(&blocks, &id(number)).unwrap(), expected.get(&id(number)).copied());
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
                let mut ids: Vec<Done> = ids.iter().map(|id| Done { id, values: values(1) }).collect();
                ids.sort_by_key(|done| done.id);
                add(&mut blocks, &ids).unwrap();
            }
            let bytes: usize = ids.iter().map(|id| id.len() + OVERHEAD_BYTES).sum();
            let filled = bytes as f64 / (blocks.len().unwrap() as usize * BLOCK_BYTES_MAX) as f64;
            assert!((0.45..=1.05).contains(&filled), "{at_once} at once: {filled}");
        }
    }
}
