//! Decodes a recording.

use std::{fs::File, path::Path};

use symphonia::core::{
    audio::SampleBuffer, codecs::DecoderOptions, formats::FormatOptions, io::MediaSourceStream,
    meta::MetadataOptions, probe::Hint,
};

/// Calls `each` with the samples per second and the amplitude of each sample, the greatest one of all channels. Returns
/// `None` if the file cannot be decoded; skips a damaged packet.
pub(crate) fn amplitudes(file: &Path, mut each: impl FnMut(u32, f32)) -> Option<()> {
    let stream = MediaSourceStream::new(Box::new(File::open(file).ok()?), Default::default());
    // The delay of the encoder is shorter than what is measured here, and its removal fails on very short files.
    let options = FormatOptions { enable_gapless: false, ..FormatOptions::default() };
    let mut format = symphonia::default::get_probe()
        .format(&Hint::new(), stream, &options, &MetadataOptions::default())
        .ok()?
        .format;
    let track = format.tracks().iter().find(|t| t.codec_params.sample_rate.is_some())?;
    let (id, params) = (track.id, track.codec_params.clone());
    let rate = params.sample_rate?;
    let mut decoder =
        symphonia::default::get_codecs().make(&params, &DecoderOptions::default()).ok()?;
    let mut buffer = None::<SampleBuffer<f32>>;
    while let Ok(packet) = format.next_packet() {
        if packet.track_id() != id {
            continue;
        }
        let Ok(decoded) = decoder.decode(&packet) else { continue };
        let (spec, channels) = (*decoded.spec(), decoded.spec().channels.count().max(1));
        let capacity = decoded.capacity() as u64;
        if buffer.as_ref().is_none_or(|b| b.capacity() < decoded.capacity() * channels) {
            buffer = Some(SampleBuffer::new(capacity, spec));
        }
        let samples = buffer.as_mut()?;
        samples.copy_interleaved_ref(decoded);
        for frame in samples.samples().chunks(channels) {
            each(rate, frame.iter().fold(0f32, |max, sample| max.max(sample.abs())));
        }
    }
    Some(())
}
