//! The mel filter bank that whisper.cpp reads from its model files: librosa's default, which is Slaney's (1998).

use std::io::Write;

use super::put;

/// Bins of a 400-point spectrum.
const BINS: usize = 201;

/// Hertz between two of them at 16 kHz.
const BIN_WIDTH: f64 = 40.0;

/// The highest frequency: half of the 16 kHz.
const HIGHEST: f64 = 8000.0;

/// The scale is linear below this, logarithmic above.
const BREAK_HERTZ: f64 = 1000.0;
const BREAK_MEL: f64 = 15.0;

/// Writes the number of filters and of bins, and the filters.
pub(super) fn write(out: &mut impl Write, filters: usize) -> anyhow::Result<()> {
    put(out, filters)?;
    put(out, BINS)?;
    let top = mel(HIGHEST);
    let edge = |index: usize| hertz(top * index as f64 / (filters + 1) as f64);
    for filter in 0..filters {
        let (low, centre, high) = (edge(filter), edge(filter + 1), edge(filter + 2));
        for bin in 0..BINS {
            let frequency = bin as f64 * BIN_WIDTH;
            let rise = (frequency - low) / (centre - low);
            let fall = (high - frequency) / (high - centre);
            let weight = rise.min(fall).max(0.0) * 2.0 / (high - low);
            out.write_all(&(weight as f32).to_le_bytes())?;
        }
    }
    Ok(())
}

fn mel(hertz: f64) -> f64 {
    if hertz < BREAK_HERTZ {
        return hertz * BREAK_MEL / BREAK_HERTZ;
    }
    BREAK_MEL + (hertz / BREAK_HERTZ).ln() / log_step()
}

fn hertz(mel: f64) -> f64 {
    if mel < BREAK_MEL {
        return mel * BREAK_HERTZ / BREAK_MEL;
    }
    BREAK_HERTZ * ((mel - BREAK_MEL) * log_step()).exp()
}

/// 27 steps lead from 1000 to 6400 Hz.
fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}
