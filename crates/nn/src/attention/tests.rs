//! Every level against float64 over random shapes.

use half::f16;

use super::cache::attend_cache_at;
use super::encoder::{Inputs, attend_at};
use super::memory::attend_memory_at;
use super::*;
use crate::f24::F24;
use crate::pool::Pool;
use crate::reference::{self, Random, assert_close};
use crate::vector::Level;

/// Rows, columns and heads that fill no tile, panel or vector.
const SHAPES: [(usize, usize, usize); 7] =
    [(1, 1, 1), (31, 64, 2), (33, 66, 2), (13, 40, 8), (97, 60, 3), (64, 128, 1), (40, 9, 3)];

/// Float64 attention of every row of `q`: scores `[rows][heads][positions]` and the output.
fn expected(
    q: &[f32],
    (columns, heads): (usize, usize),
    past: impl Fn(usize) -> Vec<(usize, usize)>,
    (k, v): (&[f32], &[f32]),
) -> (Vec<f64>, Vec<f64>) {
    let width = columns / heads;
    let (mut scores, mut output) = (Vec::new(), Vec::new());
    for (r, q) in q.chunks_exact(columns).enumerate() {
        let past = past(r);
        for head in 0..heads {
            let start = head * width;
            let keys: Vec<_> = past.iter().map(|(key, _)| &k[key + start..][..width]).collect();
            let values: Vec<_> = past.iter().map(|(_, at)| &v[at + start..][..width]).collect();
            let (s, o) = reference::attend(&q[start..][..width], &keys, &values);
            scores.extend(s);
            output.extend(o);
        }
    }
    (scores, output)
}

#[test]
fn encoder_attention_agrees_with_float64() {
    let mut random = Random::new(7);
    let pool = Pool::new(3);
    for (rows, columns, heads) in SHAPES {
        let [q, k, v] = [3.0, 3.0, 1.0].map(|size| random.values(rows * columns, size));
        let all = |_| (0..rows).map(|p| (p * columns, p * columns)).collect();
        let (_, output) = expected(&q, (columns, heads), all, (&k, &v));
        for level in Level::available() {
            let inputs = Inputs { q: &q, k: &k, v: &v, rows, columns, width: columns / heads };
            let mut got = vec![f32::NAN; rows * columns];
            attend_at(level, &pool, inputs, &mut got);
            assert_close(&got, &output, 1e-5, &format!("{level:?} {rows}x{columns}/{heads}"));
        }
    }
}

#[test]
fn memory_attention_and_its_scores_agree_with_float64() {
    let mut random = Random::new(8);
    let pool = Pool::new(3);
    for (positions, columns, heads) in SHAPES {
        // The expectation is made from what a memory keeps of its keys and values.
        let keys = random.values(positions * columns, 3.0).into_iter();
        let k: Vec<f32> = keys.map(|x| F24::from_f32(x).to_f32()).collect();
        let values = random.values(positions * columns, 1.0).into_iter();
        let v: Vec<f32> = values.map(|x| f16::from_f32(x).to_f32()).collect();
        let mut memory = Memory::new(positions, columns, heads);
        // A memory serves window after window.
        memory.fill(&pool, &v, &k);
        memory.fill(&pool, &k, &v);
        let all = |_| (0..positions).map(|p| (p * columns, p * columns)).collect();
        for rows in [1, 2, 3, 5, 8, 9, 20] {
            let q = random.values(rows * columns, 3.0);
            let (scores, output) = expected(&q, (columns, heads), all, (&k, &v));
            for level in Level::available() {
                let what = format!("{level:?} {rows} rows, {positions}x{columns}/{heads}");
                let mut got = vec![f32::NAN; rows * columns];
                attend_memory_at(level, &pool, &q, rows, &memory, None, &mut got);
                assert_close(&got, &output, 1e-5, &what);
                let mut got_scores = vec![f32::NAN; scores.len()];
                let some = Some(got_scores.as_mut_slice());
                attend_memory_at(level, &pool, &q, rows, &memory, some, &mut got);
                assert_close(&got_scores, &scores, 1e-5, &what);
                assert_close(&got, &output, 1e-5, &what);
            }
        }
    }
}

#[test]
fn hypotheses_that_fork_read_the_past_they_share() {
    let mut random = Random::new(9);
    let pool = Pool::new(3);
    for (positions, columns, heads) in SHAPES {
        let slots = 3;
        let [k, v] = [3.0, 1.0].map(|size| random.values(positions * slots * columns, size));
        let mut cache = Cache::new(positions, slots, columns, heads);
        for (i, (key, value)) in k.chunks_exact(columns).zip(v.chunks_exact(columns)).enumerate() {
            cache.store(i / slots, i % slots, key, value);
        }
        // Rows 0 and 1 share the first half and part then; row 2 has a shorter past of its own.
        let fork = |row: u8| (0..positions).map(move |p| if p < positions / 2 { 0 } else { row });
        let histories: [Vec<u8>; 3] =
            [fork(0).collect(), fork(1).collect(), vec![2; positions.div_ceil(2)]];
        let histories: Vec<&[u8]> = histories.iter().map(Vec::as_slice).collect();
        let q = random.values(histories.len() * columns, 3.0);
        let past = |r: usize| {
            let at = |(p, slot): (usize, &u8)| (p * slots + usize::from(*slot)) * columns;
            histories[r].iter().enumerate().map(|at_slot| (at(at_slot), at(at_slot))).collect()
        };
        let (_, output) = expected(&q, (columns, heads), past, (&k, &v));
        for level in Level::available() {
            let mut got = vec![f32::NAN; q.len()];
            attend_cache_at(level, &pool, &q, &cache, &histories, &mut got);
            assert_close(&got, &output, 1e-5, &format!("{level:?} {positions}x{columns}/{heads}"));
        }
    }
}

#[test]
fn an_empty_past_gives_zeros() {
    let cache = Cache::new(4, 2, 6, 2);
    let mut output = [f32::NAN; 6];
    attend_cache(&Pool::new(1), &[1.0; 6], &cache, &[&[]], &mut output);
    assert_eq!(output, [0.0; 6]);
}

#[test]
#[should_panic(expected = "position and slot are in the cache")]
fn a_slot_that_is_not_there_is_refused() {
    let cache = Cache::new(4, 2, 6, 2);
    attend_cache(&Pool::new(1), &[1.0; 6], &cache, &[&[2]], &mut [0.0; 6]);
}

#[test]
#[should_panic(expected = "heads split the columns")]
fn heads_that_do_not_split_the_columns_are_refused() {
    let _ = Memory::new(3, 10, 4);
}
