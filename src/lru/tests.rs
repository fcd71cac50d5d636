use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// The oracle: both lists as vectors, oldest first, of (hash, slot).
#[derive(Default)]
struct Naive([Vec<(u64, u16)>; 2]);

impl Naive {
    fn at(&self, slot: u16) -> Option<(usize, usize)> {
        (0..2).find_map(|l| self.0[l].iter().position(|e| e.1 == slot).map(|i| (l, i)))
    }
}

fn walk(index: &Index<'_>, list: List) -> Vec<u16> {
    let mut seen = Vec::new();
    let mut at = index.oldest(list);
    while let Some(slot) = at {
        seen.push(slot);
        at = index.newer(slot);
    }
    seen
}

fn run(slots: usize, buckets: usize, script: &[(u8, u64)]) {
    let (mut links, mut heads) = (vec![Link::EMPTY; slots], vec![0; buckets]);
    let mut index = Index::new(&mut links, &mut heads);
    let mut naive = Naive::default();
    for &(op, hash) in script {
        let known = naive.0.iter().flatten().find(|e| e.0 == hash).map(|e| e.1);
        let hashes: Vec<(u64, u16)> = naive.0.iter().flatten().copied().collect();
        let found = index.find(hash, |s| hashes.contains(&(hash, s)));
        assert_eq!(found, known);
        match (op, known) {
            (0..=2, None) => {
                let got = index.insert(hash);
                assert_eq!(got.is_some(), naive.0[0].len() + naive.0[1].len() < slots);
                if let Some(slot) = got {
                    assert_eq!(naive.at(slot), None);
                    naive.0[0].push((hash, slot));
                }
            }
            (0 | 1, Some(slot)) => {
                index.touch(slot);
                let (l, i) = naive.at(slot).unwrap();
                let e = naive.0[l].remove(i);
                naive.0[l].push(e);
            }
            (2 | 3, Some(slot)) => {
                let to = usize::from(op == 2);
                index.shift(slot, if op == 2 { List::Second } else { List::First });
                let (l, i) = naive.at(slot).unwrap();
                let e = naive.0[l].remove(i);
                naive.0[to].push(e);
            }
            (_, Some(slot)) => {
                index.remove(slot);
                let (l, i) = naive.at(slot).unwrap();
                naive.0[l].remove(i);
            }
            _ => {}
        }
        for (l, list) in [List::First, List::Second].into_iter().enumerate() {
            let slots: Vec<u16> = naive.0[l].iter().map(|e| e.1).collect();
            assert_eq!(walk(&index, list), slots);
            assert_eq!(index.len_of(list), slots.len());
        }
    }
}

proptest! {
    #[test]
    fn lists_and_chains_agree_with_vectors(
        slots in 0usize..6,
        buckets in 1usize..5,
        script in proptest::collection::vec((0u8..6, (0u64..9).prop_map(|n| n << 61 | n)), 0..120),
    ) {
        run(slots, buckets, &script);
    }
}

#[test]
fn without_memory_there_is_no_capacity() {
    let mut links = [Link::EMPTY; 4];
    let mut index = Index::new(&mut links, &mut []);
    assert_eq!((index.capacity(), index.insert(1), index.find(1, |_| true)), (0, None, None));
    let mut heads = [0; 4];
    let mut index = Index::new(&mut [], &mut heads);
    assert_eq!((index.capacity(), index.insert(1), index.find(1, |_| true)), (0, None, None));
    // Slots that do not exist are nobody's; nothing happens.
    index.touch(7);
    index.remove(u16::MAX);
    assert_eq!(index.len(), 0);
}
