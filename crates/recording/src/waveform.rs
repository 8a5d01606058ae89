//! Computes the peaks for drawing a waveform.

use std::path::Path;

use crate::decode;

/// Number of bars of a waveform.
pub const PEAK_COUNT: usize = 160;

/// Returns the peak of each of `PEAK_COUNT` equal intervals, 0 to 255, scaled to a maximum of 255. Empty if the file
/// is silent or cannot be decoded: the player then draws a plain line.
///
/// The decoder may panic on a damaged file: callers have to expect it.
pub fn peaks(file: &Path, duration_ms: u64) -> Vec<u8> {
    of_file(file, duration_ms).unwrap_or_default()
}

fn of_file(file: &Path, duration_ms: u64) -> Option<Vec<u8>> {
    let mut peaks = [0f32; PEAK_COUNT];
    let mut at = 0u128;
    decode::amplitudes(file, |rate, amplitude| {
        let frames = u128::from(duration_ms) * u128::from(rate) / 1000;
        let index = (at * PEAK_COUNT as u128 / frames.max(1)).min(PEAK_COUNT as u128 - 1) as usize;
        peaks[index] = peaks[index].max(amplitude);
        at += 1;
    })?;
    let max = peaks.iter().copied().fold(0f32, f32::max);
    (max > 0.0).then(|| peaks.iter().map(|p| (p / max * 255.0).round() as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a WAV file (16 bit, mono, 8 kHz) with the given loudness for each second.
    fn wav(seconds: &[f64]) -> Vec<u8> {
        let samples: Vec<i16> = (0..seconds.len() * 8000)
            .map(|n| {
                let wave = (n as f64 * 440.0 * std::f64::consts::TAU / 8000.0).sin();
                (wave * seconds[n / 8000] * 32_000.0) as i16
            })
            .collect();
        let bytes = samples.len() as u32 * 2;
        let mut out = Vec::new();
        out.extend_from_slice(b"RIFF");
        out.extend_from_slice(&(36 + bytes).to_le_bytes());
        out.extend_from_slice(b"WAVEfmt ");
        for field in [16u32, 0x0001_0001, 8000, 16_000, 0x0010_0002] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(b"data");
        out.extend_from_slice(&bytes.to_le_bytes());
        out.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        out
    }

    #[test]
    fn peaks_are_proportional_to_the_loudness() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.wav");
        std::fs::write(&file, wav(&[0.0, 0.25, 1.0, 0.5])).unwrap();
        let values = peaks(&file, 4000);
        assert_eq!(values.len(), PEAK_COUNT);
        // Only the middle of each second, because the bars at its edges may include the adjacent second.
        for (second, expected) in [0.0, 64.0, 255.0, 128.0].into_iter().enumerate() {
            for value in &values[second * 40 + 2..second * 40 + 38] {
                assert!((f64::from(*value) - expected).abs() < 3.0, "second {second}: {values:?}");
            }
        }
        std::fs::write(&file, wav(&[0.0])).unwrap();
        assert!(peaks(&file, 1000).is_empty(), "a silent file has no peaks");
        std::fs::write(&file, b"RIFF....WAVE and nothing").unwrap();
        assert!(peaks(&file, 1000).is_empty());
    }

    #[test]
    fn an_mp3_shorter_than_the_stated_delay_is_decoded() {
        let frame = || {
            let mut out = vec![0xff, 0xfb, 0x90, 0xc4];
            out.resize(417, 0);
            out
        };
        let mut info = frame();
        info[36..40].copy_from_slice(b"Info");
        info[44..48].copy_from_slice(b"LAME");
        info[65..68].fill(0xff);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.mp3");
        std::fs::write(&file, [info, frame()].concat()).unwrap();
        assert!(peaks(&file, 26).is_empty(), "silent");
    }
}
