//! Computes durations of audio files by reading their packets without decoding, and the peaks for drawing a waveform.
//!
//! Not here: M4A and WebM, whose containers are read by `mp4` and `webm`.

use std::{fs::File, path::Path};

use symphonia::core::{
    audio::SampleBuffer, codecs::DecoderOptions, errors::Error, formats::FormatOptions,
    io::MediaSourceStream, meta::MetadataOptions, probe::Hint,
};

use super::error::MediaError;

pub(crate) type DurationResult = Result<u64, MediaError>;

/// Returns the duration of an mp3, ogg, wav or flac file in milliseconds.
pub(crate) fn duration_ms(disk: &Path) -> DurationResult {
    let read_error = |what: String| MediaError {
        code: "audio-broken",
        message: format!("the audio cannot be read: {what}"),
        hint: "export it again as mp3, ogg, wav, m4a or flac".to_owned(),
    };
    let file = File::open(disk).map_err(|e| read_error(e.to_string()))?;
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let options = FormatOptions { enable_gapless: true, ..FormatOptions::default() };
    let mut format = symphonia::default::get_probe()
        .format(&Hint::new(), stream, &options, &MetadataOptions::default())
        .map_err(|e| read_error(e.to_string()))?
        .format;
    let track =
        format.default_track().ok_or_else(|| read_error("it has no audio track".to_owned()))?;
    let (id, params) = (track.id, track.codec_params.clone());
    let time_base = params
        .time_base
        .or_else(|| params.sample_rate.map(|r| symphonia::core::units::TimeBase::new(1, r)));
    let time_base =
        time_base.ok_or_else(|| read_error("it does not state its sample rate".to_owned()))?;
    let mut ticks = 0u64;
    let end = loop {
        match format.next_packet() {
            Ok(packet) if packet.track_id() == id => ticks = ticks.saturating_add(packet.dur()),
            Ok(_) => {}
            Err(Error::IoError(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => break None,
            // The rest of a chained stream is another recording.
            Err(Error::ResetRequired) => break None,
            Err(e) => break Some(e),
        }
    };
    let ms = |ticks: u64| {
        u64::try_from(
            u128::from(ticks) * u128::from(time_base.numer) * 1000
                / u128::from(time_base.denom.max(1)),
        )
        .unwrap_or_default()
    };
    if ticks == 0 {
        return Err(read_error(
            end.map_or_else(|| "the audio track is empty".to_owned(), |e| e.to_string()),
        ));
    }
    if let Some(e) = end {
        return Err(read_error(format!("after {} ms: {e}", ms(ticks))));
    }
    // Truncation can be detected only if the container states the length; in mp3 files the stated length is an
    // estimate.
    let exact = params.codec != symphonia::core::codecs::CODEC_TYPE_MP3;
    if let Some(declared) =
        params.n_frames.filter(|n| exact && ticks.saturating_mul(100) < n.saturating_mul(95))
    {
        return Err(read_error(format!("it is truncated: {} of {} ms", ms(ticks), ms(declared))));
    }
    Ok(ms(ticks))
}

/// Number of bars of a waveform.
const PEAK_COUNT: usize = 160;

/// Returns the peak of each of `PEAK_COUNT` equal intervals, 0 to 255, scaled to a maximum of 255. Empty if the file is
/// silent or cannot be decoded: the player then draws a plain line.
pub(crate) fn peaks(disk: &Path, duration_ms: u64) -> Vec<u8> {
    decode_peaks(disk, duration_ms).unwrap_or_default()
}

fn decode_peaks(disk: &Path, duration_ms: u64) -> Option<Vec<u8>> {
    let stream = MediaSourceStream::new(Box::new(File::open(disk).ok()?), Default::default());
    let options = FormatOptions { enable_gapless: true, ..FormatOptions::default() };
    let mut format = symphonia::default::get_probe()
        .format(&Hint::new(), stream, &options, &MetadataOptions::default())
        .ok()?
        .format;
    let track = format.default_track()?;
    let (id, params) = (track.id, track.codec_params.clone());
    let mut decoder =
        symphonia::default::get_codecs().make(&params, &DecoderOptions::default()).ok()?;
    let frames = u128::from(duration_ms) * u128::from(params.sample_rate?) / 1000;
    let mut peaks = [0f32; PEAK_COUNT];
    let (mut at, mut buffer) = (0u128, None::<SampleBuffer<f32>>);
    while let Ok(packet) = format.next_packet() {
        if packet.track_id() != id {
            continue;
        }
        // Skip a damaged packet, which has little effect on the waveform.
        let Ok(decoded) = decoder.decode(&packet) else { continue };
        let (spec, channels) = (*decoded.spec(), decoded.spec().channels.count().max(1));
        let capacity = decoded.capacity() as u64;
        if buffer.as_ref().is_none_or(|b| b.capacity() < decoded.capacity() * channels) {
            buffer = Some(SampleBuffer::new(capacity, spec));
        }
        let samples = buffer.as_mut()?;
        samples.copy_interleaved_ref(decoded);
        for frame in samples.samples().chunks(channels) {
            let index =
                (at * PEAK_COUNT as u128 / frames.max(1)).min(PEAK_COUNT as u128 - 1) as usize;
            let amplitude = frame.iter().fold(0f32, |max, sample| max.max(sample.abs()));
            peaks[index] = peaks[index].max(amplitude);
            at += 1;
        }
    }
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
        assert_eq!(duration_ms(&file), Ok(4000));
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
}
