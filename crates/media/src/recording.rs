//! The seam between media and the engines: a recording that can be read, more than once, as 16 kHz mono samples.

use std::sync::Arc;

pub use crate::error::Error;

/// A stream of 16 kHz mono samples, nominally within -1 to 1.
pub trait Samples: Send {
    /// Fills `buffer` from the front and returns how many samples were written; 0 is the end of the recording.
    fn read(&mut self, buffer: &mut [f32]) -> Result<usize, Error>;
}

/// Something that was recorded. Opening it again starts again at its beginning.
pub trait Recording: Send + Sync {
    /// The name that messages use.
    fn name(&self) -> &str;
    /// Starts reading from the first sample.
    fn open(&self) -> Result<Box<dyn Samples + '_>, Error>;
    /// Length in seconds as the container states it. A hint for progress, never trusted.
    fn duration_hint(&self) -> Option<f64>;
}

/// Samples that are already in memory.
#[derive(Debug, Clone)]
pub struct Pcm {
    name: String,
    samples: Arc<[f32]>,
}

impl Pcm {
    /// Takes 16 kHz mono samples.
    pub fn new(name: impl Into<String>, samples: impl Into<Arc<[f32]>>) -> Self {
        Self { name: name.into(), samples: samples.into() }
    }
}

struct PcmReader<'a> {
    rest: &'a [f32],
}

impl Samples for PcmReader<'_> {
    fn read(&mut self, buffer: &mut [f32]) -> Result<usize, Error> {
        let count = buffer.len().min(self.rest.len());
        let (now, later) = self.rest.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.rest = later;
        Ok(count)
    }
}

impl Recording for Pcm {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self) -> Result<Box<dyn Samples + '_>, Error> {
        Ok(Box::new(PcmReader { rest: &self.samples }))
    }

    fn duration_hint(&self) -> Option<f64> {
        Some(self.samples.len() as f64 / crate::SAMPLE_RATE as f64)
    }
}
