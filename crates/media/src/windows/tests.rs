use super::*;

/// Ten hours.
const LONG: u64 = 10 * 3_600 * SAMPLE_RATE as u64;

/// The longest that the voice detector keeps back its judgement, rounded up: 3 s.
const LATE: usize = 3 * SAMPLE_RATE;

/// A sawtooth that is quiet for a moment every ten seconds.
struct Drone {
    position: u64,
    length: u64,
}

impl Samples for Drone {
    fn read(&mut self, buffer: &mut [f32]) -> Result<usize, Error> {
        let count = buffer.len().min((self.length - self.position) as usize);
        let second = self.position / SAMPLE_RATE as u64;
        let gain = if second % 10 == 9 { 1e-6 } else { 1e-3 };
        for (sample, slot) in buffer[..count].iter_mut().enumerate() {
            *slot = gain * (sample % 100) as f32;
        }
        self.position += count as u64;
        Ok(count)
    }
}

/// Steps through all windows; gives how many there were and the most samples ever held.
fn run(samples: Drone, options: WindowOptions) -> (usize, usize) {
    let mut windows = Windows::new(Box::new(samples), options, 0);
    let (mut count, mut most) = (0, 0);
    loop {
        match windows.step().expect("the drone never fails") {
            Step::Window(_) => count += 1,
            Step::Read => most = most.max(windows.held.len()),
            Step::End => return (count, most),
        }
    }
}

#[test]
fn ten_hours_without_voice_activity_hold_one_window() {
    let options = WindowOptions { vad: false, ..WindowOptions::default() };
    let (count, most) = run(Drone { position: 0, length: LONG }, options);
    assert!(count as u64 >= LONG / WINDOW_SAMPLES as u64);
    assert!(most <= WINDOW_SAMPLES + BLOCK, "{most}");
}

#[test]
fn sound_that_never_pauses_holds_one_window() {
    // Every frame counts as speech, or none does.
    for (threshold, some) in [(0.0, true), (2.0, false)] {
        let voice = VoiceOptions { on: threshold, off: threshold, ..VoiceOptions::default() };
        let options = WindowOptions { voice, ..WindowOptions::default() };
        let drone = Drone { position: 0, length: LONG / 100 };
        let (count, most) = run(drone, options);
        assert_eq!(count > 0, some);
        assert!(most <= WINDOW_SAMPLES + LATE, "{most}");
    }
}
