//! Speed of the kernels on this machine: `cargo run --release -p hansard-nn --example throughput`.
//!
//! Shapes are those of Whisper `base`. The best of several runs is printed: other load only slows.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::hint::black_box;
use std::time::Instant;

use half::f16;
use hansard_nn::{
    Cache, Elements, Matrix, Memory, Pool, Rows, Then, attend, attend_cache, attend_memory,
    kernels, layer_norm, linear, log_softmax,
};

const RUNS: usize = 15;
const THREADS: usize = 2;
const POSITIONS: usize = 1500;
const COLUMNS: usize = 512;
const HEADS: usize = 8;
const VOCABULARY: usize = 51_865;

/// Seconds of the fastest run.
fn best(mut f: impl FnMut()) -> f64 {
    (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

/// Values that are neither zero nor subnormal.
fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect()
}

fn weights(outputs: usize, inputs: usize) -> Matrix {
    let halves: Vec<f16> = values(outputs * inputs).into_iter().map(f16::from_f32).collect();
    Matrix::pack(Elements::F16(&halves), outputs, inputs)
}

fn product(pool: &Pool, rows: usize, inputs: usize, outputs: usize, then: Then) {
    let (input, weights) = (values(rows * inputs), weights(outputs, inputs));
    let mut output = vec![0.0; rows * outputs];
    let input = Rows { data: &input, rows, columns: inputs, stride: inputs };
    let seconds = best(|| linear(pool, input, &weights, None, then, black_box(&mut output)));
    let flops = 2.0 * (rows * inputs * outputs) as f64;
    println!(
        "linear {rows}x{inputs}x{outputs} {then:?}: {:.3} ms, {:.1} GFLOP/s, {:.2} GB/s of weights",
        seconds * 1e3,
        flops / seconds / 1e9,
        weights.bytes() as f64 / seconds / 1e9
    );
}

fn main() {
    let pool = Pool::new(THREADS);
    println!("{} kernels, {} threads", kernels(), pool.threads());
    product(&pool, POSITIONS, COLUMNS, 4 * COLUMNS, Then::Store);
    product(&pool, POSITIONS, COLUMNS, 4 * COLUMNS, Then::Gelu);
    product(&pool, POSITIONS, COLUMNS, COLUMNS, Then::Store);
    product(&pool, POSITIONS, 4 * COLUMNS, COLUMNS, Then::Add);
    for rows in [1, 2, 5, 8, 16] {
        product(&pool, rows, COLUMNS, VOCABULARY, Then::Store);
    }
    product(&pool, 1, COLUMNS, COLUMNS, Then::Store);
    product(&pool, 5, COLUMNS, COLUMNS, Then::Store);

    let [q, k, v] = [1, 2, 3].map(|_| values(POSITIONS * COLUMNS));
    let mut output = vec![0.0; POSITIONS * COLUMNS];
    let seconds =
        best(|| attend(&pool, &q, &k, &v, POSITIONS, COLUMNS, HEADS, black_box(&mut output)));
    let flops = 4.0 * (POSITIONS * POSITIONS * COLUMNS) as f64;
    println!("attend: {:.2} ms, {:.1} GFLOP/s", seconds * 1e3, flops / seconds / 1e9);

    let ones = vec![1.0; COLUMNS];
    let seconds = best(|| layer_norm(&pool, &q, &ones, &ones, black_box(&mut output)));
    println!("layer_norm {POSITIONS}x{COLUMNS}: {:.3} ms", seconds * 1e3);

    let mut row = values(VOCABULARY);
    let seconds = best(|| log_softmax(black_box(&mut row)));
    println!("log_softmax {VOCABULARY}: {:.3} ms", seconds * 1e3);

    let mut memory = Memory::new(POSITIONS, COLUMNS, HEADS);
    let seconds = best(|| memory.fill(&pool, &k, &v));
    println!("Memory::fill: {:.3} ms", seconds * 1e3);
    let mut cache = Cache::new(448, 5, COLUMNS, HEADS);
    for position in 0..224 {
        for slot in 0..5 {
            cache.store(position, slot, &k[..COLUMNS], &v[..COLUMNS]);
        }
    }
    for rows in [1, 5] {
        let (q, output) = (&q[..rows * COLUMNS], &mut output[..rows * COLUMNS]);
        let seconds = best(|| attend_memory(&pool, q, rows, &memory, None, black_box(output)));
        println!("attend_memory, {rows} rows: {:.3} ms", seconds * 1e3);
        let histories: Vec<Vec<u8>> = (0..rows).map(|row| vec![row as u8; 224]).collect();
        let histories: Vec<&[u8]> = histories.iter().map(Vec::as_slice).collect();
        let seconds = best(|| attend_cache(&pool, q, &cache, &histories, black_box(output)));
        println!("attend_cache, {rows} rows of 224 positions: {:.3} ms", seconds * 1e3);
    }
    let seconds = best(|| (0..1000).for_each(|_| pool.run(2, &|_| {})));
    println!("Pool::run of nothing: {:.2} us", seconds * 1e3);
}
